// Every snippet of the client's documents, run as it stands against the local stack. pytest runs this
// with the addresses of a stack: tests/promises/test_snippets.py.

const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { createSession } = require('../../examples/mini-program/utils/session');
const { until } = require('./mpvue');
const { Phone } = require('./phone');

const { API_URL: baseUrl, WECHAT_URL: wechatUrl } = process.env;
const repository = path.resolve(__dirname, '../..');
const example = path.join(repository, 'examples', 'mini-program');
const AsyncFunction = (async () => {}).constructor;

/** Gives the fenced js and html blocks below each heading of a document. */
function snippetsOf(document) {
  const text = fs.readFileSync(path.join(repository, document), 'utf8');
  const found = {};
  let heading;
  for (const [, title, language, code] of text.matchAll(
    /^#+ (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm,
  )) {
    if (title) heading = title;
    else if (['js', 'html'].includes(language)) (found[heading] ||= []).push(code);
  }
  return found;
}

const guide = snippetsOf('docs/client.md');
const readme = snippetsOf('examples/mini-program/README.md');
const ran = new Set();

/** Runs a snippet where its names mean what they mean in a mini program. */
async function run(code, names, self) {
  ran.add(code);
  // One service stands for all that take the token.
  const here = code
    .replaceAll('https://login.example.com', baseUrl)
    .replaceAll('https://orders.example.com/orders', '/userinfo');
  const requires = (name) => require(path.join(example, name.replace(/^[./]+/, '')));
  const all = { require: requires, ...names };
  return new AsyncFunction(...Object.keys(all), here).apply(self, Object.values(all));
}

function setUp() {
  const phone = new Phone({ wechatUrl });
  const session = createSession({ wx: phone.wx, baseUrl });
  return { phone, session, wx: phone.wx, getApp: () => ({ session }) };
}

async function pageOf(code, names) {
  let page;
  await run(code, { ...names, Page: (definition) => (page = definition) });
  page.setData = (changes) => Object.assign(page.data, changes);
  return page;
}

const entered = (phone) => phone.screens.some(({ name }) => name === 'reLaunch');

test('the client guide: the session of the app', async () => {
  const { phone, wx } = setUp();
  const [code] = guide['Set it up'];
  let app;

  await run(code, { wx, App: (definition) => (app = definition) });

  assert.equal(await app.session.token(), null);
  assert.equal(phone.logins.length, 1);
});

test('the client guide: the session of an app whose requests lose the Referer', async () => {
  const { phone, wx } = setUp();
  const answer = await fetch(`${wechatUrl}/simulated/mini-programs`);
  [phone.appid] = (await answer.json()).miniPrograms;
  phone.losesReferer = true;
  let app;

  await run(guide['Set it up'][1], { wx, App: (definition) => (app = definition) });

  assert.equal(await app.session.token(), null);
  assert.equal(phone.requests[0].data.appid, phone.appid);
});

test('the client guide: log in, then show the button or enter', async () => {
  const { phone, session, ...names } = setUp();
  const [code] = guide['Log in and show the phone button'];

  const first = await pageOf(code, names);
  await first.onShow();
  assert.equal(first.data.step, 'ready');
  assert.equal(entered(phone), false);

  await session.registerPhone(await phone.tapPhoneButton());
  await (await pageOf(code, names)).onShow();
  assert.equal(entered(phone), true);

  phone.storage.clear();
  phone.airplane = true;
  const offline = await pageOf(code, { ...names, getApp: setUpOn(phone) });
  await offline.onShow();
  assert.deepEqual(offline.data, { step: 'failed', note: 'login_unavailable' });
});

function setUpOn(phone) {
  const session = createSession({ wx: phone.wx, baseUrl });
  return () => ({ session });
}

test('the client guide: send the number', async () => {
  const { phone, session, ...names } = setUp();
  await session.login();
  const page = await pageOf(guide['Send the number'][1], names);

  await page.takePhone({ detail: await phone.tapPhoneButton({ allow: false }) });
  assert.deepEqual(page.data, { step: 'ready', note: 'phone_refused' });

  await page.takePhone({ detail: { errno: 1400001, errMsg: 'getPhoneNumber:fail' } });
  assert.deepEqual(page.data, { step: 'closed', note: 'phone_quota_used_up' });

  phone.airplane = true;
  await page.takePhone({ detail: await phone.tapPhoneButton() });
  assert.deepEqual(page.data, { step: 'unsent', note: 'offline' });

  phone.airplane = false;
  await page.register();
  assert.equal(entered(phone), true);
});

