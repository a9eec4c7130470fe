const { texts, explain } = require('../../texts');

Page({
  data: {
    t: { goods: [] }, // wx:for wants a list from the start
    step: 'loading',
    loggedOut: false,
    person: null, // nothing is shown of a member before it is known
    note: '',
  },

  onLoad() {
    const t = texts().home;
    this.setData({ t });
    wx.setNavigationBarTitle({ title: t.title });
  },

  // Nobody is asked to log in here: the shop is open to all, the card waits for a tap.
  async onShow() {
    const { session } = getApp();
    this.setData({ loggedOut: session.isLoggedOut(), person: null, note: '' });
    try {
      const token = await session.token();
      this.setData({ step: token ? 'member' : 'guest' });
      if (!token) return;
      this.setData({ person: await session.request({ url: '/userinfo' }) });
    } catch (error) {
      const step = this.data.step === 'loading' ? 'guest' : this.data.step;
      this.setData({ step, note: explain(error) });
    }
  },

  logIn() {
    wx.navigateTo({ url: '/pages/auth/index' });
  },

  showAccount() {
    wx.navigateTo({ url: '/pages/account/index' });
  },
});
