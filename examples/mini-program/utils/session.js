/**
 * The client of wechat-login: one file, no dependency, free to copy.
 *
 *     const session = createSession({ wx, baseUrl: 'https://login.example.com' });
 *     await session.token();                     // the app token, or null: show the phone button
 *     await session.registerPhone(event.detail); // in bindgetphonenumber: the token
 *     await session.request({ url: '/orders' }); // a call of the app's own, with the token
 *
 * It keeps openid, session and token in storage and logs in silently when it has to. Whatever fails
 * is a `SessionError`, whose `code` is the server's or one of these:
 *
 *     offline, timeout, interrupted   no answer; interrupted: the mini program left the screen
 *     domain_not_listed               baseUrl is not among the mini program's request domains
 *     login_unavailable               wx.login gave no code
 *     unexpected_answer               not this service's answer, but a gateway's or a hotel's
 *     login_needed                    request() has no token: not registered, or logged out
 *     logged_out                      the user logged out while this was under way
 *     phone_refused                   the user said no: go on without the number
 *     phone_quota_used_up             the operator's packs for the paid button are empty
 *     phone_unavailable               WeChat does not open the button to this mini program
 */

const TOKEN_MARGIN = 60 * 1000; // a token about to expire would do so on its way
const NEEDS_LOGIN = ['session_required', 'session_invalid'];
const NO_ANSWER = ['offline', 'timeout', 'interrupted'];
const PHONE_QUOTA_USED_UP = 1400001;
// No permission, not declared in the privacy guide, banned (twice), not authorized, blocked.
const PHONE_UNAVAILABLE = [102, 112, 1025, 101101, 101102, 1421102];

class SessionError extends Error {
  /** The message repeats the code: what the network wrote is shown to nobody. */
  constructor(code, { status = 0, retryAfter, receipt } = {}) {
    super(code);
    this.name = 'SessionError';
    this.code = code;
    this.status = status; // HTTP; 0 without an answer
    this.retryAfter = retryAfter; // seconds, where the server asks for them
    this.receipt = receipt; // stands for a phone code that is paid for and already exchanged
  }

  /** Whether the same call may succeed later; registerPhone then needs no second paid tap. */
  get retryable() {
    const passing = [...NO_ANSWER, 'login_unavailable', 'unexpected_answer'].includes(this.code);
    return passing || this.status === 429 || this.status >= 500;
  }
}

/**
 * @param wx          the platform: WeChat's, Taro's or a test's
 * @param baseUrl     the service, without a final slash
 * @param timeout     a little more than the backend's own 28 s: its answer should end the wait
 * @param longestWait the most seconds to wait for the server before the user is told instead
 */
