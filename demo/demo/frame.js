// The phone's screen from outside: its user, its start and its messages.

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
    // With the same query the browser would only follow the fragment, without loading.
    screen.src = `phone/screen.html?launch=${(launches += 1)}#${facts}`;
  };
  // The second part of the screen's storage keys is the person.
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
