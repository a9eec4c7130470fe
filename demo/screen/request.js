// wx.request, which also reports to the page around the phone.

import { app } from 'mini-program.js';
import { REFERER_OF_WECHAT } from '../simulated_wechat.js';
import { callable } from './callable.js';

const TIMEOUT_MS = app.networkTimeout?.request ?? 60_000;
const LOOPBACK = /^https?:\/\/(127\.0\.0\.1|localhost)(:\d+)?(?=\/|$)/;

export function createRequest(phone) {
  let last = 0;

  return (options) => {
    const abort = new AbortController();
    // With a callback it returns no promise, like wx.request.
    callable('request', () => send(options, abort))({ complete() {}, ...options });
    return { abort: () => abort.abort({ errMsg: 'abort' }) };
  };

  async function send(options, abort) {
    const { url, data, method = 'GET', header = {}, timeout = TIMEOUT_MS, dataType } = options;
    const id = (last += 1);
    const request = requestOf(url, data, method.toUpperCase(), header, phone.appid);
    phone.tell({ kind: 'request', id, ...request });
    const began = performance.now();
    const timer = setTimeout(() => abort.abort({ errMsg: 'timeout', errno: 5 }), timeout);
    const report = (outcome) =>
      phone.tell({ kind: 'answer', id, ms: Math.round(performance.now() - began), ...outcome });
    try {
      const answer = await answerTo(request, dataType, abort.signal);
      report({ status: answer.statusCode, header: answer.header, data: answer.data });
      return answer;
    } catch (fault) {
      report({ fault: fault.errMsg });
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  async function answerTo({ url, method, header, body }, dataType, signal) {
    if (phone.airplane) throw { errMsg: 'net::ERR_INTERNET_DISCONNECTED', errno: 600001 };
    try {
      const response = await fetch(url, {
        method,
        headers: header,
        body,
        signal,
        cache: 'no-store',
      });
      return {
        statusCode: response.status,
        header: Object.fromEntries(response.headers),
        data: parsed(await response.text(), dataType),
        cookies: [],
      };
    } catch (fault) {
      // The caller of abort gives WeChat's text as the reason.
      throw fault.errMsg ? fault : { errMsg: 'net::ERR_CONNECTION_FAILED', errno: 600001 };
    }
  }
}

function requestOf(url, data, method, header, appid) {
  // The mini program has the default port of `make run`; the API is at the port that served this
  // page.
  const target = new URL(url.replace(LOOPBACK, location.origin));
  const headers = { 'content-type': 'application/json', ...lowered(header) };
  // Other servers would have to allow the header. 0 is the version in development.
  if (target.origin === location.origin) {
    headers[REFERER_OF_WECHAT] = `https://servicewechat.com/${appid}/0/page-frame.html`;
  }
  if (data === undefined) return { method, url: target.href, header: headers };
  if (method !== 'GET') {
    const body = typeof data === 'string' ? data : JSON.stringify(data);
    return { method, url: target.href, header: headers, body };
  }
  for (const [name, value] of Object.entries(data)) target.searchParams.set(name, value);
  return { method, url: target.href, header: headers };
}

function lowered(header) {
  return Object.fromEntries(
    Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function parsed(text, dataType = 'json') {
  if (dataType !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
