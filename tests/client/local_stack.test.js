// The example's client against the real handlers and the simulated WeChat, over HTTP. pytest runs
// this with the addresses of a stack: tests/client/test_mini_program.py.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createHttp } = require('../../examples/mini-program/utils/http');
const { createSession } = require('../../examples/mini-program/utils/session');
const authPage = require('./mpvue_auth_page');
const { mount, until } = require('./mpvue');
const { Phone } = require('./phone');

const { API_URL: baseUrl, WECHAT_URL: wechatUrl } = process.env;
const skip = !(baseUrl && wechatUrl) && 'needs API_URL and WECHAT_URL of a local stack';

/** Somebody new, with a phone and the example's client on it. */
function setUp() {
  const phone = new Phone({ wechatUrl });
  const pauses = [];
  const pause = async (ms) => pauses.push(ms);
  const start = () => createSession({ wx: phone.wx, baseUrl, pause });
  return { phone, pauses, start, session: start() };
}

const sent = (phone, path) => phone.requests.filter(({ url }) => url === baseUrl + path);
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

test.describe('The local stack', { skip }, () => {
  test('a first login, a registration, a second launch', async () => {
    const { phone, session, start } = setUp();

    assert.equal(await session.token(), null);
    const token = await session.registerPhone(await phone.tapPhoneButton());
    const requests = phone.requests.length;

    assert.equal(claims(token).phone_number_verified, true);
    assert.equal(await start().token(), token);
    assert.equal(phone.requests.length, requests);
    assert.equal(phone.logins.length, 1);
  });

  test('a registered user gets a token with the login on a new phone', async () => {
    const { phone, session } = setUp();
    await session.login();
    await session.registerPhone(await phone.tapPhoneButton());
    const another = new Phone({ wechatUrl, user: phone.user });

    const { token, registered } = await createSession({ wx: another.wx, baseUrl }).login();

    assert.equal(registered, true);
    assert.equal(claims(token).sub, claims(await session.token()).sub);
  });

  test('a refusal at the button sends nothing', async () => {
    const { phone, session } = setUp();
    await session.login();

    const detail = await phone.tapPhoneButton({ allow: false });
    await assert.rejects(session.registerPhone(detail), { code: 'phone_refused' });

    assert.equal(sent(phone, '/phone').length, 0);
  });

  test('an empty quota is distinguished from a refusal', async (t) => {
    const { phone, session } = setUp();
    await session.login();
    const before = (await (await fetch(`${wechatUrl}/simulated/rules`)).json()).phoneBalance;
    const setBalance = (phoneBalance) =>
      fetch(`${wechatUrl}/simulated/rules`, {
        method: 'POST',
        body: JSON.stringify({ phoneBalance }),
      });
    await setBalance(0);
    t.after(() => setBalance(before));

    const detail = await phone.tapPhoneButton();

    await assert.rejects(session.registerPhone(detail), { code: 'phone_quota_used_up' });
  });

  test('a session that was ended elsewhere costs one silent login', async () => {
    const { phone, session } = setUp();
    await session.login();
    const another = new Phone({ wechatUrl, user: phone.user });
    await createSession({ wx: another.wx, baseUrl }).logOut({ everywhere: true });

    const token = await session.registerPhone(await phone.tapPhoneButton());

    assert.ok(token);
    assert.equal(phone.logins.length, 2);
    const codes = sent(phone, '/phone').map(({ data }) => data.code);
    assert.equal(codes.length, 2);
    assert.equal(codes[0], codes[1]);
  });

  test('calls that find the session ended together share one login', async () => {
    const { phone, session } = setUp();
    await session.login();
    const another = new Phone({ wechatUrl, user: phone.user });
    await createSession({ wx: another.wx, baseUrl }).logOut({ everywhere: true });

    await Promise.all([session.token(), session.registerPhone(await phone.tapPhoneButton())]);

    assert.equal(phone.logins.length, 2);
  });

  test('a used login code is followed by a fresh one', async () => {
    const { phone, session } = setUp();
    const { code } = await phone.asksWeChat('wx.login');
    await session.login({ code });

    await session.login({ code });

    assert.equal(phone.logins.length, 1);
    assert.equal(sent(phone, '/login').length, 3);
  });

  test('the same phone code sent twice answers twice, and WeChat is asked once', async () => {
    const { phone, session } = setUp();
    await session.login();
    const detail = await phone.tapPhoneButton();
    const asked = async () => {
      const { paths } = await (await fetch(`${wechatUrl}/simulated/calls`)).json();
      return paths['/wxa/business/getuserphonenumber'].count;
    };
    const before = await asked();

    await session.registerPhone(detail);
    await session.registerPhone(detail);

    assert.equal(await asked(), before + 1);
  });

  test("somebody else's phone code is rejected", async () => {
    const { session } = setUp();
    await session.login();
    const stolen = await new Phone({ wechatUrl }).tapPhoneButton();

    await assert.rejects(session.registerPhone(stolen), {
      code: 'code_rejected',
      retryable: false,
    });
  });

  test('a user whom WeChat blocks sees the reason, once', async () => {
    const { phone, session } = setUp();
    await phone.asksWeChat('people', { blocked: true });

    await assert.rejects(session.token(), { code: 'user_blocked', status: 403 });

    assert.equal(phone.logins.length, 1);
  });

  test("WeChat's limits are reported with their wait", async () => {
    const { phone, session, pauses } = setUp();
    await phone.asksWeChat('faults', {
      path: '/sns/jscode2session',
      kind: 'errcode',
      errcode: 45011,
    });

    await assert.rejects(session.login(), {
      code: 'too_many_attempts',
      status: 429,
      retryAfter: 60,
    });

    assert.deepEqual(pauses, []);
  });

  test('a failure of WeChat is reported, and ends with the failure', async () => {
    const { phone, session } = setUp();
    const faults = (times) =>
      phone.asksWeChat('faults', { path: '/sns/jscode2session', kind: 'status', times });
    await faults(9);
    await assert.rejects(session.login(), { code: 'wechat_unavailable', status: 502 });

    await faults(0);

    assert.ok((await session.login()).openid);
  });

  test('a log-out ends the session on the server and silent logins on the phone', async () => {
    const { phone, session, start } = setUp();
    await session.login();
    const { header } = (await session.token(), phone.requests.at(-1));

    await session.logOut();

    const answer = await fetch(`${baseUrl}/token`, {
      method: 'POST',
      headers: header,
      body: JSON.stringify({ openid: header.Authorization.split(/[ .]/)[2] }),
    });
    assert.equal((await answer.json()).error.code, 'session_invalid');
    assert.equal(await start().token(), null);
    assert.equal(phone.logins.length, 1);
  });

  test('the account is shown masked, changed and cleared, without a number too', async () => {
    const { phone, session } = setUp();
    assert.equal((await session.account()).phone, null);
    await session.registerPhone(await phone.tapPhoneButton());

    const changed = await session.updateAccount({ nickname: '小林' });
    const cleared = await session.updateAccount({ nickname: null });

    assert.match(changed.phone, /^\d{3}\*+\d{2}$/);
    assert.deepEqual([changed.nickname, cleared.nickname], ['小林', null]);
    assert.equal(phone.logins.length, 1);
  });

  test('a call with the token outlives that its session was ended elsewhere', async () => {
    const { phone, session } = setUp();
    await session.login();
    const token = await session.registerPhone(await phone.tapPhoneButton());
    const another = new Phone({ wechatUrl, user: phone.user });
    await createSession({ wx: another.wx, baseUrl }).logOut({ everywhere: true });

    const person = await session.request({ url: '/userinfo' });

    assert.equal(person.sub, claims(token).sub);
    assert.equal(phone.logins.length, 2);
  });

  test('a deleted account stays deleted until the user logs in, and is then another', async () => {
    const { phone, session } = setUp();
    const { userId } = await session.account();

    await session.deleteAccount();
    assert.equal(await session.token(), null);
    assert.equal(phone.logins.length, 1);
    await session.login();

    assert.notEqual((await session.account()).userId, userId);
  });

  test('an auth page in the $http style runs unchanged', async () => {
    const { phone, session } = setUp();
    globalThis.wx = phone.wx;
    const page = mount(authPage, createHttp(session));
    const entered = () => phone.screens.some(({ name }) => name === 'reLaunch');

    page.onShow();
    await until(() => page.showAuth);
    page.getPhoneNumber({ mp: { detail: await phone.tapPhoneButton() } });
    await until(entered);

    assert.equal(claims(phone.wx.getStorageSync('token')).openid, page.openid);
  });
});
