/**
 * The three objects that a client is given as `wx`, over one and the same phone.
 *
 * `Taro` is Taro's own code. `uni` keeps uni-app's rule, because its runtime is no package that runs
 * by itself: with a callback a call returns what WeChat's does, and without one it returns a promise.
 * https://uniapp.dcloud.net.cn/api/#api-promise-化
 */

function uniOver(wx) {
  const promising = (name) => (options) =>
    ['success', 'fail', 'complete'].some((callback) => options?.[callback])
      ? wx[name](options)
      : new Promise((success, fail) => {
          wx[name]({ ...options, success, fail });
        });
  return { ...wx, login: promising('login'), request: promising('request') };
}

function taroOver(wx) {
  // Taro's build replaces these names by what the project's configuration says.
  for (const name of ['INNER_HTML', 'ADJACENT_HTML', 'SIZE_APIS', 'TEMPLATE_CONTENT', 'CLONE_NODE']) {
    globalThis[`ENABLE_${name}`] = false;
  }
  globalThis.ENABLE_CONTAINS = globalThis.ENABLE_MUTATION_OBSERVER = false;
  globalThis.getCurrentPages ||= () => [];
  globalThis.getApp ||= () => ({});
  process.env.TARO_ENV = 'weapp';
  const { default: Taro } = require('@tarojs/api');
  const { processApis } = require('@tarojs/shared');
  // Each phone needs a Taro of its own, and there is one in a program.
  const taro = Object.assign(Object.create(Taro), Taro);
  processApis(taro, wx);
  return taro;
}

const PLATFORMS = { wx: (wx) => wx, uni: uniOver, Taro: taroOver };

module.exports = { PLATFORMS };
