// The controls of the phone and of WeChat's servers.

import { element } from '../dom.js';
import { avatarOf, nameOf, PEOPLE } from '../people.js';
import { currentLanguage, words } from './texts.js';

const PATHS = ['/sns/jscode2session', '/wxa/business/getuserphonenumber'];
const UNTIL_CLEARED = 10_000;
const TRIAL_BALANCE = 1000;

const FAULTS = {
  faultNone: { kind: 'errcode', times: 0 },
  faultBusy: { kind: 'errcode', errcode: -1 },
  faultCode: { kind: 'errcode', errcode: 40029 },
  faultSlow: { kind: 'delay', ms: 3000 },
  faultDrop: { kind: 'drop' },
  faultGarbage: { kind: 'garbage' },
};

export function createControls(wechat, frame, miniPrograms, refresh) {
  const said = document.querySelector('#said');
  const switches = {
    airplane: (on) => frame.setAirplane(on),
    blocked: (on) => wechat.post('people', { user: frame.user(), blocked: on }),
    noQuota: (on) => wechat.post('rules', { phoneBalance: on ? 0 : TRIAL_BALANCE }),
  };

  onClick('#relaunch', () => frame.launch());
  onClick('#clear', () => {
    frame.clear();
    return words().cleared;
  });
  onClick('#expire', async () => {
    const response = await fetch('/local/expire-sessions', { method: 'POST' });
    return words().expired((await response.json()).expired);
  });

  const people = PEOPLE.map(({ user }) => {
    const radio = choice('person', user, user === frame.user());
    radio.addEventListener('change', async () => {
      frame.handTo(user);
      await Promise.all([showSwitches(), refresh()]);
    });
    const face = element('img', { src: avatarOf(user), alt: '', width: 36, height: 36 });
    return element('label', { className: 'person' }, radio, face, element('span'));
  });
  document.querySelector('#people').append(element('div', {}, ...people));

  const chips = miniPrograms.map((appid) => {
    const radio = choice('mini-program', appid, appid === frame.appid());
    radio.addEventListener('change', async () => {
      // Faults are those of one mini program: the one that is left works again.
      document.querySelector('[value=faultNone]').checked = true;
      await order(FAULTS.faultNone);
      frame.openMiniProgram(appid);
      await Promise.all([showSwitches(), refresh()]);
    });
    return element('label', { className: 'chip' }, radio, element('span', {}, appid));
  });
  document.querySelector('#mini-programs').append(...chips);

  const boxes = Object.entries(switches).map(([name, act]) => {
    const box = element('input', { type: 'checkbox', role: 'switch', name });
    box.addEventListener('change', () => act(box.checked));
    const label = element('label', { className: 'switch' }, element('span'), box);
    label.firstChild.dataset.text = name;
    return label;
  });
  document.querySelector('#switches').append(...boxes);

  const faults = Object.entries(FAULTS).map(([name, fault]) => {
    const radio = choice('fault', name, name === 'faultNone');
    radio.addEventListener('change', () => order(fault));
    const label = element('label', { className: 'chip' }, radio, element('span'));
    label.lastChild.dataset.text = name;
    return label;
  });
  document.querySelector('#faults').append(...faults);

  // The last action's message would look like this action's.
  document.querySelector('.controls').addEventListener('change', () => {
    said.textContent = '';
  });

  function onClick(selector, act) {
    document.querySelector(selector).addEventListener('click', async () => {
      said.textContent = (await act()) ?? '';
      await refresh();
    });
  }

  async function order(fault) {
    for (const path of PATHS) {
      await wechat.post('faults', { path, kind: fault.kind, times: 0 });
      await wechat.post('faults', { path, times: UNTIL_CLEARED, ...fault });
    }
  }

  async function showSwitches() {
    const { blocked } = await wechat.post('people', { user: frame.user() });
    document.querySelector('[name=blocked]').checked = blocked;
    const { phoneBalance } = await wechat.get('rules');
    document.querySelector('[name=noQuota]').checked = phoneBalance <= 0;
  }

  return {
    // The simulated WeChat outlives this page: its faults are cancelled, its rules are shown.
    async restore() {
      await order(FAULTS.faultNone);
      await showSwitches();
    },
    show() {
      said.textContent = '';
      people.forEach((label, index) => {
        label.lastChild.textContent = nameOf(PEOPLE[index].user, currentLanguage());
      });
    },
  };
}

function choice(name, value, checked) {
  return element('input', { type: 'radio', name, value, checked });
}
