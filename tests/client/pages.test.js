// The pages' behaviour and texts: the same code that runs in WeChat, without its screen.

const test = require('node:test');
const assert = require('node:assert/strict');

const { explain, languages } = require('../../examples/mini-program/texts');
const { Phone } = require('./phone');
const { openPage } = require('./running_page');
const { ScriptedServer, dropped, refused } = require('./scripted_server');

const config = require('../../examples/mini-program/config');

const { zh, en } = languages;

async function setUp(t, { registered = false, ...options } = {}) {
  const phone = new Phone(options);
  const server = await ScriptedServer.started(t);
  server.registered = registered;
  return { phone, server, open: (name) => openPage(name, phone, server.url) };
}

const lastScreen = (phone) => {
  const { name, url } = phone.screens.at(-1);
  return { name, url };
};
const home = { name: 'reLaunch', url: '/pages/home/index' };

test.describe('Home', () => {
  test('the shop is open to who has no account, and nobody is asked to log in', async (t) => {
    const { phone, open } = await setUp(t);

    const page = await open('home');

    assert.equal(page.data.step, 'guest');
    assert.equal(page.data.t.goods.length, 3);
    assert.ok(!phone.screens.some(({ name }) => name === 'navigateTo'));
  });

  test('the shop is open when nothing answers', async (t) => {
    const { phone, open } = await setUp(t);
    phone.airplane = true;

    const page = await open('home');

    assert.equal(page.data.step, 'guest');
    assert.equal(page.data.note, zh.problems.login_unavailable);
  });

  test('a member is greeted by name, from a service that takes the token', async (t) => {
    const { server, open } = await setUp(t, { registered: true });

    const page = await open('home');

    assert.equal(page.data.step, 'member');
    assert.equal(page.data.person.nickname, '小林');
    assert.equal(server.asked('GET /userinfo')[0].credential, 'token-1');
  });

  test('a member stays one when the greeting fails', async (t) => {
    const { server, open } = await setUp(t, { registered: true });
    server.order('GET /userinfo', refused(500, 'internal'));

    const page = await open('home');

    assert.equal(page.data.step, 'member');
    assert.equal(page.data.note, zh.problems.other);
  });

  test('of a member whose greeting does not come nothing is said that is not known', async (t) => {
    const { phone, open } = await setUp(t, { registered: true });
    await open('home');
    phone.airplane = true;

    const page = await open('home');

    assert.equal(page.data.step, 'member');
    assert.equal(page.data.person, null);
    assert.equal(page.data.note, zh.problems.offline);
  });

  test('after a log-out the account is out of sight until the next login', async (t) => {
    const { phone, open } = await setUp(t, { registered: true });
    await open('home');
    await phone.session.logOut();

    const page = await open('home');

    assert.equal(page.data.step, 'guest');
    assert.equal(page.data.loggedOut, true);
    assert.equal(phone.logins.length, 1);
  });
});

