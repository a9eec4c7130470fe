// Masks secrets: enough to recognise them, too little to use.

const SECRETS = new Set([
  'authorization',
  'code',
  'encryptedData',
  'iv',
  'receipt',
  'session',
  'token',
]);
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
export const SHOWN = 6;

export const isJwt = (value) =>
  typeof value === 'string' && value.startsWith('eyJ') && JWT.test(value);

export function masked(value, name) {
  if (Array.isArray(value)) return value.map((each) => masked(each));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, masked(each, key)]));
  }
  if (typeof value !== 'string') return value;
  if (name === 'authorization') return value.replace(/\S+$/, cut);
  // The code of an error is no secret: "code_rejected".
  const isSecret = SECRETS.has(name) && !/^[a-z_]+$/.test(value);
  return isSecret || isJwt(value) ? cut(value) : value;
}

const cut = (secret) => `${secret.slice(0, SHOWN)}…`;
