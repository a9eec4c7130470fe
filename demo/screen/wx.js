// The part of the `wx` API that mini programs need to log in; missing functions throw.
// https://developers.weixin.qq.com/miniprogram/dev/api/

import { callable } from './callable.js';
import { createFiles } from './files.js';
import { createRequest } from './request.js';

export function createWx(phone) {
  const { dialogs, pages, privacy, storage } = phone;
  const networkListeners = new Set();
  phone.onNetworkChange = (state) => networkListeners.forEach((listener) => listener(state));

  return {
    ...storage.api,
    ...dialogs.api,
    ...privacy.api,
    ...createFiles(phone),
    request: createRequest(phone),

    login: callable('login', async () => {
      if (phone.airplane) {
        const fault = { errMsg: 'network is not connected', errno: 5 };
        const answer = { ...fault, errMsg: `login:fail ${fault.errMsg}` };
        phone.tell({ kind: 'platform', name: 'wx.login', answer });
        throw fault;
      }
      const { code } = await asked('login', () =>
        phone.wechat.post('wx.login', { user: phone.user }),
      );
      return { code };
    }),
    checkSession: callable('checkSession', async () => {
      const { valid } = await asked('checkSession', () =>
        phone.wechat.post('checkSession', { user: phone.user }),
      );
      if (!valid) throw { errMsg: 'session expired' };
    }),

    navigateTo: callable('navigateTo', async ({ url }) => pages.navigateTo(url)),
    redirectTo: callable('redirectTo', async ({ url }) => pages.redirectTo(url)),
    reLaunch: callable('reLaunch', async ({ url }) => pages.reLaunch(url)),
    navigateBack: callable('navigateBack', async ({ delta = 1 }) => pages.back(delta)),
    setNavigationBarTitle: callable('setNavigationBarTitle', async ({ title }) =>
      pages.setTitle(title),
    ),

    getNetworkType: callable('getNetworkType', async () => ({
      networkType: phone.airplane ? 'none' : 'wifi',
    })),
    onNetworkStatusChange: (listener) => networkListeners.add(listener),

    getAppBaseInfo: () => ({ language: wechatLanguage(), theme: 'light' }),
    getDeviceInfo: () => ({ platform: 'demo' }),
    getSystemInfoSync: () => ({ language: wechatLanguage(), platform: 'demo' }),
  };

  function wechatLanguage() {
    return phone.language === 'zh' ? 'zh_CN' : 'en';
  }

  async function asked(name, ask) {
    const answer = await ask();
    phone.tell({ kind: 'platform', name: `wx.${name}`, answer });
    return answer;
  }
}
