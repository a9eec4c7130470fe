// The example's client in two mini programs of one backend, over HTTP. pytest runs this with the
// addresses of a stack: tests/client/test_mini_program.py.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createSession } = require('../../examples/mini-program/utils/session');
const { Phone } = require('./phone');

const { API_URL: baseUrl, WECHAT_URL: wechatUrl } = process.env;
const skip = !(baseUrl && wechatUrl) && 'needs API_URL and WECHAT_URL of a local stack';
const appid = 'wxfedcba0987654321';

/** Registers somebody in the first mini program, and opens the second on the same phone. */
async function setUp() {
  const first = new Phone({ wechatUrl });
  const session = createSession({ wx: first.wx, baseUrl });
  await session.login();
  await session.registerPhone(await first.tapPhoneButton());
  return { session, phone: new Phone({ wechatUrl, appid, user: first.user }) };
}

const userOf = async (session) => (await session.account()).userId;

test.describe('A second mini program', { skip }, () => {
  test("WeChat's Referer is enough, and the person is the same user without a number", async () => {
    const { session, phone } = await setUp();
    const other = createSession({ wx: phone.wx, baseUrl });

    const { openid, registered } = await other.login();

    assert.notEqual(openid, (await session.account()).openid);
    assert.equal(registered, false);
    assert.equal((await other.account()).phone, null);
    assert.equal(await userOf(other), await userOf(session));
  });

  test('without the Referer the option appid is enough', async () => {
    const { session, phone } = await setUp();
    phone.losesReferer = true;

    // The backend takes it for the first mini program, whose AppID does not match the code.
    await assert.rejects(createSession({ wx: phone.wx, baseUrl }).login(), { code: 'code_rejected' });

    const other = createSession({ wx: phone.wx, baseUrl, appid });
    assert.equal(await userOf(other), await userOf(session));
    assert.ok(await other.registerPhone(await phone.tapPhoneButton()));
  });
});
