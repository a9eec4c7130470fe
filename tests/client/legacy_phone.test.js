// Clients that have encryptedData only, against a local stack with LegacyPhone=true. pytest runs
// this with the addresses of one: tests/client/test_mini_program.py.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createSession } = require('../../examples/mini-program/utils/session');
const { Phone } = require('./phone');

const { API_URL: baseUrl, WECHAT_URL: wechatUrl } = process.env;
const skip = !(baseUrl && wechatUrl) && 'needs API_URL and WECHAT_URL of a local stack';

async function setUp() {
  const phone = new Phone({ wechatUrl });
  const session = createSession({ wx: phone.wx, baseUrl, pause: async () => {} });
  await session.login();
  const tap = async () => ({ ...(await phone.tapPhoneButton()), code: undefined });
  return { phone, session, tap };
}

test.describe('Legacy phone data', { skip }, () => {
  test('it registers without a further login', async () => {
    const { phone, session, tap } = await setUp();

    assert.ok(await session.registerPhone(await tap()));

    assert.equal(phone.logins.length, 1);
  });

  test('after the session_key has changed, the next tap works', async () => {
    const { phone, session, tap } = await setUp();
    await phone.asksWeChat('people', { session: false });
    await phone.asksWeChat('wx.login');

    await assert.rejects(session.registerPhone(await tap()), { code: 'session_key_stale' });

    assert.equal(phone.logins.length, 2);
    assert.ok(await session.registerPhone(await tap()));
    assert.equal(phone.logins.length, 2);
  });
});
