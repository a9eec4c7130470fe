/**
 * The client of wechat-login: one file, no dependency, free to copy.
 *
 *     const session = createSession({ wx, baseUrl: 'https://login.example.com' });
 *     await session.token();                     // the app token, or null: show the phone button
 *     await session.registerPhone(event.detail); // in bindgetphonenumber: the token
 *     await session.request({ url: '/orders' }); // a call of the app's own, with the token
 *
 * It keeps openid, session and token in storage and logs in silently when it has to, but never after
 * a log-out. Each failure is a `SessionError`, whose `code` is the server's or one of these:
 *
 *     offline, timeout, interrupted   no answer; interrupted: the mini program left the screen
 *     domain_not_listed               baseUrl is not among the mini program's request domains
 *     login_unavailable               wx.login gave no code
 *     unexpected_answer               the answer of a gateway or a hotel's Wi-Fi, not this service's
 *     login_needed                    request() has no token: not registered, or logged out
 *     logged_out                      the user has logged out, before this call or during it
 *     phone_refused                   the user refused: continue without the number
 *     phone_quota_used_up             the operator's packs for the paid button are empty
 *     phone_unavailable               WeChat does not open the button to this mini program
 *
 * The types are in session.d.ts.
 */

/** @typedef {import('./session').SessionError} TypedSessionError */

const TOKEN_MARGIN = 60 * 1000; // a token could expire in transit
const NEEDS_LOGIN = ['session_required', 'session_invalid'];
const NO_ANSWER = ['offline', 'timeout', 'interrupted'];
const PHONE_QUOTA_USED_UP = 1400001;
// No permission, not declared in the privacy guide, banned (twice), not authorized, blocked.
const PHONE_UNAVAILABLE = [102, 112, 1025, 101101, 101102, 1421102];

