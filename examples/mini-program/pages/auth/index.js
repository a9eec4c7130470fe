const { texts, explain, explainPhone } = require('../../texts');
const { stepAfter } = require('../../utils/phone-step');

Page({
  // loading, then failed (no login) or ready (the button); registering, and stepAfter's result
  data: { t: {}, step: 'loading', note: '' },

  onLoad() {
    const t = texts().auth;
    this.setData({ t });
    wx.setNavigationBarTitle({ title: t.title });
  },

  onShow() {
    const { step } = this.data;
    if (step === 'unsent') return this.register();
    // The phone sheet can cover the page and uncover it: a button in use stays where it is.
    if (step === 'loading' || step === 'failed') return this.logIn();
  },

  /** Logs in before the button is shown, so that its callback need not. */
  async logIn() {
    const { session } = getApp();
    this.setData({ step: 'loading', note: '' });
    try {
      // A user who comes here after a log-out wants to log in, and the number is already paid for.
      const token = session.isLoggedOut() ? (await session.login()).token : await session.token();
      if (token) return this.leave();
      this.setData({ step: 'ready' });
    } catch (error) {
      // A login code that was rejected is no loss: the next login takes a fresh one.
      const again = error.retryable || error.code === 'code_rejected';
      this.setData({ step: again ? 'failed' : 'closed', note: explain(error) });
    }
  },

  takePhone({ detail }) {
    this.phone = detail;
    return this.register();
  },

  async register() {
    // At once: a second tap on the button would be charged as well.
    this.setData({ step: 'registering', note: '' });
    try {
      await getApp().session.registerPhone(this.phone);
      this.leave();
    } catch (error) {
      this.setData({ step: stepAfter(error), note: explainPhone(error) });
    }
  },

  readContract() {
    wx.openPrivacyContract();
  },

  leave() {
    wx.reLaunch({ url: '/pages/home/index' });
  },
});
