// WeChat's privacy consent: before the phone number, the avatar or the nickname are given, the
// person must have agreed to the mini program's privacy guide.
// https://developers.weixin.qq.com/miniprogram/dev/framework/user-privacy/PrivacyAuthorize.html

import { callable } from './callable.js';
import { texts } from './texts.js';

export function createPrivacy(phone) {
  // Kept for the person beside the mini program's storage, and cleared together with it.
  const key = `wechat ${phone.user} ${phone.appid} privacy`;
  const words = texts(phone.language);
  let handler;

  const agreed = () => localStorage.getItem(key) === 'agreed';
  const agree = () => localStorage.setItem(key, 'agreed');

  // Resolves to whether the person agrees. A mini program may ask in a dialog of its own.
  async function ask(referrer) {
    if (agreed()) return true;
    if (!(await (handler ? askInMiniProgram(referrer) : askOurselves()))) return false;
    agree();
    return true;
  }

  function askInMiniProgram(referrer) {
    return new Promise((resolve) => {
      const answer = ({ event }) => {
        // It first reports that its dialog is visible.
        if (event !== 'exposureAuthorization') resolve(event === 'agree');
      };
      handler(answer, { referrer });
    });
  }

  async function askOurselves() {
    const answer = await phone.dialogs.ask({
      title: words.privacyTitle,
      lines: [words.privacyText],
      choices: [
        { answer: 'refuse', label: words.refuse },
        { answer: 'agree', label: words.agree, primary: true },
      ],
      cancelled: 'refuse',
      kind: 'sheet',
    });
    return answer === 'agree';
  }

  return {
    agreed,
    agree,
    ask,
    api: {
      getPrivacySetting: callable('getPrivacySetting', async () => ({
        needAuthorization: !agreed(),
        privacyContractName: words.privacyContract,
      })),
      requirePrivacyAuthorize: callable('requirePrivacyAuthorize', async () => {
        if (!(await ask('requirePrivacyAuthorize'))) {
          throw { errMsg: 'privacy permission is not authorized', errno: 104 };
        }
      }),
      onNeedPrivacyAuthorization(listener) {
        handler = listener;
      },
      openPrivacyContract: callable('openPrivacyContract', async () => {
        await phone.dialogs.ask({
          title: words.privacyContract,
          lines: [words.privacyContractText],
          choices: [{ answer: 'close', label: words.close, primary: true }],
          cancelled: 'close',
          kind: 'sheet',
        });
      }),
    },
  };
}
