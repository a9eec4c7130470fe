/**
 * Runs one page of the example: its own code, with `wx`, `getApp` and a setData that WeChat's has
 * at the least. What the page looks like is for the demo and its browser tests.
 */

const path = require('node:path');

const { createSession } = require('../../examples/mini-program/utils/session');

const example = path.resolve(__dirname, '../../examples/mini-program');

/** Opens `pages/<name>/index` on this phone, up to and including its onShow. */
async function openPage(name, phone, baseUrl) {
  const options = { wx: phone.wx, baseUrl, pause: async () => {} };
  phone.session = phone.session || createSession(options);
  globalThis.wx = phone.wx;
  globalThis.getApp = () => ({ session: phone.session });
  const page = definitionOf(name);
  page.data = structuredClone(page.data);
  page.setData = (changes) => Object.assign(page.data, changes);
  await page.onLoad({});
  await page.onShow?.();
  return page;
}

function definitionOf(name) {
  let definition;
  globalThis.Page = (given) => {
    definition = given;
  };
  const file = path.join(example, 'pages', name, 'index.js');
  delete require.cache[file];
  require(file);
  return definition;
}

module.exports = { openPage, example };