for (const [heading, page] of [
  ['Send the number', 'auth'],
  ['Check the number afresh', 'account'],
]) {
  test(`the client guide: the button of “${heading}” is the example's`, () => {
    const [shown] = guide[heading];
    ran.add(shown);
    const wxml = fs.readFileSync(path.join(example, 'pages', page, 'index.wxml'), 'utf8');
    const attributes = [...shown.matchAll(/[\w-]+="[^"]*"/g)].map(([each]) => each);

    assert.ok(attributes.length > 2);
    for (const attribute of attributes) {
      if (!attribute.startsWith('wx:')) assert.ok(wxml.includes(attribute), attribute);
    }
  });
}

test('the client guide: in the AI mode a call gives the number', async () => {
  const { phone } = setUp();
  const wx = { ...phone.wx, getPhoneNumber: () => phone.tapPhoneButton() };
  const [code] = guide['In the AI mode'];

  const token = await run(code, { wx });

  assert.equal(await run(code, { wx: { ...wx, getPhoneNumber: undefined } }), token);
});

test('the client guide: calls with the token', async () => {
  const { phone, session } = setUp();
  const [code] = guide['Call your own services'];
  await assert.rejects(run(code, { session }), { code: 'login_needed' });
  await session.registerPhone(await phone.tapPhoneButton());

  await run(code, { session });

  const { header } = phone.requests.at(-1);
  assert.equal(header.Authorization, `Bearer ${await session.token()}`);
});

test('the client guide: account, log-out, deletion', async () => {
  const { phone, session } = setUp();
  await session.registerPhone(await phone.tapPhoneButton());
  const { userId } = await session.account();

  await run(guide['The account, log-out and deletion'][0], { session });

  assert.equal(await session.token(), null);
  await session.login();
  assert.notEqual((await session.account()).userId, userId);
});

test('the client guide: an error has a code and a wait', async () => {
  const { phone, session } = setUp();
  const [code] = guide['Errors'];
  const noteAfter = () => run(`let note; ${code} return note;`, { session });
  ran.add(code);
  assert.equal(await noteAfter(), undefined);

  await phone.asksWeChat('faults', {
    path: '/sns/jscode2session',
    kind: 'errcode',
    errcode: 45011,
  });
  const newcomer = { session: createSession({ wx: new Phone({ wechatUrl }).wx, baseUrl }) };

  const note = await run(`let note; ${code} return note;`, newcomer);
  assert.equal(note, 'That did not work. Try again in 60 s.');
});

for (const [name, found] of Object.entries({ 'client guide': guide, "example's README": readme })) {
  test(`the ${name}: a page in the $http style`, async () => {
    const { phone, wx } = setUp();
    const [entry, inPage] = found['Pages in the `$http` style'];
    class Vue {}
    const yourOwnHttp = async (asked) => ({ asked });
    await run(entry, { wx, Vue, yourOwnHttp });
    const { $http } = Vue.prototype;
    assert.deepEqual(await $http('getOrders'), { asked: 'getOrders' });

    const { code } = await phone.asksWeChat('wx.login');
    const { openid } = (await $http('getOpenId', { code })).data;
    let token;
    const enter = (given) => (token = given);
    const page = { $http, openid, enter, showPhoneButton: false };
    await run(inPage, { openid, enter }, page);
    await until(() => page.showPhoneButton);

    const tap = await phone.tapPhoneButton();
    await $http('registerPhone', { code: tap.code, openid });
    await run(inPage, { openid, enter }, page);
    await until(() => token);
  });
}

test("the example's README: use the client", async () => {
  const { phone, wx } = setUp();
  const event = { detail: await phone.tapPhoneButton() };

  await run(readme['Use the client'][0], { wx, event });

  const { data } = phone.requests.find(({ url }) => url === `${baseUrl}/account`);
  assert.deepEqual(data, { nickname: '小林' });
});

test('every snippet has been run', () => {
  const missed = [guide, readme].flatMap((found) => Object.values(found).flat());
  assert.deepEqual(
    missed.filter((code) => !ran.has(code)),
    [],
  );
});