test.describe('Auth', () => {
  test('a first visit logs in, then shows the button', async (t) => {
    const { phone, open } = await setUp(t);

    const page = await open('auth');

    assert.equal(page.data.step, 'ready');
    assert.equal(phone.logins.length, 1);
  });

  test('a registered user passes without seeing the button', async (t) => {
    const { phone, open } = await setUp(t, { registered: true });

    const page = await open('auth');

    assert.equal(page.data.step, 'loading');
    assert.deepEqual(lastScreen(phone), home);
  });

  test('a user who logged out and comes back is not charged again', async (t) => {
    const { phone, server, open } = await setUp(t, { registered: true });
    await open('home');
    await phone.session.logOut();

    await open('auth');

    assert.deepEqual(lastScreen(phone), home);
    assert.equal(server.asked('POST /phone').length, 0);
  });

  test('the paid button is gone before anything is sent', async (t) => {
    const { phone, open } = await setUp(t);
    const page = await open('auth');
    const detail = await phone.tapPhoneButton();

    const registered = page.takePhone({ detail });
    assert.equal(page.data.step, 'registering');
    await registered;

    assert.deepEqual(lastScreen(phone), home);
  });

  test('a refusal leaves the button and the way back', async (t) => {
    const { open, server } = await setUp(t);
    const page = await open('auth');

    await page.takePhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } });

    assert.equal(page.data.step, 'ready');
    assert.equal(page.data.note, zh.problems.phone_refused);
    assert.equal(server.asked('POST /phone').length, 0);
  });

  test('a used-up quota takes the button away and says why', async (t) => {
    const { open } = await setUp(t);
    const page = await open('auth');

    await page.takePhone({ detail: { errno: 1400001, errMsg: 'getPhoneNumber:fail' } });

    assert.equal(page.data.step, 'closed');
    assert.equal(page.data.note, zh.problems.phone_quota_used_up);
  });

  test('a number that got lost on its way is sent again without a tap', async (t) => {
    const { phone, server, open } = await setUp(t);
    const page = await open('auth');
    server.order('POST /phone', dropped, dropped);
    await page.takePhone({ detail: await phone.tapPhoneButton() });
    assert.equal(page.data.step, 'unsent');

    await page.register();

    assert.deepEqual(lastScreen(phone), home);
    assert.equal(phone.taps, 1);
  });

  test('a call interrupted by the background continues when the page is shown again', async (t) => {
    const { phone, open } = await setUp(t);
    const page = await open('auth');
    phone.background = true;
    await page.takePhone({ detail: await phone.tapPhoneButton() });
    assert.equal(page.data.note, zh.problems.interrupted);

    phone.background = false;
    await page.onShow();

    assert.deepEqual(lastScreen(phone), home);
    assert.equal(phone.taps, 1);
  });

  test('the button survives that the phone sheet covers and uncovers the page', async (t) => {
    const { server, open } = await setUp(t);
    const page = await open('auth');
    const before = server.requests.length;

    await page.onShow();

    assert.equal(page.data.step, 'ready');
    assert.equal(server.requests.length, before);
  });

  test('an expired code shows the button again', async (t) => {
    const { phone, server, open } = await setUp(t);
    const page = await open('auth');
    server.order('POST /phone', refused(401, 'code_rejected'));

    await page.takePhone({ detail: await phone.tapPhoneButton() });

    assert.equal(page.data.step, 'ready');
    assert.equal(page.data.note, zh.problems.phone_code_rejected);
  });

  test('a login that fails can be tried again', async (t) => {
    const { phone, open } = await setUp(t);
    phone.airplane = true;
    const page = await open('auth');
    assert.equal(page.data.step, 'failed');

    phone.airplane = false;
    await page.logIn();

    assert.equal(page.data.step, 'ready');
    assert.equal(page.data.note, '');
  });

  test('a login whose codes WeChat rejects can be tried again', async (t) => {
    const { server, open } = await setUp(t);
    server.order('POST /login', refused(401, 'code_rejected'), refused(401, 'code_rejected'));

    const page = await open('auth');
    assert.equal(page.data.step, 'failed');
    assert.equal(page.data.note, zh.problems.code_rejected);
    await page.logIn();

    assert.equal(page.data.step, 'ready');
  });

  test('a blocked user sees the reason and no retry', async (t) => {
    const { server, open } = await setUp(t);
    server.order('POST /login', refused(403, 'user_blocked'));

    const page = await open('auth');

    assert.equal(page.data.step, 'closed');
    assert.equal(page.data.note, zh.problems.user_blocked);
  });

  test('a long wait is shown in seconds', async (t) => {
    const { server, open } = await setUp(t);
    const headers = { 'Retry-After': '60' };
    server.order('POST /login', refused(429, 'too_many_attempts', { headers }));

    const page = await open('auth');

    assert.equal(page.data.note, '请 60 秒后再试。');
  });

  test('not now always leads back to the shop', async (t) => {
    const { phone, open } = await setUp(t);
    const page = await open('auth');

    page.leave();

    assert.deepEqual(lastScreen(phone), home);
  });
});

