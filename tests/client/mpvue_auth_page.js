/**
 * An auth page as teams have them: written for mpvue, years before this backend, and unchanged.
 *
 * It knows `$http(name, data)`, an openid and a token, but no sessions.
 */

module.exports = {
  data() {
    return {
      openid: '',
      showAuth: false,
      loading: false,
    };
  },

  onShow() {
    this.openid = wx.getStorageSync('openid');
    if (this.openid) {
      this.getAccessToken();
    } else {
      this.getOpenId();
    }
  },

  methods: {
    getOpenId() {
      const that = this;
      wx.login({
        success(res) {
          that.$http('getOpenId', { code: res.code }).then((res) => {
            if (res.success) {
              that.openid = res.data.openid;
              wx.setStorageSync('openid', res.data.openid);
              that.getAccessToken();
            } else {
              wx.showToast({ title: '登录失败，请重试', icon: 'none' });
            }
          });
        },
      });
    },

    getAccessToken() {
      this.$http('getAccessToken', { openid: this.openid }).then((res) => {
        if (res.data) {
          this.enter(res.data);
        } else {
          this.showAuth = true;
        }
      });
    },

    getPhoneNumber(e) {
      if (e.mp.detail.errMsg !== 'getPhoneNumber:ok') {
        return;
      }
      this.loading = true;
      this.$http('registerPhone', {
        code: e.mp.detail.code,
        openid: this.openid,
      }).then((res) => {
        this.loading = false;
        if (res.success) {
          this.enter(res.data);
        } else {
          wx.showToast({ title: '注册失败，请重试', icon: 'none' });
        }
      });
    },

    enter(token) {
      wx.setStorageSync('token', token);
      wx.reLaunch({ url: '/pages/index/main' });
    },
  },
};
