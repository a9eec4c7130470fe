const { createSession } = require('./utils/session');
const config = require('./config');

App({
  // One for the whole app: pages that ask at the same time then share one login.
  session: createSession({ wx, baseUrl: config.baseUrl, appid: config.appid }),
});