test.describe('Account', () => {
  test('it shows what is held about the user', async (t) => {
    const { open } = await setUp(t, { registered: true });

    const page = await open('account');

    assert.equal(page.data.account.phone, '138******66');
    assert.equal(page.data.step, 'ready');
    assert.match(page.data.since, /^2026-09-2\d$/);
  });

  test('picture and nickname wait for the consent, if there is none yet', async (t) => {
    const { phone, open } = await setUp(t);
    phone.needsPrivacyConsent = true;
    const page = await open('account');
    assert.equal(page.data.consentNeeded, true);

    page.consent();

    assert.equal(page.data.consentNeeded, false);
  });

  test('the nickname is what the form gives, and an empty one is not sent', async (t) => {
    const { server, open } = await setUp(t);
    const page = await open('account');

    await page.saveProfile({ detail: { value: { nickname: ' 小林 ' } } });
    await page.saveProfile({ detail: { value: { nickname: '' } } });

    assert.deepEqual(
      server.asked('PUT /account').map(({ body }) => body),
      [{ nickname: '小林' }],
    );
    assert.equal(page.data.note, zh.account.nicknameEmpty);
  });

  test('a nickname that is too long is not sent, and not cut either', async (t) => {
    const { server, phone, open } = await setUp(t);
    const page = await open('account');

    await page.saveProfile({ detail: { value: { nickname: '长'.repeat(33) } } });

    assert.equal(page.data.note, zh.account.nicknameLong);
    assert.equal(server.asked('PUT /account').length, 0);
    assert.ok(!phone.screens.some(({ title }) => title === zh.account.saved));

    await page.saveProfile({ detail: { value: { nickname: '😀'.repeat(32) } } });
    assert.equal(server.asked('PUT /account').length, 1);
  });

  test('the devices are listed, and each but this one can be logged out', async (t) => {
    const { phone, server, open } = await setUp(t, { registered: true });
    const page = await open('account');
    assert.deepEqual(
      page.data.devices.map(({ id, current }) => [id, current]),
      [
        ['this', true],
        ['other', false],
      ],
    );
    const tap = { currentTarget: { dataset: { id: 'other' } } };

    phone.answersModal = false;
    await page.endDevice(tap);
    assert.equal(server.asked('DELETE /account/sessions/other').length, 0);
    phone.answersModal = true;
    await page.endDevice(tap);

    assert.deepEqual(
      page.data.devices.map(({ id }) => id),
      ['this'],
    );
    assert.equal(phone.session.isLoggedOut(), false);
  });

  test('an account whose devices do not come is shown all the same', async (t) => {
    const { server, open } = await setUp(t, { registered: true });
    server.order('GET /account/sessions', refused(500, 'internal'));

    const page = await open('account');

    assert.equal(page.data.step, 'ready');
    assert.equal(page.data.note, zh.problems.other);
  });

  for (const [isComputer, way] of [
    [false, 'shareFileMessage'],
    [true, 'saveFileToDisk'],
  ]) {
    test(`the data is given as a file, by ${way}, within the tap`, async (t) => {
      const { phone, open } = await setUp(t, { registered: true });
      phone.isComputer = isComputer;
      const page = await open('account');

      page.download();

      const { name, filePath, text } = phone.screens.at(-1);
      assert.deepEqual([name, filePath], [way, 'wxfile://usr/account.json']);
      assert.deepEqual(JSON.parse(text), page.data.account);
      assert.equal(page.data.note, '');
    });
  }

  test('a file that cannot be written or given is said, a closed sheet is not', async (t) => {
    const { phone, open } = await setUp(t, { registered: true });
    const page = await open('account');
    for (const trouble of ['storageFull', 'airplane']) {
      phone[trouble] = true;
      page.download();
      assert.equal(page.data.note, zh.account.downloadFailed);
      phone[trouble] = false;
    }

    phone.closesSheet = true;
    page.download();

    assert.equal(page.data.note, '');
  });

  test('picture and nickname can be removed', async (t) => {
    const { server, open } = await setUp(t);
    const page = await open('account');
    await page.takeAvatar({ detail: { avatarUrl: 'wxfile://tmp/1.jpg' } });

    await page.clearProfile();

    assert.deepEqual(server.asked('PUT /account')[0].body, { nickname: null, avatarUrl: null });
    assert.equal(page.data.avatarUrl, '');
  });

  test('a refused nickname is explained', async (t) => {
    const { server, open } = await setUp(t);
    const page = await open('account');
    server.order('PUT /account', refused(422, 'content_rejected'));

    await page.saveProfile({ detail: { value: { nickname: '坏' } } });

    assert.equal(page.data.note, zh.problems.content_rejected);
  });

  test("a picture's address is kept once it has one, and its path never", async (t) => {
    const { server, open } = await setUp(t);
    t.after(() => (config.uploadAvatar = null));
    const page = await open('account');
    await page.takeAvatar({ detail: { avatarUrl: 'wxfile://tmp/1.jpg' } });
    assert.equal(server.asked('PUT /account').length, 0);
    assert.equal(page.data.note, zh.account.avatarNotKept);

    config.uploadAvatar = async (path) => `https://pictures.example/${path.slice(-5)}`;
    await page.takeAvatar({ detail: { avatarUrl: 'wxfile://tmp/1.jpg' } });

    assert.deepEqual(server.asked('PUT /account')[0].body, {
      avatarUrl: 'https://pictures.example/1.jpg',
    });
  });

  test('another number is one tap away, and the paid button gone at once', async (t) => {
    const { phone, server, open } = await setUp(t, { registered: true });
    const page = await open('account');

    const changed = page.takePhone({ detail: await phone.tapPhoneButton() });
    assert.equal(page.data.phoneStep, 'registering');
    await changed;

    assert.equal(page.data.phoneStep, 'ready');
    assert.equal(server.asked('POST /phone').length, 1);
  });

  test('a user who refuses the number sees that nothing has changed', async (t) => {
    const { server, open } = await setUp(t, { registered: true });
    const page = await open('account');

    await page.takePhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } });

    assert.equal(page.data.phoneStep, 'ready');
    assert.equal(page.data.note, zh.account.unchanged);
    assert.equal(server.asked('POST /phone').length, 0);
  });

  test('a number of another account is explained, and the button stays', async (t) => {
    const { phone, server, open } = await setUp(t);
    const page = await open('account');
    server.order('POST /phone', refused(409, 'phone_taken'));

    await page.takePhone({ detail: await phone.tapPhoneButton() });

    assert.equal(page.data.phoneStep, 'ready');
    assert.equal(page.data.note, zh.problems.phone_taken);
  });

  test('a log-out is one tap and ends at home', async (t) => {
    const { phone, server, open } = await setUp(t, { registered: true });
    const page = await open('account');

    await page.logOut();

    assert.equal(server.asked('POST /logout').length, 1);
    assert.deepEqual(lastScreen(phone), home);
  });

  for (const [act, route] of [
    ['logOutEverywhere', 'POST /logout'],
    ['erase', 'DELETE /account'],
  ]) {
    test(`${act} asks first, and no means no`, async (t) => {
      const { phone, server, open } = await setUp(t, { registered: true });
      const page = await open('account');

      phone.answersModal = false;
      await page[act]();
      assert.equal(server.asked(route).length, 0);
      phone.answersModal = true;
      await page[act]();

      assert.equal(server.asked(route).length, 1);
      assert.ok(phone.session.isLoggedOut());
      assert.ok(phone.screens.some(({ name, url }) => name === 'reLaunch' && url === home.url));
    });
  }

  test('a deletion that failed is not shown as done', async (t) => {
    const { phone, open } = await setUp(t, { registered: true });
    const page = await open('account');
    phone.airplane = true;

    await page.erase();

    assert.equal(page.data.note, zh.problems.offline);
    assert.ok(!phone.screens.some(({ name }) => name === 'reLaunch'));
  });

  test('an account that does not load can be asked for again', async (t) => {
    const { phone, open } = await setUp(t);
    phone.airplane = true;
    const page = await open('account');
    assert.equal(page.data.step, 'failed');

    phone.airplane = false;
    await page.load();

    assert.equal(page.data.step, 'ready');
  });
});

