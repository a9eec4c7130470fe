/**
 * `$http(name, data)` for pages of mpvue, uni-app or Taro that were written for it.
 *
 *     Vue.prototype.$http = createHttp(createSession({ wx, baseUrl }));
 *
 * Such a page knows openid and token but no session: that is kept here. It gets
 * `{ success, data }`, or `{ success: false, data: null, error: { code } }` for an error of the
 * server; without an answer the promise rejects, as before.
 */
function createHttp(session, otherwise = (name) => Promise.reject(new Error(`no call: ${name}`))) {
  const calls = {
    getOpenId: ({ code }) => session.login({ code }),
    // The session contains the openid, so the page's own openid is not needed.
    getAccessToken: () => session.token(),
    registerPhone: (detail) => session.registerPhone(detail),
  };

  return async function $http(name, data = {}) {
    if (!Object.keys(calls).includes(name)) return otherwise(name, data);
    try {
      return { success: true, data: await calls[name](data) };
    } catch (error) {
      if (!error.status) throw error;
      return { success: false, data: null, error: { code: error.code } };
    }
  };
}

module.exports = { createHttp };
