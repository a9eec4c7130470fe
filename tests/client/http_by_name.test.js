// Pages that call `$http(name, data)` run unchanged; that they do so against the local stack too is
// shown in local_stack.test.js.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createHttp } = require('../../examples/mini-program/utils/http');
const { createSession, SessionError } = require('../../examples/mini-program/utils/session');
const authPage = require('./mpvue_auth_page');
const { mount, until } = require('./mpvue');
const { Phone } = require('./phone');
const { ScriptedServer, refused } = require('./scripted_server');

async function setUp(t) {
  const phone = new Phone();
  const server = await ScriptedServer.started(t);
  server.registered = false;
  const session = createSession({ wx: phone.wx, baseUrl: server.url, pause: async () => {} });
  const $http = createHttp(session);
  globalThis.wx = phone.wx;
  return { phone, server, session, $http, open: () => mount(authPage, $http) };
}

const entered = (phone) => phone.screens.some(({ name }) => name === 'reLaunch');

test('an auth page of before logs in, registers and enters, unchanged', async (t) => {
  const { phone, server, open } = await setUp(t);
  const page = open();

  page.onShow();
  await until(() => page.showAuth);
  page.getPhoneNumber({ mp: { detail: await phone.tapPhoneButton() } });
  await until(() => entered(phone));

  assert.equal(phone.wx.getStorageSync('token'), 'token-1');
  assert.equal(phone.logins.length, 1);
  const sent = server.requests.map(({ route, credential }) => [route, credential]);
  assert.deepEqual(sent, [
    ['POST /login', ''],
    ['POST /token', 'o-alice.secret-1'],
    ['POST /phone', 'o-alice.secret-1'],
  ]);
});

test('a page that has kept its openid from another backend gets a session by itself', async (t) => {
  const { phone, server, open } = await setUp(t);
  server.registered = true;
  phone.wx.setStorageSync('openid', 'o-alice');

  open().onShow();
  await until(() => entered(phone));

  assert.equal(phone.logins.length, 1);
});

test('a page whose session has ended notices nothing', async (t) => {
  const { phone, server, open } = await setUp(t);
  const page = open();
  page.onShow();
  await until(() => page.showAuth);
  server.endSessions();

  page.getPhoneNumber({ mp: { detail: await phone.tapPhoneButton() } });
  await until(() => entered(phone));

  assert.equal(phone.logins.length, 2);
});

test("the page's own login code is used, and not another", async (t) => {
  const { server, phone, $http } = await setUp(t);

  const { success, data } = await $http('getOpenId', { code: 'from-the-page' });

  assert.deepEqual([success, data.openid], [true, 'o-alice']);
  assert.equal(server.asked('POST /login')[0].body.code, 'from-the-page');
  assert.equal(phone.logins.length, 0);
});

test('a refusal is an answer without success, a lost network is a rejection', async (t) => {
  const { server, phone, $http } = await setUp(t);
  server.order('POST /login', refused(403, 'user_blocked'));
  assert.deepEqual(await $http('getOpenId', { code: 'c' }), {
    success: false,
    data: null,
    error: { code: 'user_blocked' },
  });

  phone.airplane = true;

  await assert.rejects($http('getOpenId', { code: 'c' }), SessionError);
});

test('other names are for the project to answer', async (t) => {
  const { session, $http } = await setUp(t);
  const withOrders = createHttp(session, async (name, data) => ({ name, data }));

  assert.deepEqual(await withOrders('getOrders', { page: 2 }), {
    name: 'getOrders',
    data: { page: 2 },
  });
  for (const name of ['getOrders', 'constructor']) await assert.rejects($http(name), /no call/);
});
