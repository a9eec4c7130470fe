// The types of session.js. tests/client/types checks them: against docs/openapi.yaml, against
// session.js itself, and with the types of wx, uni and Taro.

/** The client's platform: `wx`, `uni`, `Taro`, or a fake in your tests. */
export interface Platform {
  login(options: {
    timeout?: number;
    success?: (answer: { code: string; errMsg: string }) => void;
    fail?: (failure: any) => void;
  }): unknown;
  request(options: {
    url: string;
    method?: Method;
    data?: any;
    header?: Record<string, string>;
    timeout?: number;
    success?: (answer: any) => void;
    fail?: (failure: any) => void;
  }): unknown;
  getStorageSync(key: string): any;
  setStorageSync(key: string, value: any): void;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Options {
  wx: Platform;
  /** The backend's address, for example `https://login.example.com`; without a final slash. */
  baseUrl: string;
  /**
   * The mini program's own AppID, if the backend serves several and its requests lose the Referer of
   * WeChat's app. Without it the Referer decides.
   */
  appid?: string | null;
  /** The name of the entry in storage; `baseUrl` is in the default. */
  storageKey?: string;
  /** Milliseconds; the default is 30000, a little more than the backend's own 28 s. */
  timeout?: number;
  /** The longest wait that a retry may need, in seconds; the default is 5. Longer waits reject. */
  longestWait?: number;
  /** The time in milliseconds, for tests. */
  now?: () => number;
  /** Waits this many milliseconds, for tests. */
  pause?: (ms: number) => Promise<unknown>;
}

/**
 * The `event.detail` of the phone button, or the result of `wx.getPhoneNumber()` in the AI mode. All
 * fields are optional: a refusal has neither code nor data.
 */
export interface PhoneDetail {
  code?: string;
  /** For backends with LegacyPhone=true. */
  encryptedData?: string;
  iv?: string;
  errno?: number;
  errMsg?: string;
}

export interface Login {
  openid: string;
  /** Whether a phone number is bound. */
  registered: boolean;
  token: string | null;
}

export interface Account {
  /** The `sub` of the tokens. */
  userId: string;
  openid: string;
  unionid: string | null;
  /** Masked: 138******66. */
  phone: string | null;
  nickname: string | null;
  avatarUrl: string | null;
  /** Unix seconds, as all times here. */
  createdAt: number;
  registeredAt: number | null;
}

/** One login of the user: a device, as the user sees it. */
export interface Device {
  id: string;
  createdAt: number;
  /** Exact to the day. */
  lastUsedAt: number;
  expiresAt: number;
  /** Whether this session is this phone's. */
  current: boolean;
}

/** The backend's codes are those of docs/errors.md. There may be more. */
export type ServerErrorCode =
  | 'bad_request'
  | 'session_required'
  | 'session_invalid'
  | 'push_rejected'
  | 'code_rejected'
  | 'token_invalid'
  | 'session_mismatch'
  | 'user_blocked'
  | 'phone_taken'
  | 'session_key_stale'
  | 'legacy_phone_disabled'
  | 'payload_too_large'
  | 'content_rejected'
  | 'too_many_attempts'
  | 'internal'
  | 'misconfigured'
  | 'wechat_unavailable'
  | 'storage_unavailable';

export type ClientErrorCode =
  | 'offline'
  | 'timeout'
  | 'interrupted'
  | 'domain_not_listed'
  | 'login_unavailable'
  | 'unexpected_answer'
  | 'login_needed'
  | 'logged_out'
  | 'phone_refused'
  | 'phone_quota_used_up'
  | 'phone_unavailable';

export declare class SessionError extends Error {
  constructor(code: string, facts?: { status?: number; retryAfter?: number; receipt?: string });
  /** A `ServerErrorCode`, a `ClientErrorCode`, or a newer code of the backend. */
  code: string;
  /** HTTP; 0 without an answer. */
  status: number;
  /** Seconds, if the server asks for them. */
  retryAfter?: number;
  /** Replaces a phone code that is paid for and already exchanged. */
  receipt?: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
}

/** All calls reject with a `SessionError`. After a log-out, only `login` logs in. */
export interface Session {
  /** Logs in, also after a log-out; call it for a tap on "log in". */
  login(options?: { code?: string }): Promise<Login>;
  /** Returns the app token, or null if the user has not registered or has logged out. */
  token(): Promise<string | null>;
  /** Registers the number and returns the token. A promise may be given, also one that rejects. */
  registerPhone(tap: PhoneDetail | PromiseLike<PhoneDetail>): Promise<string>;
  /** Logs out here, even without a network; `everywhere` waits for the server. */
  logOut(options?: { everywhere?: boolean }): Promise<void>;
  isLoggedOut(): boolean;
  account(): Promise<Account>;
  /** Changes the given fields; null clears a field. */
  updateAccount(changes: { nickname?: string | null; avatarUrl?: string | null }): Promise<Account>;
  /** Erases the user for good. */
  deleteAccount(): Promise<void>;
  sessions(): Promise<Device[]>;
  endSession(id: string): Promise<void>;
  /** Makes a call of the app's own with the token: to https, or with a slash first to `baseUrl`. */
  request<T = any>(options: { url: string; method?: Method; data?: object }): Promise<T>;
}

export declare function createSession(options: Options): Session;
