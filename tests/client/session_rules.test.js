// The client's behaviour in each situation, on each platform, against a server that misbehaves on
// order. What the local stack can show is shown there as well, in local_stack.test.js.

const test = require('node:test');
const assert = require('node:assert/strict');

const { createSession, SessionError } = require('../../examples/mini-program/utils/session');
const { Phone } = require('./phone');
const { PLATFORMS } = require('./platforms');
const { ScriptedServer, dropped, granted, held, refused } = require('./scripted_server');

for (const [platform, over] of Object.entries(PLATFORMS)) {
  /** A phone, its client and the server; time passes only where a test lets it. */
  async function setUp(t, options = {}) {
    const phone = new Phone();
    const wx = over(phone.wx);
    const server = await ScriptedServer.started(t);
    const clock = { now: 1.8e12, pauses: [] };
    const pause = async (ms) => clock.pauses.push(ms);
    const start = () =>
      createSession({ wx, baseUrl: server.url, now: () => clock.now, pause, ...options });
    return { phone, wx, server, clock, start, session: start() };
  }

  /** Checks for assert.rejects: a SessionError with this code, these facts and no other text. */
  const failsWith =
    (code, facts = {}) =>
    (error) => {
      assert.ok(error instanceof SessionError, error);
      const expected = { code, message: code, ...facts };
      const found = Object.fromEntries(Object.keys(expected).map((name) => [name, error[name]]));
      assert.deepEqual(found, expected);
      return true;
    };

  test.describe(`${platform}: Sessions and tokens`, () => {
    test('the first call logs in, and the login brings the token along', async (t) => {
      const { session, server } = await setUp(t);

      assert.equal(await session.token(), 'token-1');

      assert.deepEqual(
        server.requests.map(({ route }) => route),
        ['POST /login'],
      );
      assert.deepEqual(server.requests[0].body, { code: 'login-code-1' });
    });

    test('the AppID goes with each login, if the options name one, and with nothing else', async (t) => {
      const { session, server } = await setUp(t, { appid: 'wx1234567890abcdef' });

      await session.account();

      assert.deepEqual(
        server.requests.map(({ route, body }) => [route, body]),
        [
          ['POST /login', { code: 'login-code-1', appid: 'wx1234567890abcdef' }],
          ['GET /account', undefined],
        ],
      );
    });

    test('login sends no session, every other call does', async (t) => {
      const { session, server } = await setUp(t);

      await session.account();
      await session.login();

      const sent = server.requests.map(({ route, credential }) => [route, credential]);
      assert.deepEqual(sent, [
        ['POST /login', ''],
        ['GET /account', 'o-alice.secret-1'],
        ['POST /login', ''],
      ]);
    });

    test('a second launch needs neither login nor network', async (t) => {
      const { session, start, server, phone } = await setUp(t);
      await session.token();

      assert.equal(await start().token(), 'token-1');

      assert.equal(phone.logins.length, 1);
      assert.equal(server.requests.length, 1);
    });

    test('a token that is about to expire is asked for anew', async (t) => {
      const { session, server, clock, phone } = await setUp(t);
      await session.token();

      clock.now += 7139 * 1000;
      assert.equal(await session.token(), 'token-1');
      clock.now += 2 * 1000;
      assert.equal(await session.token(), 'token-2');

      assert.deepEqual(server.asked('POST /token')[0].body, { openid: 'o-alice' });
      assert.equal(phone.logins.length, 1);
    });

    test('an unregistered user has no token, and is looked up each time', async (t) => {
      const { session, server } = await setUp(t);
      server.registered = false;

      assert.equal(await session.token(), null);
      assert.equal(await session.token(), null);
      server.registered = true;
      assert.equal(await session.token(), 'token-1');

      assert.equal(server.asked('POST /token').length, 2);
    });

    for (const code of ['session_invalid', 'session_required']) {
      test(`${code} is answered by one silent login and the same call`, async (t) => {
        const { session, server, phone } = await setUp(t);
        await session.login();
        server.order('PUT /account', refused(401, code));

        const account = await session.updateAccount({ nickname: '小林' });

        assert.equal(account.nickname, '小林');
        assert.equal(phone.logins.length, 2);
        const [first, second] = server.asked('PUT /account');
        assert.deepEqual(first.body, second.body);
        assert.equal(second.credential, 'o-alice.secret-2');
      });
    }

    test('a session that is refused again and again is no loop', async (t) => {
      const { session, server, phone } = await setUp(t);
      await session.login();
      server.order('GET /account', ...Array(9).fill(refused(401, 'session_invalid')));

      await assert.rejects(session.account(), failsWith('session_invalid', { status: 401 }));

      assert.equal(phone.logins.length, 2);
      assert.equal(server.asked('GET /account').length, 2);
    });

    test('calls that start together share one login', async (t) => {
      const { session, server, phone } = await setUp(t);

      await Promise.all([session.account(), session.token(), session.login(), session.account()]);

      assert.equal(phone.logins.length, 1);
      assert.equal(server.asked('POST /login').length, 1);
    });

    test('calls that find the session ended together share one login', async (t) => {
      const { session, server, phone } = await setUp(t);
      await session.login();
      server.endSessions();

      await Promise.all([session.account(), session.account(), session.updateAccount({ nickname: 'A' })]);

      assert.equal(phone.logins.length, 2);
    });

    test('a refusal that comes late, after another call has logged in, causes no login', async (t) => {
      const { session, server, phone } = await setUp(t);
      await session.login();
      let letGo;
      const late = new Promise((go) => (letGo = go));
      server.order('PUT /account', () => late);
      const slow = session.updateAccount({ nickname: '小林' });

      server.endSessions();
      await session.account();
      letGo(refused(401, 'session_invalid'));
      await slow;

      assert.equal(phone.logins.length, 2);
    });

    test('calls that need a fresh token together ask for one', async (t) => {
      const { session, server, clock } = await setUp(t);
      await session.token();
      clock.now += 7200 * 1000;

      const tokens = await Promise.all([session.token(), session.token(), session.token()]);

      assert.deepEqual(tokens, ['token-2', 'token-2', 'token-2']);
      assert.equal(server.asked('POST /token').length, 1);
    });

    test('a rejected login code is followed by a fresh one, once', async (t) => {
      const { session, server, phone } = await setUp(t);
      server.order('POST /login', refused(401, 'code_rejected'));

      await session.login();

      const codes = server.asked('POST /login').map(({ body }) => body.code);
      assert.deepEqual(codes, ['login-code-1', 'login-code-2']);

      server.order('POST /login', ...Array(9).fill(refused(401, 'code_rejected')));
      await assert.rejects(session.login(), failsWith('code_rejected'));
      assert.equal(phone.logins.length, 4);
    });

    test('after a failed login the next one starts afresh', async (t) => {
      const { session, phone } = await setUp(t);
      phone.airplane = true;
      await assert.rejects(session.token(), failsWith('login_unavailable'));

      phone.airplane = false;

      assert.equal(await session.token(), 'token-1');
    });

    test('full storage does not keep anybody from logging in', async (t) => {
      const { session, phone } = await setUp(t);
      phone.storageFull = true;

      assert.equal(await session.token(), 'token-1');
      assert.equal((await session.account()).openid, 'o-alice');

      assert.equal(phone.logins.length, 1);
    });

    test('two services on one phone do not share what is kept', async (t) => {
      const { session, wx } = await setUp(t);
      await session.login();
      const other = await ScriptedServer.started(t);

      await createSession({ wx, baseUrl: other.url }).token();

      assert.equal(other.requests[0].route, 'POST /login');
    });
  });

  test.describe(`${platform}: The phone number`, () => {
    async function setUpGuest(t) {
      const all = await setUp(t);
      all.server.registered = false;
      await all.session.token();
      return all;
    }

    test('registering calls no wx.login while the session holds', async (t) => {
      const { session, server, phone } = await setUpGuest(t);

      assert.equal(await session.registerPhone(await phone.tapPhoneButton()), 'token-1');

      assert.equal(phone.logins.length, 1);
      assert.deepEqual(server.asked('POST /phone')[0].body, {
        openid: 'o-alice',
        code: 'phone-code-1',
      });
      assert.equal(await session.token(), 'token-1');
      assert.equal(server.asked('POST /token').length, 0);
    });

    test('a session that ended before the tap costs a login, and not the paid code', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      const detail = await phone.tapPhoneButton();
      server.endSessions();

      await session.registerPhone(detail);

      const codes = server.asked('POST /phone').map(({ body }) => body.code);
      assert.deepEqual(codes, ['phone-code-1', 'phone-code-1']);
      assert.equal(phone.logins.length, 2);
    });

    test('an answer that is lost on its way is asked for with the same code', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      server.order('POST /phone', dropped);

      assert.equal(await session.registerPhone(await phone.tapPhoneButton()), 'token-1');

      const codes = server.asked('POST /phone').map(({ body }) => body.code);
      assert.deepEqual(codes, ['phone-code-1', 'phone-code-1']);
    });

    for (const [status, code] of [
      [502, 'wechat_unavailable'],
      [503, 'storage_unavailable'],
      [504, 'unexpected_answer'],
    ]) {
      test(`after ${status} the same code is sent once more`, async (t) => {
        const { session, server, phone } = await setUpGuest(t);
        server.order('POST /phone', refused(status, code), refused(status, code));

        await assert.rejects(
          session.registerPhone(await phone.tapPhoneButton()),
          failsWith(code, { retryable: true }),
        );

        const codes = server.asked('POST /phone').map(({ body }) => body.code);
        assert.deepEqual(codes, ['phone-code-1', 'phone-code-1']);
      });
    }

    test('a paid code outlives the tunnel: the same detail registers later', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      const detail = await phone.tapPhoneButton();
      phone.airplane = true;
      await assert.rejects(session.registerPhone(detail), failsWith('offline', { retryable: true }));

      phone.airplane = false;

      assert.equal(await session.registerPhone(detail), 'token-1');
      assert.equal(server.asked('POST /phone')[0].body.code, 'phone-code-1');
    });

    test('a receipt is turned in instead of the code, at once and later', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      const detail = await phone.tapPhoneButton();
      const stored = (receipt) =>
        refused(503, 'storage_unavailable', { receipt, headers: { 'Retry-After': '2' } });
      server.order('POST /phone', stored('receipt-1'), stored('receipt-2'));
      await assert.rejects(session.registerPhone(detail), failsWith('storage_unavailable'));

      await session.registerPhone(detail);

      assert.deepEqual(
        server.asked('POST /phone').map(({ body }) => body),
        [
          { openid: 'o-alice', code: 'phone-code-1' },
          { openid: 'o-alice', receipt: 'receipt-1' },
          { openid: 'o-alice', receipt: 'receipt-2' },
        ],
      );
    });

    test('a receipt belongs to its own tap', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      const withReceipt = refused(503, 'storage_unavailable', { receipt: 'receipt-1' });
      server.order('POST /phone', withReceipt, withReceipt);
      await assert.rejects(session.registerPhone(await phone.tapPhoneButton()));

      await session.registerPhone(await phone.tapPhoneButton());

      assert.equal(server.asked('POST /phone').at(-1).body.code, 'phone-code-2');
    });

    for (const errMsg of [
      'getPhoneNumber:fail user deny',
      'getPhoneNumber:fail:user deny',
      'getPhoneNumber:fail privacy permission is not authorized',
    ]) {
      test(`“${errMsg}” is a refusal, and nothing is sent`, async (t) => {
        const { session, server } = await setUpGuest(t);

        await assert.rejects(
          session.registerPhone({ errMsg }),
          failsWith('phone_refused', { retryable: false }),
        );

        assert.equal(server.asked('POST /phone').length, 0);
      });
    }

    test('a used-up quota and a closed button are distinguished from a refusal', async (t) => {
      const { session } = await setUpGuest(t);
      const tapped = (errno) => session.registerPhone({ errno, errMsg: 'getPhoneNumber:fail' });

      await assert.rejects(tapped(1400001), failsWith('phone_quota_used_up'));
      for (const errno of [102, 112, 1025, 101101, 101102, 1421102]) {
        await assert.rejects(tapped(errno), failsWith('phone_unavailable'));
      }
      for (const errno of [103, 104]) await assert.rejects(tapped(errno), failsWith('phone_refused'));
    });

    test('a call that gives the number (AI mode) is as good as a tap', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      const asked = phone.tapPhoneButton();
      server.order('POST /phone', dropped, dropped);
      await assert.rejects(session.registerPhone(asked), failsWith('offline'));

      assert.equal(await session.registerPhone(asked), 'token-1');

      const codes = new Set(server.asked('POST /phone').map(({ body }) => body.code));
      assert.deepEqual([...codes], ['phone-code-1']);
    });

    test('a call that gives no number (AI mode) is refused as a tap is', async (t) => {
      const { session, server } = await setUpGuest(t);
      const called = (failure) => session.registerPhone(Promise.reject(failure));

      const deny = { errMsg: 'getPhoneNumber:fail user deny' };
      await assert.rejects(called(deny), failsWith('phone_refused'));
      await assert.rejects(called({ errno: 1400001 }), failsWith('phone_quota_used_up'));
      await assert.rejects(called(undefined), failsWith('phone_refused'));

      assert.equal(server.asked('POST /phone').length, 0);
    });

    for (const [status, code] of [
      [401, 'code_rejected'],
      [409, 'phone_taken'],
      [403, 'user_blocked'],
      [400, 'bad_request'],
    ]) {
      test(`${code} is reported, not retried`, async (t) => {
        const { session, server, phone } = await setUpGuest(t);
        server.order('POST /phone', refused(status, code));

        await assert.rejects(
          session.registerPhone(await phone.tapPhoneButton()),
          failsWith(code, { status, retryable: false }),
        );

        assert.equal(server.asked('POST /phone').length, 1);
        assert.equal(phone.logins.length, 1);
      });
    }

    test('after session_key_stale the login is done before the next tap', async (t) => {
      const { session, server, phone } = await setUpGuest(t);
      server.order('POST /phone', refused(409, 'session_key_stale'));
      const legacy = { encryptedData: 'AAAA', iv: 'BBBB', errMsg: 'getPhoneNumber:ok' };

      await assert.rejects(session.registerPhone(legacy), failsWith('session_key_stale'));

      assert.deepEqual(server.asked('POST /phone')[0].body, {
        openid: 'o-alice',
        encryptedData: 'AAAA',
        iv: 'BBBB',
      });
      assert.equal(phone.logins.length, 2);
      assert.equal(await session.registerPhone(legacy), 'token-1');
      assert.equal(phone.logins.length, 2);
    });
  });

  test.describe(`${platform}: Bad days`, () => {
    for (const baseUrl of [
      undefined,
      '',
      'login.example.com',
      '/api',
      'https://',
      'https:///login',
      'https://login.example.com/',
      'https://login.example.com/v1/',
      'https://login.example.com?a=b',
      'wxfile://login.example.com',
    ]) {
      test(`the address “${baseUrl}” is refused at once`, () => {
        assert.throws(() => createSession({ wx: over(new Phone().wx), baseUrl }), TypeError);
      });
    }

    test('a failure is reported once, and leaves no unhandled rejection', async (t) => {
      const unheard = [];
      const listen = (reason) => unheard.push(reason);
      process.on('unhandledRejection', listen);
      t.after(() => process.off('unhandledRejection', listen));
      const { session, phone } = await setUp(t);
      await session.login();
      phone.airplane = true;

      await assert.rejects(session.account(), failsWith('offline'));
      await assert.rejects(session.login(), failsWith('login_unavailable'));
      await session.logOut();
      await new Promise((later) => setTimeout(later, 20));

      assert.deepEqual(unheard, []);
    });

    test('offline, slow and interrupted are distinguished', async (t) => {
      const { session, server, phone } = await setUp(t, { timeout: 2000 });
      await session.login();

      phone.airplane = true;
      await assert.rejects(session.account(), failsWith('offline', { status: 0, retryable: true }));
      phone.airplane = false;
      phone.background = true;
      await assert.rejects(session.account(), failsWith('interrupted', { retryable: true }));
      phone.background = false;
      server.order('GET /account', () => new Promise(() => {}));
      await assert.rejects(session.account(), failsWith('timeout', { retryable: true }));
    });

    test('an address that WeChat does not allow is reported to the developer', async (t) => {
      const { session, phone } = await setUp(t);
      phone.wx.request = ({ fail }) =>
        fail({ errno: 600002, errMsg: 'request:fail url not in domain list' });

      await assert.rejects(session.login(), failsWith('domain_not_listed', { retryable: false }));
    });

    test('a blocked user gets one error, and nothing is retried', async (t) => {
      const { session, server, phone } = await setUp(t);
      server.order('POST /login', refused(403, 'user_blocked'));

      await assert.rejects(
        session.token(),
        failsWith('user_blocked', { status: 403, retryable: false }),
      );

      assert.equal(phone.logins.length, 1);
    });

    for (const [status, code] of [
      [429, 'too_many_attempts'],
      [503, 'storage_unavailable'],
    ]) {
      for (const header of ['Retry-After', 'retry-after']) {
        test(`after ${status} a short ${header} is waited for, a long ${header} is reported`, async (t) => {
          const { session, phone, clock } = await setUp(t);
          const request = phone.wx.request;
          const answers = [2, 5, 6].map((seconds) => ({
            statusCode: status,
            data: refused(status, code).body,
            header: { [header]: String(seconds) },
          }));
          // fetch would give every header's name in lower case; a phone does not.
          phone.wx.request = (options) =>
            answers.length ? options.success(answers.shift()) : request(options);

          await assert.rejects(session.login(), failsWith(code, { retryAfter: 5 }));
          await assert.rejects(session.login(), failsWith(code, { retryAfter: 6, retryable: true }));

          assert.deepEqual(clock.pauses, [2000]);
          assert.deepEqual(phone.logins.length, 3);
        });
      }
    }

    test('a login that is repeated brings a fresh code', async (t) => {
      const { session, server } = await setUp(t);
      server.order(
        'POST /login',
        refused(503, 'storage_unavailable', { headers: { 'Retry-After': '1' } }),
      );

      await session.login({ code: 'from-the-page' });

      const codes = server.asked('POST /login').map(({ body }) => body.code);
      assert.deepEqual(codes, ['from-the-page', 'login-code-1']);
    });

    test('a Retry-After that is no number of seconds is no reason to wait', async (t) => {
      const { session, server, clock } = await setUp(t);
      const headers = { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' };
      server.order('POST /login', refused(429, 'too_many_attempts', { headers }));

      await assert.rejects(
        session.login(),
        failsWith('too_many_attempts', { retryAfter: undefined }),
      );

      assert.deepEqual(clock.pauses, []);
    });

    for (const [status, code] of [
      [500, 'internal'],
      [500, 'misconfigured'],
      [502, 'wechat_unavailable'],
    ]) {
      test(`${code} is reported at once`, async (t) => {
        const { session, server } = await setUp(t);
        server.order('POST /login', refused(status, code));

        await assert.rejects(session.login(), failsWith(code, { status, retryable: true }));

        assert.equal(server.asked('POST /login').length, 1);
      });
    }

    const strange = [
      ['a gateway', { status: 503, body: { message: 'Service Unavailable' } }],
      ['a proxy', { status: 502, body: '<html><h1>502</h1></html>' }],
      ['a hotel', { status: 200, body: '<html>Please sign in</html>' }],
      ['somebody else', { status: 200, body: { data: { session: 'o-eve.secret' } } }],
      [
        'a forger',
        { status: 400, body: { success: false, error: { code: '<b>Call 555-1234</b>' } } },
      ],
      ['nobody', { status: 200, body: '' }],
    ];
    for (const [who, answer] of strange) {
      test(`of an answer by ${who} nothing is shown and nothing is kept`, async (t) => {
        const { session, server, phone } = await setUp(t);
        server.order('POST /login', answer);

        await assert.rejects(session.login(), failsWith('unexpected_answer', { receipt: undefined }));

        assert.equal(phone.storage.size, 0);
      });
    }
  });

  test.describe(`${platform}: Leaving`, () => {
    test('a log-out ends the session, forgets everything and is not undone in silence', async (t) => {
      const { session, start, server, phone } = await setUp(t);
      await session.token();

      await session.logOut();

      const { body, credential } = server.asked('POST /logout')[0];
      assert.deepEqual([body, credential], [{ everywhere: false }, 'o-alice.secret-1']);
      assert.deepEqual([...phone.storage.values()], ['{"loggedOut":true,"logOuts":1}']);
      assert.equal(await session.token(), null);
      assert.equal(await start().token(), null);
      assert.equal(start().isLoggedOut(), true);
      await assert.rejects(session.request({ url: '/userinfo' }), failsWith('login_needed'));
      assert.equal(phone.logins.length, 1);
    });

    test('a login after a log-out needs no second tap on the paid button', async (t) => {
      const { session } = await setUp(t);
      await session.token();
      await session.logOut();

      assert.equal((await session.login()).token, 'token-2');

      assert.equal(session.isLoggedOut(), false);
      assert.equal(await session.token(), 'token-2');
    });

    for (const [name, call] of Object.entries({
      account: (session) => session.account(),
      updateAccount: (session) => session.updateAccount({ nickname: null }),
      sessions: (session) => session.sessions(),
      endSession: (session) => session.endSession('other'),
      registerPhone: (session) => session.registerPhone({ code: 'c' }),
      deleteAccount: (session) => session.deleteAccount(),
      'log-out everywhere': (session) => session.logOut({ everywhere: true }),
    })) {
      test(`${name} after a log-out does not log in, and asks the server nothing`, async (t) => {
        const { session, server, phone } = await setUp(t);
        await session.token();
        await session.logOut();
        const before = server.requests.length;

        await assert.rejects(call(session), failsWith('logged_out', { retryable: false }));

        assert.deepEqual([phone.logins.length, server.requests.length], [1, before]);
        assert.equal(session.isLoggedOut(), true);
      });
    }

    test('a silent login that the log-out overtakes opens no session', async (t) => {
      const { session, server, phone } = await setUp(t);
      const login = phone.wx.login;
      let letGo;
      const asked = new Promise((go) => (letGo = go));
      phone.wx.login = (options) => asked.then(() => login(options));
      const slow = session.token();

      await session.logOut();
      letGo();

      await assert.rejects(slow, failsWith('logged_out'));
      assert.equal(server.asked('POST /login').length, 0);
    });

    test('a login that is tapped while an older one is under way is a login of its own', async (t) => {
      const { session, server } = await setUp(t);
      const { order, arrived, letGo } = held();
      server.order('POST /login', order);
      const slow = session.token();
      await arrived;
      await session.logOut();

      assert.equal((await session.login()).openid, 'o-alice');
      letGo(granted({ openid: 'o-alice', session: 'late' }));

      await assert.rejects(slow, failsWith('logged_out'));
      assert.equal(await session.token(), 'token-1');
    });

    test('a log-out works without a network and with a session that has ended', async (t) => {
      for (const trouble of [
        ({ phone }) => (phone.airplane = true),
        ({ server }) => server.endSessions(),
      ]) {
        const all = await setUp(t);
        await all.session.token();
        trouble(all);

        await all.session.logOut();

        assert.equal(all.session.isLoggedOut(), true);
        assert.equal(all.phone.logins.length, 1);
      }
    });

    test('a log-out everywhere is not claimed before the server has said so', async (t) => {
      const { session, server, phone } = await setUp(t);
      await session.token();
      phone.airplane = true;
      await assert.rejects(session.logOut({ everywhere: true }), failsWith('offline'));
      assert.equal(session.isLoggedOut(), false);

      phone.airplane = false;
      server.endSessions();
      await session.logOut({ everywhere: true });

      assert.deepEqual(server.asked('POST /logout').at(-1).body, { everywhere: true });
      assert.equal(session.isLoggedOut(), true);
    });

    test('an answer that comes after the log-out is not kept', async (t) => {
      const slowCalls = [
        ['POST /token', (session) => session.token(), granted('late token', { expiresIn: 7200 })],
        [
          'POST /phone',
          (session) => session.registerPhone({ code: 'c' }),
          granted('late token', { expiresIn: 7200 }),
        ],
        [
          'POST /login',
          (session) => session.login(),
          granted({ openid: 'o-alice', session: 'late' }),
        ],
      ];
      for (const [route, call, answer] of slowCalls) {
        const { session, server, phone } = await setUp(t);
        server.registered = false;
        await session.token();
        const { order, arrived, letGo } = held();
        server.order(route, order);
        const slow = call(session);
        await arrived;

        await session.logOut();
        letGo(answer);

        await assert.rejects(slow, failsWith('logged_out'));
        assert.deepEqual([...phone.storage.values()], ['{"loggedOut":true,"logOuts":1}']);
      }
    });

    test('a refusal that comes after the log-out does not log in again', async (t) => {
      const { session, server, phone } = await setUp(t);
      await session.login();
      let letGo;
      const late = new Promise((go) => (letGo = go));
      server.order('GET /account', () => late);
      const slow = session.account();

      await session.logOut();
      letGo(refused(401, 'session_invalid'));

      await assert.rejects(slow, failsWith('session_invalid'));
      assert.equal(phone.logins.length, 1);
    });

    test('a deleted account is not made again in silence', async (t) => {
      const { session, start, server, phone } = await setUp(t);
      await session.token();

      await session.deleteAccount();

      assert.equal(server.asked('DELETE /account')[0].body, undefined);
      assert.deepEqual([...phone.storage.values()], ['{"loggedOut":true,"logOuts":1}']);
      assert.equal(await start().token(), null);
      assert.equal(phone.logins.length, 1);
    });

    test('a deletion that failed is not claimed', async (t) => {
      const { session, server } = await setUp(t);
      await session.token();
      server.order('DELETE /account', refused(500, 'internal'));

      await assert.rejects(session.deleteAccount(), failsWith('internal'));

      assert.equal(session.isLoggedOut(), false);
    });

    test('a deletion whose answer was lost ends well the second time', async (t) => {
      const { session, server } = await setUp(t);
      await session.token();
      server.order('DELETE /account', () => {
        server.endSessions();
        return dropped;
      });
      await assert.rejects(session.deleteAccount(), failsWith('offline'));

      await session.deleteAccount();

      assert.equal(server.session, null);
      assert.equal(session.isLoggedOut(), true);
    });
  });

  test.describe(`${platform}: the app's own calls`, () => {
    test('they carry the token, never the session', async (t) => {
      const { session, server, phone } = await setUp(t);

      const person = await session.request({ url: '/userinfo' });
      const there = await ScriptedServer.started(t);
      phone.hosts['https://orders.example.com'] = there.url;
      there.order('POST /orders', { status: 201, body: { order: 7 } });
      const order = await session.request({
        url: 'https://orders.example.com/orders',
        method: 'POST',
        data: { cups: 2 },
      });

      assert.equal(person.sub, 'u-1');
      assert.deepEqual(order, { order: 7 });
      assert.equal(server.asked('GET /userinfo')[0].credential, 'token-1');
      assert.deepEqual(there.requests[0], {
        route: 'POST /orders',
        credential: 'token-1',
        body: { cups: 2 },
      });
    });

    for (const url of [
      'http://orders.example.com/orders',
      '@orders.example.com/orders',
      '.orders.example.com/orders',
      ':8080/orders',
      'orders',
      '',
      'ftp://orders.example.com/orders',
    ]) {
      test(`the token is not sent to “${url}”`, async (t) => {
        const { session, phone } = await setUp(t);
        await session.token();
        const before = phone.requests.length;

        await assert.rejects(session.request({ url }), TypeError);

        assert.equal(phone.requests.length, before);
      });
    }

    test('an unregistered user gets login_needed', async (t) => {
      const { session, server } = await setUp(t);
      server.registered = false;

      await assert.rejects(session.request({ url: '/userinfo' }), failsWith('login_needed'));

      assert.equal(server.asked('GET /userinfo').length, 0);
    });

    const denials = [
      ['our own 401', refused(401, 'token_invalid')],
      ["API Gateway's 401", { status: 401, body: { message: 'Unauthorized' } }],
      ["API Gateway's 403", { status: 403, body: { message: 'Forbidden' } }],
    ];
    for (const [what, answer] of denials) {
      test(`after ${what} the token is renewed, once`, async (t) => {
        const { session, server } = await setUp(t);
        server.order('GET /userinfo', answer);

        await session.request({ url: '/userinfo' });

        const credentials = server.asked('GET /userinfo').map(({ credential }) => credential);
        assert.deepEqual(credentials, ['token-1', 'token-2']);

        server.order('GET /userinfo', ...Array(9).fill(answer));
        await assert.rejects(session.request({ url: '/userinfo' }), SessionError);
        assert.equal(server.asked('GET /userinfo').length, 4);
      });
    }

    test("the app's own refusal is not the token's fault", async (t) => {
      const { session, server } = await setUp(t);
      server.order('GET /userinfo', refused(403, 'not_yours'));

      await assert.rejects(session.request({ url: '/userinfo' }), failsWith('not_yours'));

      assert.equal(server.asked('GET /userinfo').length, 1);
    });

    test('a service that asks for a moment gets it', async (t) => {
      const { session, server, clock } = await setUp(t);
      server.order('GET /userinfo', { status: 503, body: '', headers: { 'Retry-After': '1' } });

      assert.equal((await session.request({ url: '/userinfo' })).sub, 'u-1');

      assert.deepEqual(clock.pauses, [1000]);
    });

    test('an order that may have arrived is not sent again', async (t) => {
      const { session, server } = await setUp(t);
      server.order('POST /orders', dropped);

      await assert.rejects(
        session.request({ url: '/orders', method: 'POST', data: {} }),
        failsWith('offline'),
      );

      assert.equal(server.asked('POST /orders').length, 1);
    });
  });
}
