// A number that was paid for while the backend's table failed. pytest runs this with the addresses of
// a stack whose table refuses registrations until RECOVERY_URL is called: tests/client/test_receipt.py.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createSession } = require('../../examples/mini-program/utils/session');
const { Phone } = require('./phone');

const { API_URL: baseUrl, WECHAT_URL: wechatUrl, RECOVERY_URL: recoveryUrl } = process.env;

test('a paid number is registered by its receipt, without a second tap', async () => {
  const phone = new Phone({ wechatUrl });
  const recoveries = [];
  const pause = async (ms) => recoveries.push([ms, (await fetch(recoveryUrl)).status]);
  const session = createSession({ wx: phone.wx, baseUrl, pause });
  await session.login();
  const detail = await phone.tapPhoneButton();

  const token = await session.registerPhone(detail);

  assert.equal(token, await session.token());
  const sent = phone.requests.filter(({ url }) => url === `${baseUrl}/phone`);
  const proofs = sent.map(({ data: { openid, ...proof } }) => Object.keys(proof));
  assert.deepEqual(proofs, [['code'], ['receipt']]);
  assert.equal(recoveries.length, 1);
  assert.match((await session.account()).phone, /^\d{3}\*+\d{2}$/);
});
