/**
 * A phone with WeChat on it, as far as the example asks for one.
 *
 * Its codes come from the simulated WeChat at `wechatUrl`, or are made up where none is given. With an
 * `appid` it has that mini program open. What a person or a bad day would do to it are its properties:
 * `airplane`, `background`, `storageFull`, `losesReferer`.
 */

let people = 0;

class Phone {
  constructor({
    wechatUrl,
    appid,
    user = `person-${process.pid}-${(people += 1)}`,
    language = 'zh_CN',
  } = {}) {
    Object.assign(this, { wechatUrl, appid, user, language });
    this.storage = new Map();
    this.logins = []; // the codes that wx.login gave
    this.requests = []; // what wx.request was asked
    this.screens = []; // what the page asked for: reLaunch, showToast, showModal, …
    this.answersModal = true;
    this.needsPrivacyConsent = false;
    this.hosts = {};
    this.files = new Map();
    this.wx = this.#platform();
  }

  /** A tap on the phone button gives this as `event.detail`; each is charged. */
  async tapPhoneButton({ allow = true } = {}) {
    if (this.wechatUrl) return this.asksWeChat('getPhoneNumber', { allow });
    this.taps = (this.taps || 0) + 1;
    return { code: `phone-code-${this.taps}`, errMsg: 'getPhoneNumber:ok' };
  }

  async asksWeChat(route, fields = {}) {
    const answer = await fetch(`${this.wechatUrl}/simulated/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: this.user, appid: this.appid, ...fields }),
    });
    return answer.json();
  }

  #platform() {
    const shows = (name) => (options) => this.#show(name, options);
    return {
      login: (options) => {
        this.#login(options);
      },
      request: (options) => {
        this.#request(options);
        return { abort() {} };
      },
      // WeChat stores copies, and gives '' for what is not there.
      getStorageSync: (key) => (this.storage.has(key) ? JSON.parse(this.storage.get(key)) : ''),
      setStorageSync: (key, value) => {
        if (this.storageFull) throw new Error('setStorageSync:fail exceed storage max size');
        this.storage.set(key, JSON.stringify(value));
      },
      getAppBaseInfo: () => ({ language: this.language }),
      getAccountInfoSync: () => ({ miniProgram: { appId: this.appid } }),
      getDeviceInfo: () => ({ platform: this.isComputer ? 'windows' : 'ios' }),
      env: { USER_DATA_PATH: 'wxfile://usr' },
      getFileSystemManager: () => ({
        writeFileSync: (path, text) => {
          if (this.storageFull) throw new Error('writeFileSync:fail the maximum size is exceeded');
          this.files.set(path, text);
        },
      }),
      shareFileMessage: (options) => this.#giveFile('shareFileMessage', options),
      saveFileToDisk: (options) => this.#giveFile('saveFileToDisk', options),
      getPrivacySetting: ({ success }) => success({ needAuthorization: this.needsPrivacyConsent }),
      showModal: (options) => {
        this.#show('showModal', options);
        options.success({ confirm: this.answersModal, cancel: !this.answersModal });
      },
      ...Object.fromEntries(
        ['navigateTo', 'reLaunch', 'showToast', 'setNavigationBarTitle', 'openPrivacyContract'].map(
          (name) => [name, shows(name)],
        ),
      ),
    };
  }

  #show(name, options = {}) {
    this.screens.push({ name, ...options });
    if (name !== 'showModal' && options.success) options.success({ errMsg: `${name}:ok` });
  }

  #giveFile(name, options) {
    this.screens.push({ name, ...options, text: this.files.get(options.filePath) });
    if (this.closesSheet) options.fail({ errMsg: `${name}:fail cancel` });
    if (this.airplane) options.fail({ errMsg: `${name}:fail` });
  }

  async #login({ success, fail }) {
    if (this.airplane) return setImmediate(fail, { errMsg: 'login:fail ' });
    const made = `login-code-${this.logins.length + 1}`;
    const { code } = this.wechatUrl ? await this.asksWeChat('wx.login') : { code: made };
    this.logins.push(code);
    return success({ code, errMsg: 'login:ok' });
  }

  #request({ url, method, data, header, timeout, success, fail }) {
    this.requests.push({ url, method, data, header });
    if (this.airplane) return setImmediate(fail, { errno: 600001, errMsg: 'request:fail ' });
    if (this.background) {
      return setImmediate(fail, { errno: 600003, errMsg: 'request:fail interrupted' });
    }
    return this.#fetch(url, method, data, header, timeout).then(success, (failure) =>
      fail(
        failure.name === 'TimeoutError'
          ? { errno: 5, errMsg: 'request:fail timeout' }
          : { errno: 600001, errMsg: `request:fail ${failure.message}` },
      ),
    );
  }

  async #fetch(asked, method, data, headers, timeout) {
    // A test's server stands for a host of the world outside: `hosts` says which.
    const [host] = Object.keys(this.hosts).filter((each) => asked.startsWith(each));
    const url = host ? this.hosts[host] + asked.slice(host.length) : asked;
    const body = data === undefined ? undefined : JSON.stringify(data);
    const signal = AbortSignal.timeout(timeout);
    const referer = `https://servicewechat.com/${this.appid}/0/page-frame.html`;
    const wechats = this.appid && !this.losesReferer ? { referer } : {};
    const answer = await fetch(url, { method, body, headers: { ...headers, ...wechats }, signal });
    return {
      statusCode: answer.status,
      header: Object.fromEntries(answer.headers),
      data: parsed(await answer.text()),
      errMsg: 'request:ok',
    };
  }
}

// wx.request tries JSON once and hands over the text where that fails.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

module.exports = { Phone };
