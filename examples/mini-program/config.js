module.exports = {
  // The local stack. In production an https address that WeChat's console lists as request 合法域名.
  baseUrl: 'http://127.0.0.1:3000',

  // A backend of several mini programs finds the AppID in the Referer that WeChat's app sets. If that
  // header does not reach it, for example behind a proxy, give the AppID here:
  // appid: wx.getAccountInfoSync().miniProgram.appId,
  appid: null,

  // The backend keeps the address of a picture, not the picture. Give a function here that puts the
  // file at `path` into your own storage and resolves to its https address, for example with
  // wx.uploadFile. Without a function, the account page shows a chosen picture but does not keep it.
  uploadAvatar: null,
};