// With a host, and without a final slash: `baseUrl + path` is an address.
const BASE_URL = /^https?:\/\/[^\s/?#]+(\/[^\s/?#]+)*$/;

/** @implements {TypedSessionError} */
class SessionError extends Error {
  /**
   * The message repeats the code: the network's own text is never shown.
   *
   * @param {string} code
   * @param {{status?: number, retryAfter?: number, receipt?: string}} [facts]
   */
  constructor(code, { status = 0, retryAfter, receipt } = {}) {
    super(code);
    this.name = 'SessionError';
    this.code = code;
    this.status = status; // HTTP; 0 without an answer
    this.retryAfter = retryAfter; // seconds, if the server sends them
    this.receipt = receipt; // replaces a phone code that is paid for and already exchanged
  }

  /** Whether the same call may succeed later; registerPhone then needs no second paid tap. */
  get retryable() {
    const passing = [...NO_ANSWER, 'login_unavailable', 'unexpected_answer'].includes(this.code);
    return passing || this.status === 429 || this.status >= 500;
  }
}

/**
 * Returns the session of the app; make one, so that calls at the same time share one login.
 *
 * @param {import('./session').Options} options
 * @returns {import('./session').Session}
 * @throws {TypeError} if `baseUrl` is no address, or ends with a slash
 */
function createSession({
  wx,
  baseUrl,
  appid,
  storageKey = `wechat-login ${baseUrl}`,
  timeout = 30 * 1000,
  longestWait = 5,
  now = Date.now,
  pause = (ms) => new Promise((done) => setTimeout(done, ms)),
}) {
  if (!BASE_URL.test(baseUrl)) {
    throw new TypeError('baseUrl must be like https://login.example.com, without a final slash');
  }
  let unsaved; // the state that a full storage rejected, and the stored state
  /** @type {{ code?: string, receipt?: string }} */
  let unsettled = {}; // the phone code whose receipt is not redeemed yet

  /**
   * Reads the storage at each call, because a mini program can run in two JavaScript contexts that
   * share the storage and nothing else: its pages, and the AI mode's runtime (小程序 AI 开发模式).
   */
  function kept() {
    const stored = wx.getStorageSync(storageKey) || {};
    return unsaved && unsaved.over === JSON.stringify(stored) ? unsaved.state : stored;
  }

  function write(state) {
    try {
      wx.setStorageSync(storageKey, state);
      unsaved = undefined;
    } catch {
      // Storage is full: the state lasts until the mini program closes.
      const over = JSON.stringify(wx.getStorageSync(storageKey) || {});
      unsaved = { state, over };
    }
  }

  const keep = (changes) => write({ ...kept(), ...changes });

  const lasting = (token, expiresIn) => ({ token, tokenExpiresAt: now() + expiresIn * 1000 });

  function keepToken(token, expiresIn) {
    keep(lasting(token, expiresIn));
    return token;
  }

  /** Clears all but the log-out itself, which a silent login would undo. */
  const forget = () => write({ loggedOut: true, logOuts: logOuts() + 1 });

  /** Each log-out is counted, so that a late answer is noticed even after another login. */
  const logOuts = () => kept().logOuts || 0;

  function refuseAfterLogOut(before) {
    if (logOuts() !== before) throw new SessionError('logged_out');
  }

  function send(method, url, data, credential) {
    const header = { 'content-type': 'application/json' };
    if (credential) header.Authorization = `Bearer ${credential}`;
    return new Promise((resolve, reject) => {
      const fail = (failure) => reject(new SessionError(reasonOf(failure)));
      // WeChat calls this for every HTTP status.
      const success = (answer) =>
        answer.statusCode < 300 ? resolve(answer.data) : reject(refusalOf(answer));
      settle(wx.request({ url, method, data, header, timeout, success, fail }));
    });
  }

  async function ask(method, path, data, credential = kept().session) {
    const body = await send(method, baseUrl + path, data, credential);
    // A hotel's sign-in page also answers 200.
    if (!body || body.success !== true) throw new SessionError('unexpected_answer');
    return body;
  }

  /**
   * Calls, and retries once if the server sends a short wait or `waitAfter` returns seconds.
   *
   * @param {() => Promise<any>} call
   * @param {(error: SessionError) => number | undefined} [waitAfter]
   */
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
      const success = ({ code }) => (code ? resolve(code) : fail());
      settle(wx.login({ timeout, success, fail }));
    });
  }

  /** Logs in without a question, also after a log-out; `code` is from the caller's own wx.login. */
  const login = shared(logOuts, async (/** @type {{ code?: string | null }} */ { code } = {}) => {
    const before = logOuts();
    const logIn = async () => {
      const fresh = code || (await loginCode());
      code = null; // A code works once, so a retry takes another.
      refuseAfterLogOut(before);
      const chosen = appid ? { appid } : {}; // else the Referer, which WeChat's app sets, decides
      return ask('POST', '/login', { code: fresh, ...chosen }, null);
    };
    const rejected = (error) => (error.code === 'code_rejected' ? 0 : undefined);
    const { data } = await withOneRepeat(logIn, rejected);
    refuseAfterLogOut(before);
    const { openid, session, registered, token } = data;
    keep({ openid, session, loggedOut: false, ...lasting(token, data.tokenExpiresIn) });
    return { openid, registered, token };
  });

  /** Calls with a session and, if the session has ended, retries once with a new session. */
  async function withSession(call, waitAfter) {
    if (kept().loggedOut) throw new SessionError('logged_out');
    const before = logOuts();
    const callUnlessLoggedOut = async () => {
      refuseAfterLogOut(before);
      return call();
    };
    if (!kept().session) await login();
    const used = kept().session;
    let answer;
    try {
      answer = await withOneRepeat(callUnlessLoggedOut, waitAfter);
    } catch (error) {
      if (!NEEDS_LOGIN.includes(error.code) || logOuts() !== before) throw error;
      // Another call may have logged in since this one was sent.
      if (kept().session === used) await login();
      answer = await withOneRepeat(callUnlessLoggedOut, waitAfter);
    }
    refuseAfterLogOut(before);
    return answer;
  }

  const askForToken = shared(logOuts, async () => {
    const answer = await withSession(() => ask('POST', '/token', { openid: kept().openid }));
    return keepToken(answer.data, answer.expiresIn);
  });

  /** Returns the app token, or null if the user has not registered or has logged out. */
  async function token() {
    const held = kept();
    if (held.loggedOut) return null;
    if (held.token && held.tokenExpiresAt - now() > TOKEN_MARGIN) return held.token;
    return held.session ? askForToken() : (await login()).token;
  }

  /**
   * Registers with the phone button's `event.detail` and returns the token. In the AI mode, where
   * there is no button, pass the result of `wx.getPhoneNumber()` or `wx.getRealtimePhoneNumber()`.
   *
   * Log in before you show the button: wx.login in its callback can invalidate encryptedData. If the
   * session has ended since, the code stays valid during the new login. After a `retryable` error
   * call registerPhone again with the same detail, which is already paid for.
   */
  async function registerPhone(tap) {
    const detail = await Promise.resolve(tap).catch((failure) => failure);
    let proof = proofIn(detail);
    if (proof.code && proof.code === unsettled.code) proof = { receipt: unsettled.receipt };
    const register = async () => {
      try {
        return await ask('POST', '/phone', { openid: kept().openid, ...proof });
      } catch (error) {
        if (error.receipt) {
          proof = { receipt: error.receipt };
          unsettled = { code: detail.code, ...proof };
        }
        throw error;
      }
    };
    // The server recognises the code, so sending it twice costs nothing.
    const lost = ({ code, status }) =>
      NO_ANSWER.includes(code) || [502, 503, 504].includes(status) ? 1 : undefined;
    try {
      const answer = await withSession(register, lost);
      return keepToken(answer.data, answer.expiresIn);
    } catch (error) {
      // The next tap needs a new session_key before the tap.
      if (error.code === 'session_key_stale' && !kept().loggedOut) await login().catch(() => {});
      throw error;
    }
  }

  /** Logs out here even without a network; `everywhere` waits for the server's answer. */
  async function logOut({ everywhere = false } = {}) {
    const leave = () => ask('POST', '/logout', { everywhere });
    if (everywhere) {
      await withSession(leave);
      forget();
    } else {
      const left = kept().session ? leave().catch(() => {}) : null;
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

  /** Returns the sessions of the user, one for each device; `current` marks this one. */
  async function sessions() {
    return (await withSession(() => ask('GET', '/account/sessions'))).data;
  }

  /** Ends another session of the user by its id. This one ends with `logOut`. */
  async function endSession(id) {
    await withSession(() => ask('DELETE', `/account/sessions/${encodeURIComponent(id)}`));
  }

  /**
   * Makes a call of the app's own with the token and returns the body as it is. The token is sent to
   * https only, or to `baseUrl` for a `url` that begins with a slash.
   *
   * @param {{ url: string, method?: import('./session').Method, data?: object }} options
   */
  async function request({ url, method = 'GET', data }) {
    const address = addressOf(url);
    let used;
    const call = async () => {
      used = await token();
      if (!used) throw new SessionError('login_needed');
      return withOneRepeat(() => send(method, address, data, used));
    };
    try {
      return await call();
    } catch (error) {
      // API Gateway's authorizers reject a token with 401 or 403, without a code of ours.
      const denied = error.status === 403 && error.code === 'unexpected_answer';
      if (!used || (error.status !== 401 && !denied)) throw error;
      if (kept().token === used) keep({ token: null });
      return call();
    }
  }

  function addressOf(url) {
    if (/^https:\/\//i.test(url)) return url;
    // Without the slash, "@evil.example/" would go on from the host's name.
    if (/^\//.test(url)) return baseUrl + url;
    throw new TypeError('url must begin with https:// or with a slash');
  }

  const isLoggedOut = () => Boolean(kept().loggedOut);
  const aboutAccount = { account, updateAccount, deleteAccount, sessions, endSession };
  return { login, token, registerPhone, logOut, isLoggedOut, request, ...aboutAccount };
}

/** Taro returns a promise as well: its rejection says what `fail` has been given already. */
function settle(returned) {
  if (returned && returned.catch) returned.catch(() => {});
}

/**
 * Lets calls that overlap share one run, unless a log-out lies between them.
 *
 * @template T, R
 * @param {() => number} logOuts
 * @param {(options?: T) => Promise<R>} run
 * @returns {(options?: T) => Promise<R>}
 */
function shared(logOuts, run) {
  let running = null;
  let since;
  return (options) => {
    if (!running || since !== logOuts()) {
      since = logOuts();
      const started = run(options).finally(() => {
        if (running === started) running = null;
      });
      running = started;
    }
    return running;
  };
}

/**
 * The text of a refusal differs between phones; only the missing code is certain.
 *
 * @param {import('./session').PhoneDetail} [detail]
 * @returns {{ code?: string, encryptedData?: string, iv?: string, receipt?: string }}
 */
function proofIn({ code, encryptedData, iv, errno } = {}) {
  if (code) return { code };
  if (encryptedData) return { encryptedData, iv };
  if (errno === PHONE_QUOTA_USED_UP) throw new SessionError('phone_quota_used_up');
  throw new SessionError(PHONE_UNAVAILABLE.includes(errno ?? 0) ? 'phone_unavailable' : 'phone_refused');
}

function refusalOf({ statusCode: status, data, header = {} }) {
  const said = (data && data.error) || {};
  const [code] = /^[a-z_]{1,40}$/.exec(said.code || '') || ['unexpected_answer'];
  const names = Object.keys(header).filter((each) => each.toLowerCase() === 'retry-after');
  const [retryAfter] = names.map((name) => header[name]).filter((value) => /^\d+$/.test(value));
  return new SessionError(code, {
    status,
    retryAfter: retryAfter && Number(retryAfter),
    receipt: said.receipt,
  });
}

function reasonOf({ errno, errMsg = '' }) {
  if (errno === 600003 || errMsg.includes('interrupted')) return 'interrupted';
  if (errno === 600002 || errMsg.includes('domain list')) return 'domain_not_listed';
  return errno === 5 || errMsg.includes('timeout') ? 'timeout' : 'offline';
}

module.exports = { createSession, SessionError };
