const config = require('../../config');
const { texts, explain, explainPhone } = require('../../texts');
const { giveFile } = require('../../utils/give-file');
const { stepAfter } = require('../../utils/phone-step');

const LONGEST_NICKNAME = 32; // the backend's limit, in characters

/** Writes the day in one way on every phone; toLocaleDateString differs between them. */
function dateOf(seconds) {
  const date = new Date(seconds * 1000);
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return parts.map((part) => String(part).padStart(2, '0')).join('-');
}

Page({
  data: {
    t: {},
    step: 'loading',
    note: '',
    account: {},
    avatarUrl: '',
    since: '',
    devices: [],
    consentNeeded: false,
    phoneStep: 'ready', // or registering, or stepAfter's result
  },

  onLoad() {
    const t = texts().account;
    this.setData({ t });
    wx.setNavigationBarTitle({ title: t.title });
    // Without consent, WeChat would turn the nickname input into a plain one.
    wx.getPrivacySetting({
      success: ({ needAuthorization }) => this.setData({ consentNeeded: needAuthorization }),
    });
    return this.load();
  },

  async load() {
    this.setData({ step: 'loading', note: '' });
    try {
      const { session } = getApp();
      this.show(await session.account());
      await this.loadDevices();
    } catch (error) {
      const step = this.data.step === 'loading' ? 'failed' : this.data.step;
      this.setData({ step, note: explain(error) });
    }
  },

  show(account) {
    const since = account.registeredAt || account.createdAt;
    this.setData({
      step: 'ready',
      account,
      avatarUrl: account.avatarUrl || this.data.avatarUrl,
      since: dateOf(since),
    });
  },

  async loadDevices() {
    const devices = await getApp().session.sessions();
    const shown = devices.map((device) => ({
      ...device,
      since: dateOf(device.createdAt),
      lastUsed: dateOf(device.lastUsedAt),
    }));
    this.setData({ devices: shown });
  },

  async endDevice({ currentTarget }) {
    const { endDevice: title, endDeviceAsk: content, confirm } = this.data.t;
    if (!(await this.ask({ title, content, confirmText: confirm }))) return;
    this.setData({ note: '' });
    try {
      await getApp().session.endSession(currentTarget.dataset.id);
      await this.loadDevices();
      this.tell(this.data.t.deviceEnded);
    } catch (error) {
      this.setData({ note: explain(error) });
    }
  },

  /** Gives the user a copy of the data, as GET /account answered it when the page was opened. */
  download() {
    const { t, account } = this.data;
    this.setData({ note: '' });
    giveFile('account.json', JSON.stringify(account, null, 2), {
      fail: () => this.setData({ note: t.downloadFailed }),
    });
  },

  consent() {
    this.setData({ consentNeeded: false });
  },

  readContract() {
    wx.openPrivacyContract();
  },

  async takeAvatar({ detail }) {
    // A file of this phone, and a temporary one.
    this.setData({ avatarUrl: detail.avatarUrl, note: '' });
    if (!config.uploadAvatar) return this.setData({ note: this.data.t.avatarNotKept });
    await this.save(async () => ({ avatarUrl: await config.uploadAvatar(detail.avatarUrl) }));
  },

  // The nickname is read on submit: WeChat's check may clear the input after it was left.
  async saveProfile({ detail }) {
    const nickname = detail.value.nickname.trim();
    const { nicknameEmpty, nicknameLong } = this.data.t;
    if (!nickname) return this.setData({ note: nicknameEmpty });
    if ([...nickname].length > LONGEST_NICKNAME) return this.setData({ note: nicknameLong });
    await this.save(() => ({ nickname }));
  },

  /** Removes picture and nickname; the account stays. */
  async clearProfile() {
    this.setData({ avatarUrl: '' });
    await this.save(() => ({ nickname: null, avatarUrl: null }));
  },

  async save(changes) {
    this.setData({ note: '' });
    try {
      this.show(await getApp().session.updateAccount(await changes()));
      this.tell(this.data.t.saved);
    } catch (error) {
      this.setData({ note: explain(error) });
    }
  },

  // For getRealtimePhoneNumber: a user who changes the number must have it now.
  takePhone({ detail }) {
    this.phone = detail;
    return this.register();
  },

  async register() {
    // At once: a second tap on the button would be charged as well.
    this.setData({ phoneStep: 'registering', note: '' });
    try {
      await getApp().session.registerPhone(this.phone);
      this.setData({ phoneStep: 'ready' });
      this.tell(this.data.t.bound);
      await this.load();
    } catch (error) {
      const refused = error.code === 'phone_refused';
      const note = refused ? this.data.t.unchanged : explainPhone(error);
      this.setData({ phoneStep: stepAfter(error), note });
    }
  },

  logOut() {
    return this.end((session) => session.logOut());
  },

  async logOutEverywhere() {
    const { logOutEverywhere: title, logOutEverywhereAsk: content, confirm } = this.data.t;
    if (!(await this.ask({ title, content, confirmText: confirm }))) return;
    await this.end((session) => session.logOut({ everywhere: true }));
  },

  async erase() {
    const { eraseTitle: title, eraseAsk: content, eraseConfirm, erased } = this.data.t;
    const sure = await this.ask({
      title,
      content,
      confirmText: eraseConfirm,
      confirmColor: '#d63b3b',
    });
    if (!sure) return;
    await this.end((session) => session.deleteAccount(), erased);
  },

  ask(question) {
    const { cancel } = this.data.t;
    return new Promise((resolve) => {
      wx.showModal({
        ...question,
        cancelText: cancel,
        success: ({ confirm }) => resolve(confirm),
        fail: () => resolve(false),
      });
    });
  },

  tell(title) {
    wx.showToast({ title, icon: 'none' });
  },

  /** Leaves the page after success: no data of the account may stay on the screen. */
  async end(act, title) {
    this.setData({ note: '' });
    try {
      await act(getApp().session);
      const success = () => title && this.tell(title);
      wx.reLaunch({ url: '/pages/home/index', success });
    } catch (error) {
      this.setData({ note: explain(error) });
    }
  },
});
