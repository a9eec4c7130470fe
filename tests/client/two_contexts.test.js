// A mini program in two JavaScript contexts with one storage: its pages, and the AI mode's runtime.
// Each has a client of its own; what one of them does holds for the other at once.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createSession } = require('../../examples/mini-program/utils/session');
const { Phone } = require('./phone');
const { PLATFORMS } = require('./platforms');
const { ScriptedServer, granted, held } = require('./scripted_server');

/** Both clients have logged in and used what they know. */
async function setUp(t, over, { registered = true } = {}) {
  const phone = new Phone();
  const server = await ScriptedServer.started(t);
  server.registered = registered;
  const options = { baseUrl: server.url, pause: async () => {} };
  const pages = createSession({ wx: over(phone.wx), ...options });
  const ai = createSession({ wx: over(phone.wx), ...options });
  await pages.token();
  await ai.token();
  const stored = () => JSON.parse([...phone.storage.values()][0]);
  return { phone, server, pages, ai, stored };
}

const CALLS = {
  account: (session) => session.account(),
  registerPhone: (session) => session.registerPhone({ code: 'phone-code' }),
  deleteAccount: (session) => session.deleteAccount(),
  sessions: (session) => session.sessions(),
};

for (const [platform, over] of Object.entries(PLATFORMS)) {
  test.describe(`${platform}: two contexts`, () => {
    test('they share one login', async (t) => {
      const { phone, server } = await setUp(t, over);

      assert.equal(phone.logins.length, 1);
      assert.equal(server.asked('POST /token').length, 0);
    });

    test('token: after a log-out in one, the other has none', async (t) => {
      const { phone, pages, ai, stored } = await setUp(t, over);

      await pages.logOut();

      assert.equal(await ai.token(), null);
      assert.equal(ai.isLoggedOut(), true);
      assert.equal(phone.logins.length, 1);
      assert.deepEqual(stored(), { loggedOut: true, logOuts: 1 });
    });

    for (const [name, call] of Object.entries(CALLS)) {
      for (const leave of ['logOut', 'deleteAccount']) {
        test(`${name}: after ${leave} in one, the other does not log in`, async (t) => {
          const { phone, server, pages, ai, stored } = await setUp(t, over);
          await pages[leave]();
          const before = server.requests.length;

          await assert.rejects(call(ai), { code: 'logged_out' });

          assert.equal(phone.logins.length, 1);
          assert.equal(server.requests.length, before);
          assert.deepEqual(stored(), { loggedOut: true, logOuts: 1 });
        });
      }
    }

    test('logOut: the second of two has nothing to end', async (t) => {
      const { server, pages, ai } = await setUp(t, over);

      await pages.logOut();
      await ai.logOut();

      assert.equal(server.asked('POST /logout').length, 1);
      assert.equal(ai.isLoggedOut(), true);
    });

    test('request: the token of before is not sent', async (t) => {
      const { server, pages, ai } = await setUp(t, over);

      await pages.logOut();

      await assert.rejects(ai.request({ url: '/userinfo' }), { code: 'login_needed' });
      assert.equal(server.asked('GET /userinfo').length, 0);
    });

    test('registerPhone: a registration in one is known in the other', async (t) => {
      const { server, pages, ai } = await setUp(t, over, { registered: false });
      const before = server.asked('POST /token').length;

      const token = await ai.registerPhone({ code: 'phone-code' });

      assert.equal(await pages.token(), token);
      assert.equal(server.asked('POST /token').length, before);
    });

    test('login: after a log-in in one, the other goes on with its session', async (t) => {
      const { phone, server, pages, ai } = await setUp(t, over);
      await pages.logOut();
      await pages.login();

      await ai.account();

      assert.equal(phone.logins.length, 2);
      assert.equal(server.asked('GET /account')[0].credential, 'o-alice.secret-2');
    });

    test('a session that ended is replaced once for both', async (t) => {
      const { phone, server, pages, ai } = await setUp(t, over);
      server.endSessions();

      await pages.account();
      await ai.account();

      assert.equal(phone.logins.length, 2);
    });

    test('an answer that comes after a log-out and another log-in is not kept', async (t) => {
      const { server, pages, ai, stored } = await setUp(t, over, { registered: false });
      const { order, arrived, letGo } = held();
      server.order('POST /token', order);
      const slow = ai.token();
      await arrived;

      await pages.logOut();
      await pages.login();
      letGo(granted('token of the ended session', { expiresIn: 7200 }));

      await assert.rejects(slow, { code: 'logged_out' });
      assert.equal(stored().token, null);
    });

    test('a write of one context keeps the writes of the other', async (t) => {
      const { server, pages, ai, stored } = await setUp(t, over, { registered: false });
      const { order, arrived, letGo } = held();
      server.order('POST /token', order);
      const slow = ai.token();
      await arrived;

      await pages.login();
      letGo(granted('token-of-ai', { expiresIn: 7200 }));
      await slow;

      const { session, token } = stored();
      assert.deepEqual([session, token], ['o-alice.secret-2', 'token-of-ai']);
    });
  });
}