test.describe('Texts', () => {
  const keys = (value, at = '') =>
    typeof value === 'object'
      ? Object.entries(value).flatMap(([key, inner]) => keys(inner, `${at}.${key}`))
      : [at];

  test('both languages say the same things', () => {
    assert.deepEqual(keys(en), keys(zh));
  });

  test('the language is the phone’s, and Chinese where it is neither', async (t) => {
    for (const [language, expected] of [
      ['en', en],
      ['en_US', en],
      ['zh_CN', zh],
      ['zh_TW', zh],
      ['ja', zh],
    ]) {
      const { open } = await setUp(t, { language });
      assert.equal((await open('auth')).data.t, expected.auth);
    }
  });

  test('a base library without getAppBaseInfo is asked the older way', async (t) => {
    const { phone, open } = await setUp(t, { language: 'en' });
    phone.wx.getSystemInfoSync = phone.wx.getAppBaseInfo;
    delete phone.wx.getAppBaseInfo;

    assert.equal((await open('auth')).data.t, en.auth);
  });

  test('an error without a sentence of its own has one all the same', () => {
    globalThis.wx = new Phone().wx;
    assert.equal(explain({ code: 'never_heard_of' }), zh.problems.other);
  });

  test("a button of a dialog has no more letters than WeChat's dialog shows", () => {
    for (const { account } of [zh, en]) {
      for (const word of [account.cancel, account.confirm, account.eraseConfirm]) {
        const widths = [...word].map((letter) => (letter > 'ÿ' ? 2 : 1));
        assert.ok(widths.reduce((sum, width) => sum + width, 0) <= 8, word);
      }
    }
  });
});
