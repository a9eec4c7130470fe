// The phone's screen seen from outside: who holds it, how it is started, what it tells.

import { PEOPLE } from '../people.js';
import { currentLanguage } from './texts.js';

const KEY = 'demo user';

export function createFrame(wechat) {
  const screen = document.querySelector('#screen');
  const known = PEOPLE.map(({ user }) => user);
  let user = known.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : known[0];
  let airplane = false;
  let launches = 0;

  const launch = () => {
    const facts = new URLSearchParams({ user, language: currentLanguage(), wechat, airplane });
    // With the same query the browser would only follow the fragment and load nothing.
    screen.src = `phone/screen.html?launch=${(launches += 1)}#${facts}`;
  };
  // The screen keeps what is this person's in keys that name the person second.
  const ownKeys = (owner) =>
    Object.keys(localStorage).filter((key) => key.startsWith(`${owner} ${user} `));

  return {
    launch,
    user: () => user,
    handTo(next) {
      user = next;
      localStorage.setItem(KEY, next);
      launch();
    },
    setAirplane(on) {
      airplane = on;
      screen.contentWindow.postMessage({ airplane }, location.origin);
    },
    stored: () => ownKeys('mini-program').map((key) => localStorage.getItem(key)),
    clear() {
      for (const key of [...ownKeys('mini-program'), ...ownKeys('wechat')]) {
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
