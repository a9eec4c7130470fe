// The phone's screen from outside: its user, its mini program, its start and its messages.

import { PEOPLE } from '../people.js';
import { currentLanguage } from './texts.js';

const USER = 'demo user';
const MINI_PROGRAM = 'demo mini program';

export function createFrame(wechat, miniPrograms) {
  const screen = document.querySelector('#screen');
  let user = lastOf(PEOPLE.map((person) => person.user), USER);
  let appid = lastOf(miniPrograms, MINI_PROGRAM);
  let airplane = false;
  let launches = 0;

  const launch = () => {
    const language = currentLanguage();
    const facts = new URLSearchParams({ user, appid, language, wechat, airplane });
    // With the same query the browser would only follow the fragment, without loading.
    screen.src = `phone/screen.html?launch=${(launches += 1)}#${facts}`;
  };
  const keysWith = (prefix) =>
    Object.keys(localStorage).filter((key) => key.startsWith(`${prefix} `));

  return {
    launch,
    user: () => user,
    appid: () => appid,
    handTo(next) {
      user = next;
      localStorage.setItem(USER, next);
      launch();
    },
    openMiniProgram(next) {
      appid = next;
      localStorage.setItem(MINI_PROGRAM, next);
      launch();
    },
    setAirplane(on) {
      airplane = on;
      screen.contentWindow.postMessage({ airplane }, location.origin);
    },
    stored: () =>
      keysWith(`mini-program ${user} ${appid}`).map((key) => localStorage.getItem(key)),
    // The person's whole phone, with all mini programs.
    clear() {
      for (const key of [...keysWith(`mini-program ${user}`), ...keysWith(`wechat ${user}`)]) {
        localStorage.removeItem(key);
      }
      launch();
    },
    onEntry: (listener) =>
      addEventListener('message', ({ source, data }) => {
        if (source === screen.contentWindow) listener(data);
      }),
  };
}

function lastOf(known, key) {
  const last = localStorage.getItem(key);
  return known.includes(last) ? last : known[0];
}
