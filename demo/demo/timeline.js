// The live sequence diagram: calls between mini program, login service and WeChat, and events to
// other services.

import { element } from '../dom.js';
import { REFERER_OF_WECHAT } from '../simulated_wechat.js';
import { masked } from './masking.js';
import { words } from './texts.js';

const LANES = { miniProgram: 0, service: 1, wechat: 2, others: 3 };

export function createTimeline(wechat, hasEvents) {
  const list = document.querySelector('#steps');
  const requests = new Map();
  const seen = new Set();
  let steps = [];
  const since = Date.now() / 1000;
  let charges;

  document.querySelector('.timeline').classList.toggle('has-events', hasEvents);
  document.querySelector('#wipe').addEventListener('click', () => {
    steps = [];
    show();
  });

  function add(entry) {
    if (entry.kind === 'request') return put(requestStep(entry));
    if (entry.kind === 'answer') return answered(entry);
    if (entry.kind === 'platform') return put(platformStep(entry));
    if (entry.kind === 'fault') return put(faultStep(entry));
    return undefined;
  }

  function put(step) {
    // WeChat's calls are received later than they happened.
    const next = steps.findIndex(({ at }) => at > step.at);
    const place = next < 0 ? steps.length : next;
    followed(() => list.insertBefore(drawn(step), list.children[place] ?? null));
    steps.splice(place, 0, step);
  }

  function drawn(step) {
    step.row = rowOf(step);
    return step.row;
  }

  // Keeps the end in view, unless the reader has scrolled away from it.
  function followed(change) {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    change();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }

  function requestStep({ id, at, method, url, header, body }) {
    const { pathname, search } = new URL(url);
    const { authorization, [REFERER_OF_WECHAT]: referer } = header;
    const step = {
      at,
      from: 'miniProgram',
      to: 'service',
      what: `${method} ${pathname}${search}`,
      outcome: () => words().waiting,
      request: {
        ...(referer && { referer }),
        ...(authorization && { authorization }),
        ...(body && JSON.parse(body)),
      },
    };
    requests.set(id, step);
    return step;
  }

  function answered({ id, status, data, fault, ms }) {
    const step = requests.get(id);
    // A new launch counts its requests from one again.
    if (!step) return;
    requests.delete(id);
    step.ok = status < 400;
    step.outcome = () => `${status ?? words().noAnswer} · ${ms} ms`;
    step.answer = fault ?? data;
    if (steps.includes(step)) followed(() => step.row.replaceWith(drawn(step)));
  }

  function refresh() {
    return Promise.all([refreshCalls(), hasEvents && refreshEvents()]);
  }

  async function refreshEvents() {
    const { events } = await (await fetch('/local/events')).json();
    for (const { 'detail-type': type, detail } of events) {
      const step = eventStep(type, detail);
      if (step.at <= since * 1000 || seen.has(detail.id)) continue;
      seen.add(detail.id);
      put(step);
    }
  }

  async function refreshCalls() {
    const calls = await wechat.get('calls');
    charges = calls.charges;
    showCharges();
    for (const call of calls.last.filter((each) => each.at > since && !seen.has(keyOf(each)))) {
      seen.add(keyOf(call));
      put(callStep(call));
    }
  }

  function showCharges() {
    document.querySelector('#charges').textContent = charges ? words().charges(charges) : '';
  }

  function show() {
    list.dataset.empty = words().noSteps;
    followed(() => list.replaceChildren(...steps.map(drawn)));
    showCharges();
  }

  return { add, refresh, show };
}

const keyOf = ({ at, path }) => `${at} ${path}`;

function platformStep({ at, name, answer }) {
  const ok = !answer.errMsg.includes('fail');
  return {
    at,
    from: 'miniProgram',
    to: 'wechat',
    what: name,
    ok,
    outcome: () => (ok ? 'ok' : 'fail'),
    answer,
  };
}

function callStep({ at, path, outcome, ms }) {
  return {
    at: at * 1000,
    from: 'service',
    to: 'wechat',
    what: path.split('/').at(-1),
    ok: outcome === '0',
    outcome: () => `${outcomeText(outcome)} · ${ms} ms`,
    note: () => words().serverAsks,
  };
}

function eventStep(type, detail) {
  return {
    // The id is a UUIDv7, which begins with the time in milliseconds.
    at: parseInt(detail.id.replace('-', '').slice(0, 12), 16),
    from: 'service',
    to: 'others',
    what: type,
    ok: true,
    outcome: () => words().delivered,
    note: () => words().othersHear,
    event: detail,
  };
}

function outcomeText(outcome) {
  if (/^-?\d+$/.test(outcome)) return `errcode ${outcome}`;
  return words().outcomes[outcome] ?? outcome;
}

function faultStep({ at, message }) {
  return {
    at,
    from: 'miniProgram',
    to: 'miniProgram',
    what: message,
    ok: false,
    outcome: () => words().pageFault,
  };
}

function rowOf(step) {
  const { from, to, what, ok, outcome, request, answer, event, note } = step;
  const state = ok === undefined ? 'waiting' : ok ? 'ok' : 'failed';
  const summary = element(
    'summary',
    {},
    element('span', { className: 'what' }, what),
    element('span', { className: 'arrow' }),
    element('span', { className: 'outcome' }, outcome()),
  );
  const parts = [summary];
  if (note) parts.push(element('p', {}, note()));
  if (request && Object.keys(request).length) parts.push(...block(words().request, request));
  if (answer !== undefined) parts.push(...block(words().answer, answer));
  if (event) parts.push(...block(words().event, event));
  const details = element('details', { open: Boolean(step.open) }, ...parts);
  details.addEventListener('toggle', () => {
    step.open = details.open;
    if (details.open) details.scrollIntoView({ block: 'nearest' });
  });
  const row = element('li', { className: state }, details);
  row.dataset.route = `${LANES[from]}${LANES[to]}`;
  return row;
}

function block(title, value) {
  const shown = masked(value);
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown, null, 2);
  return [element('h3', {}, title), element('pre', {}, text)];
}
