// The example opens in WeChat's developer tools as it is, and keeps WeChat's rules where a file can
// break them.

const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { example } = require('./running_page');

const read = (name) => fs.readFileSync(path.join(example, name), 'utf8');
const files = fs
  .readdirSync(example, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(example, path.join(entry.parentPath, entry.name)));
const app = JSON.parse(read('app.json'));
const templates = app.pages.map((page) => [page, read(`${page}.wxml`)]);

test('every JSON file is JSON', () => {
  for (const name of files.filter((each) => each.endsWith('.json'))) JSON.parse(read(name));
});

test('every page has its four files', () => {
  for (const page of app.pages) {
    for (const kind of ['js', 'json', 'wxml', 'wxss']) assert.ok(files.includes(`${page}.${kind}`));
  }
});

test("the project has the tools' own AppID for guests and lets the local backend through", () => {
  const project = JSON.parse(read('project.config.json'));

  // The tools open a project with a real AppID for its own developers only.
  assert.equal(project.appid, 'touristappid');
  assert.equal(project.setting.urlCheck, false);
});

test('every name of an event in a template is a method of its page', () => {
  for (const [page, wxml] of templates) {
    const script = read(`${page}.js`);
    for (const [, method] of wxml.matchAll(/ bind\w+="(\w+)"/g)) {
      assert.match(script, new RegExp(`^  (async )?${method}\\(`, 'm'), `${page}: ${method}`);
    }
  }
});

test('every text and class that a template names is there', () => {
  const { languages } = require(path.join(example, 'texts'));
  for (const [page, wxml] of templates) {
    const words = languages.zh[page.split('/')[1]];
    for (const [, word] of wxml.matchAll(/\bt\.(\w+)/g))
      assert.ok(word in words, `${page}: ${word}`);
    const styles = read('app.wxss') + read(`${page}.wxss`);
    for (const [, names] of wxml.matchAll(/ class="([^"]+)"/g)) {
      for (const name of names.split(' ')) assert.match(styles, new RegExp(`\\.${name}\\b`), name);
    }
  }
});

test('every text is said somewhere', () => {
  const { languages } = require(path.join(example, 'texts'));
  for (const page of app.pages) {
    const name = page.split('/')[1];
    const code = read(`${page}.wxml`) + read(`${page}.js`);
    for (const word of Object.keys(languages.zh[name])) {
      assert.match(code, new RegExp(`\\b${word}\\b`), `${name}.${word}`);
    }
  }
});

test("WeChat's name and logo stand nowhere on the way to the phone button", () => {
  // Operating rule 5.14.4; comments and names of errors are shown to nobody.
  const { languages } = require(path.join(example, 'texts'));
  const words = (text) => (typeof text === 'string' ? [text] : Object.values(text).flatMap(words));
  const layout = files.filter((name) => /\.(wxml|wxss)$/.test(name)).map(read);
  const titles = app.pages.map((page) => read(`${page}.json`));

  for (const shown of [...words(languages), ...layout, ...titles, JSON.stringify(app.window)]) {
    assert.doesNotMatch(shown, /微信|wechat|weixin/i);
  }
});

test('every phone button asks for the consent with the same tap', () => {
  for (const [page, wxml] of templates) {
    for (const [, kinds] of wxml.matchAll(/open-type="([^"]*PhoneNumber[^"]*)"/g)) {
      assert.match(kinds, /^get(Realtime)?PhoneNumber\|agreePrivacyAuthorization$/, page);
    }
  }
});
