// The mini program's token, decoded, and verified in this browser like in any other service: with
// the public keys only.

import { element } from '../dom.js';
import { isJwt, SHOWN } from './masking.js';
import { localTime, words } from './texts.js';

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const TIMES = new Set(['iat', 'exp']);

export function createToken(frame) {
  const box = document.querySelector('#claims');
  const verdict = document.querySelector('#verdict');
  let token;
  let state;

  async function refresh() {
    const held = frame.stored().flatMap(stringsIn).find(isJwt);
    if (held === token && state?.verdict !== 'unchecked') return;
    token = held;
    state = held && (await verify(held));
    show();
  }

  function show() {
    verdict.className = state?.verdict ?? '';
    verdict.textContent = state ? verdictText(state) : '';
    box.replaceChildren(
      state ? claimList(state) : element('p', { className: 'empty' }, words().noToken),
    );
  }

  return { refresh, show };
}

function stringsIn(json) {
  const found = [];
  JSON.parse(json, (_, value) => {
    if (typeof value === 'string') found.push(value);
    return value;
  });
  return found;
}

async function verify(token) {
  const [head, body, signature] = token.split('.');
  const header = JSON.parse(text(head));
  const claims = JSON.parse(text(body));
  const key = await publicKey(header.kid);
  if (!key) return { header, claims, verdict: 'unchecked' };
  const signed = new TextEncoder().encode(`${head}.${body}`);
  // The algorithm is fixed; the header's is ignored.
  const isValid = await crypto.subtle.verify(ALGORITHM, key, bytes(signature), signed);
  return { header, claims, verdict: isValid ? 'verified' : 'forged' };
}

async function publicKey(kid) {
  const response = await fetch('/.well-known/jwks.json');
  if (!response.ok) return undefined;
  const { keys } = await response.json();
  const jwk = keys.find((key) => key.kid === kid);
  return jwk && crypto.subtle.importKey('jwk', jwk, ALGORITHM, false, ['verify']);
}

function verdictText({ verdict, header, claims }) {
  if (verdict === 'verified' && claims.exp * 1000 < Date.now()) return words().overdue;
  return verdict === 'verified'
    ? words().verified(`${header.kid.slice(0, SHOWN)}…`)
    : words()[verdict];
}

function claimList({ header, claims }) {
  const { typ, alg } = header;
  const rows = Object.entries({ 'typ, alg': `${typ}, ${alg}`, ...claims }).flatMap(
    ([name, value]) => [
      element(
        'dt',
        {},
        element('code', {}, ...breakable(name)),
        element('span', {}, words().claims[name] ?? ''),
      ),
      element('dd', {}, TIMES.has(name) ? localTime(value) : String(value)),
    ],
  );
  return element('dl', {}, ...rows);
}

// phone_number_verified may be broken after each _.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, element('wbr')]);
}

const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (each) =>
    each.charCodeAt(0),
  );
const text = (base64url) => new TextDecoder().decode(bytes(base64url));
