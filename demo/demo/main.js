// The page around the phone: its controls, and its view of the backend.

import './page.css';
import './phone.css';
import './controls.css';
import './timeline.css';
import './panels.css';
import { simulatedWeChat } from '../simulated_wechat.js';
import { createControls } from './controls.js';
import { createFrame } from './frame.js';
import { createTable } from './table.js';
import { currentLanguage, speak, words } from './texts.js';
import { createTimeline } from './timeline.js';
import { createToken } from './token.js';

const POLL_MS = 3000;

async function start() {
  const info = await (await fetch('/local/info')).json();
  const first = simulatedWeChat(info.wechat, () => info.appid);
  const { miniPrograms } = await first.get('mini-programs');
  const frame = createFrame(info.wechat, miniPrograms);
  const wechat = simulatedWeChat(info.wechat, frame.appid);
  const timeline = createTimeline(wechat, info.events);
  const table = createTable(wechat, frame);
  const token = createToken(frame);
  const controls = createControls(wechat, frame, miniPrograms, refresh);

  frame.onEntry((entry) => {
    timeline.add(entry);
    if (entry.kind === 'storage') token.refresh();
    if (entry.kind === 'answer') refresh();
  });
  for (const button of document.querySelectorAll('.languages button')) {
    button.addEventListener('click', () => {
      if (button.value !== currentLanguage()) useLanguage(button.value);
    });
  }

  useLanguage(currentLanguage());
  await controls.restore();
  // Schedules and other clients call WeChat and change the table, too.
  setInterval(() => {
    if (!document.hidden) refresh();
  }, POLL_MS);

  function refresh() {
    return Promise.all([timeline.refresh(), table.refresh(), token.refresh()]);
  }

  function useLanguage(language) {
    speak(language);
    for (const button of document.querySelectorAll('.languages button')) {
      button.setAttribute('aria-pressed', button.value === language);
    }
    for (const part of [controls, timeline, table, token]) part.show();
    // The mini program asks for the language when it starts.
    frame.launch();
    refresh();
  }
}

start().catch(() => {
  document.querySelector('#said').textContent = words().unreachable;
});
