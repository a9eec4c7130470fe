// The table's present items, and the latest changes.

import { element } from '../dom.js';
import { localTime, words } from './texts.js';

const KINDS = ['USER', 'PHONE', 'ID', 'UNION'];
const TIMES = /(At|Until)$/;
const ID = /^[\w-]{20,}$/;
// Attributes against abuse come last: a reader needs them least.
const GUARDS = /^(attempts|proofs)/;

export function createTable(wechat, frame) {
  const box = document.querySelector('#items');
  let items;
  let before = new Map();

  async function refresh() {
    const response = await fetch('/local/table');
    const { openid } = await wechat.post('people', { user: frame.user() });
    items = response.ok ? inOrder((await response.json()).items, openid) : undefined;
    show();
  }

  function show() {
    const now = new Map(
      (items ?? []).map((item) => [`${item.pk} ${item.sk}`, JSON.stringify(item)]),
    );
    // Rebuilding unchanged items would lose the reader's selection and scroll position.
    const language = document.documentElement.lang;
    const state = `${language} ${[...now.values()].join()}`;
    if (box.dataset.state === state && items) return;
    box.dataset.state = state;
    const cards = (items ?? []).map((item) => {
      const key = `${item.pk} ${item.sk}`;
      return itemCard(item, before.size > 0 && before.get(key) !== now.get(key));
    });
    const empty = element('p', { className: 'empty' }, items ? words().noItems : words().noTable);
    box.replaceChildren(...(cards.length ? cards : [empty]));
    before = now;
  }

  return { refresh, show };
}

// The phone's present user and their items come first, with those of the open mini program before
// others of the same kind.
function inOrder(items, openid) {
  const profile = items.find(({ pk, sk }) => sk === 'PROFILE' && pk.endsWith(`#${openid}`));
  const names = [openid, profile?.userId].filter(Boolean);
  const has = (item, ...texts) => texts.some((text) => JSON.stringify(item).includes(text));
  return items.sort(
    (one, other) =>
      has(other, ...names) - has(one, ...names) ||
      byKind(one, other) ||
      has(other, openid) - has(one, openid),
  );
}

// Users and their items come first, internal items last.
function byKind(one, other) {
  const rank = (item) => [...KINDS, kindOf(item)].indexOf(kindOf(item));
  return rank(one) - rank(other);
}

function kindOf({ pk, sk }) {
  const [kind] = sk.split('#');
  if (kind === 'PROFILE') return 'USER';
  return sk.includes('#') ? kind : pk.split('#')[0];
}

function itemCard({ pk, sk, ...attributes }, isChanged) {
  const kind = element('span', { className: 'kind' }, kindOf({ pk, sk }));
  const heading = element('h3', {}, kind, ...broken(pk));
  const rows = Object.entries({ sk, ...attributes })
    .filter(([, value]) => value !== null)
    .sort(([one], [other]) => GUARDS.test(one) - GUARDS.test(other))
    .flatMap(([name, value]) => [
      element('dt', {}, name),
      element('dd', {}, ...shownValue(name, value)),
    ]);
  const card = element('article', { className: isChanged ? 'item changed' : 'item' }, heading);
  card.append(element('dl', {}, ...rows));
  return card;
}

// A map, such as the sessions of a user, has a line for each of its entries.
function shownValue(name, value) {
  if (Array.isArray(value)) return broken(value.join(', '));
  if (value && typeof value === 'object') {
    return Object.entries(value).map(([key, inner]) =>
      element('div', {}, `${key} `, ...shownValue(key, inner)),
    );
  }
  return TIMES.test(name) && value ? [localTime(value)] : broken(String(value));
}

// Keys may be broken after each #, and an id in its middle: else one character of it would be
// left for the next line.
function broken(text) {
  return text
    .split(/(?<=#)/)
    .flatMap((part) => (ID.test(part) ? halves(part) : [part]))
    .flatMap((part) => [part, element('wbr')]);
}

function halves(text) {
  const middle = Math.ceil(text.length / 2);
  const parts = [text.slice(0, middle), text.slice(middle)];
  return parts.map((half) => element('span', { className: 'half' }, half));
}
