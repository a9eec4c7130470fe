// The phone's screen: the part of WeChat's app around a running mini program. The screen has its own
// frame, so that loading the frame restarts the mini program.

import { app, loadApp } from 'mini-program.js';
import 'mini-program.css';
import './screen.css';
import './components.css';
import './dialogs.css';
import { nameOf } from '../people.js';
import { simulatedWeChat } from '../simulated_wechat.js';
import { createDialogs } from './dialogs.js';
import { createHost } from './host.js';
import { createPageStack } from './page_stack.js';
import { createPhoneNumber } from './phone_number.js';
import { createPrivacy } from './privacy.js';
import { createStorage } from './storage.js';
import { createWx } from './wx.js';

const { user, appid, language, wechat, airplane } = Object.fromEntries(
  new URLSearchParams(location.hash.slice(1)),
);

const phone = {
  user,
  appid,
  name: nameOf(user, language),
  language,
  airplane: airplane === 'true',
  wechat: simulatedWeChat(wechat, () => appid),
  tell: (entry) => parent.postMessage({ ...entry, at: Date.now() }, location.origin),
};
phone.storage = createStorage(phone);
phone.dialogs = createDialogs(phone);
phone.privacy = createPrivacy(phone);
phone.phoneNumber = createPhoneNumber(phone);
phone.pages = createPageStack(app, document.querySelector('#pages'));

document.documentElement.lang = language;
const { navigationBarBackgroundColor: ground } = app.window ?? {};
if (ground) document.documentElement.style.setProperty('--ground', ground);
addEventListener('error', ({ message }) => phone.tell({ kind: 'fault', message }));
addEventListener('unhandledrejection', ({ reason }) =>
  phone.tell({ kind: 'fault', message: String(reason?.message ?? reason?.errMsg ?? reason) }),
);
addEventListener('message', ({ source, data }) => {
  if (source === parent && 'airplane' in data) setAirplane(data.airplane);
});

globalThis.wx = createWx(phone);
globalThis.getCurrentPages = () => phone.pages.current();
let appInstance;
globalThis.App = (definition) => {
  appInstance = definition;
};
globalThis.getApp = () => appInstance;

setAirplane(phone.airplane);
showTime();
setInterval(showTime, 10_000);
document.querySelector('#back').addEventListener('click', () => phone.pages.back(1));

loadApp();
const [first] = app.pages;
const launch = { path: first, query: {}, scene: 1001 };
appInstance?.onLaunch?.(launch);
appInstance?.onShow?.(launch);
phone.pages.start(createHost(phone), first);

function setAirplane(on) {
  phone.airplane = on;
  document.querySelector('#network').dataset.state = on ? 'airplane' : 'wifi';
  phone.onNetworkChange?.({ isConnected: !on, networkType: on ? 'none' : 'wifi' });
}

function showTime() {
  const time = new Date().toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  document.querySelector('#time').textContent = time;
}