function createSession({
  wx,
  baseUrl,
  storageKey = `wechat-login ${baseUrl}`,
  timeout = 30 * 1000,
  longestWait = 5,
  now = Date.now,
  pause = (ms) => new Promise((done) => setTimeout(done, ms)),
}) {
  // A log-out replaces this object, so what comes back later can tell that it is too late.
  let kept = wx.getStorageSync(storageKey) || {};
  let unsettled = {}; // the phone code whose receipt is still to be turned in

  function keep(changes) {
    Object.assign(kept, changes);
    try {
      wx.setStorageSync(storageKey, kept);
    } catch {
      // Storage is full: what is kept lasts until the mini program closes.
    }
  }

  function keepToken(token, expiresIn) {
    keep({ token, tokenExpiresAt: now() + expiresIn * 1000 });
    return token;
  }

  /** Forgets all but the log-out itself, which a silent login would undo unseen. */
  function forget() {
    kept = {};
    keep({ loggedOut: true });
  }

  function send(method, url, data, credential) {
    const header = { 'content-type': 'application/json' };
    if (credential) header.Authorization = `Bearer ${credential}`;
    return new Promise((resolve, reject) => {
      const fail = (failure) => reject(new SessionError(reasonOf(failure)));
      // WeChat calls this for every HTTP status.
      const success = (answer) =>
        answer.statusCode < 300 ? resolve(answer.data) : reject(refusalOf(answer));
      wx.request({ url, method, data, header, timeout, success, fail });
    });
  }

  async function ask(method, path, data, credential = kept.session) {
    const body = await send(method, baseUrl + path, data, credential);
    // A hotel's sign-in page says 200, too.
    if (!body || body.success !== true) throw new SessionError('unexpected_answer');
    return body;
  }

  /** Calls, and once more where the server names a short wait or `waitAfter` gives seconds. */
  async function withOneRepeat(call, waitAfter = () => undefined) {
    try {
      return await call();
    } catch (error) {
      const wait = error.retryAfter ?? waitAfter(error);
      if (wait === undefined || wait > longestWait) throw error;
      await pause(wait * 1000);
      return call();
    }
  }

  function loginCode() {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new SessionError('login_unavailable'));
      wx.login({ timeout, success: ({ code }) => (code ? resolve(code) : fail()), fail });
    });
  }

  /** Logs in without a question, also after a log-out; `code` is from the caller's own wx.login. */
  const login = shared(async ({ code } = {}) => {
    const before = kept;
    const logIn = async () => {
      const fresh = code || (await loginCode());
      code = null; // It works once, so a repeat takes another.
      return ask('POST', '/login', { code: fresh }, null);
    };
    const rejected = (error) => (error.code === 'code_rejected' ? 0 : undefined);
    const { data } = await withOneRepeat(logIn, rejected);
    if (kept !== before) throw new SessionError('logged_out');
    keep({ openid: data.openid, session: data.session, loggedOut: false });
    keepToken(data.token, data.tokenExpiresIn);
    return { openid: data.openid, registered: data.registered, token: data.token };
  });

  /** Calls with a session and, where that turns out to have ended, once more with a new one. */
  async function withSession(call, waitAfter) {
    const before = kept;
    if (!kept.session) await login();
    const used = kept.session;
    let answer;
    try {
      answer = await withOneRepeat(call, waitAfter);
    } catch (error) {
      if (!NEEDS_LOGIN.includes(error.code) || kept !== before) throw error;
      // Another call may have logged in since this one was sent.
      if (kept.session === used) await login();
      answer = await withOneRepeat(call, waitAfter);
    }
    if (kept !== before) throw new SessionError('logged_out');
    return answer;
  }

  const askForToken = shared(async () => {
    const answer = await withSession(() => ask('POST', '/token', { openid: kept.openid }));
    return keepToken(answer.data, answer.expiresIn);
  });

  /** Returns the app token, or null for who has not registered or has logged out. */
  async function token() {
    if (kept.token && kept.tokenExpiresAt - now() > TOKEN_MARGIN) return kept.token;
    if (kept.loggedOut) return null;
    return kept.session ? askForToken() : (await login()).token;
  }

  /**
   * Registers with the phone button's `event.detail` and returns the token.
   *
   * Log in before the button is shown: wx.login in its callback can spoil encryptedData. Should the
   * session have ended since, the code outlives the login. After a `retryable` error call this
   * again with the same detail, which is paid for.
   */
  async function registerPhone(detail) {
    let proof = proofIn(detail);
    if (proof.code && proof.code === unsettled.code) proof = { receipt: unsettled.receipt };
    const register = async () => {
      try {
        return await ask('POST', '/phone', { openid: kept.openid, ...proof });
      } catch (error) {
        if (error.receipt) {
          proof = { receipt: error.receipt };
          unsettled = { code: detail.code, ...proof };
        }
        throw error;
      }
    };
    // The server knows the code again, so to send it twice costs nothing.
    const lost = ({ code, status }) =>
      NO_ANSWER.includes(code) || [502, 503, 504].includes(status) ? 1 : undefined;
    try {
      const answer = await withSession(register, lost);
      return keepToken(answer.data, answer.expiresIn);
    } catch (error) {
      // The next tap needs a new session_key, and needs it before the tap.
      if (error.code === 'session_key_stale') await login().catch(() => {});
      throw error;
    }
  }

  /** Logs out here even without a network; `everywhere` takes the server's answer. */
  async function logOut({ everywhere = false } = {}) {
    const leave = () => ask('POST', '/logout', { everywhere });
    if (everywhere) {
      await withSession(leave);
      forget();
    } else {
      const left = kept.session ? leave().catch(() => {}) : null;
      forget();
      await left;
    }
  }

  async function account() {
    return (await withSession(() => ask('GET', '/account'))).data;
  }

  /** Changes `nickname` or `avatarUrl`, null clears, and returns the account. */
  async function updateAccount(changes) {
    return (await withSession(() => ask('PUT', '/account', changes))).data;
  }

  /** Erases the user for good. Ask first. */
  async function deleteAccount() {
    await withSession(() => ask('DELETE', '/account'));
    forget();
  }

  /** Makes a call of the app's own with the token and returns the body as it is. */
  async function request({ url, method = 'GET', data }) {
    const address = /^https?:/.test(url) ? url : baseUrl + url;
    let used;
    const call = async () => {
      used = await token();
      if (!used) throw new SessionError('login_needed');
      return withOneRepeat(() => send(method, address, data, used));
    };
    try {
      return await call();
    } catch (error) {
      // API Gateway's authorizers refuse a token with 401 or 403, and with no code of ours.
      const denied = error.status === 403 && error.code === 'unexpected_answer';
      if (!used || (error.status !== 401 && !denied)) throw error;
      if (kept.token === used) keep({ token: null });
      return call();
    }
  }

  const isLoggedOut = () => Boolean(kept.loggedOut);
  const aboutAccount = { account, updateAccount, deleteAccount };
  return { login, token, registerPhone, logOut, isLoggedOut, request, ...aboutAccount };
}

/** Lets calls that overlap share one run. */
function shared(run) {
  let running = null;
  const end = () => {
    running = null;
  };
  return (options) => {
    running = running || run(options).finally(end);
    return running;
  };
}

/** The text of a refusal differs between phones; only the missing code is certain. */
function proofIn({ code, encryptedData, iv, errno }) {
  if (code) return { code };
  if (encryptedData) return { encryptedData, iv };
  if (errno === PHONE_QUOTA_USED_UP) throw new SessionError('phone_quota_used_up');
  throw new SessionError(PHONE_UNAVAILABLE.includes(errno) ? 'phone_unavailable' : 'phone_refused');
}

function refusalOf({ statusCode: status, data, header = {} }) {
  const said = (data && data.error) || {};
  const [code] = /^[a-z_]{1,40}$/.exec(said.code || '') || ['unexpected_answer'];
  const name = Object.keys(header).find((each) => each.toLowerCase() === 'retry-after');
  const retryAfter = /^\d+$/.test(header[name]) ? Number(header[name]) : undefined;
  return new SessionError(code, { status, retryAfter, receipt: said.receipt });
}

function reasonOf({ errno, errMsg = '' }) {
  if (errno === 600003 || errMsg.includes('interrupted')) return 'interrupted';
  if (errno === 600002 || errMsg.includes('domain list')) return 'domain_not_listed';
  return errno === 5 || errMsg.includes('timeout') ? 'timeout' : 'offline';
}

module.exports = { createSession, SessionError };
