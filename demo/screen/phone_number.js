// The consent sheet of <button open-type="getPhoneNumber"> and "getRealtimePhoneNumber". The numbers and the codes are the
// simulated WeChat's; it gives a code only after a tap on "allow".

import { element } from '../dom.js';
import { texts } from './texts.js';

export function createPhoneNumber(phone) {
  const { user, wechat, dialogs, privacy } = phone;
  const words = texts(phone.language);

  return { ask, toastNoQuota: () => dialogs.api.showToast({ title: words.noQuota, icon: 'none' }) };

  // Resolves to e.detail of the event.
  async function ask(name) {
    if (!(await privacy.ask(name))) {
      return { errMsg: `${name}:fail privacy permission is not authorized`, errno: 104 };
    }
    if (phone.airplane) return { errMsg: `${name}:fail network is not connected` };
    const { phoneBalance } = await wechat.get('rules');
    // WeChat checks the balance on the tap: without a balance there is no sheet.
    const allow = phoneBalance <= 0 || (await isAllowed());
    const detail = await wechat.post('getPhoneNumber', { user, allow });
    const errMsg = detail.errMsg.replace('getPhoneNumber', name);
    phone.tell({ kind: 'platform', name, answer: { ...detail, errMsg } });
    return { ...detail, errMsg };
  }

  async function isAllowed() {
    const { phoneNumber } = await wechat.post('people', { user });
    const answer = await dialogs.ask({
      title: words.phoneTitle,
      lines: [words.phonePurpose, element('p', { className: 'number' }, masked(phoneNumber))],
      choices: [
        { answer: 'allow', label: words.allow, primary: true },
        { answer: 'refuse', label: words.refuse },
        { answer: 'other', label: words.otherNumber, quiet: true },
      ],
      cancelled: 'refuse',
      kind: 'sheet',
    });
    return answer === 'other' ? isOtherAllowed() : answer === 'allow';
  }

  async function isOtherAllowed() {
    const number = element('input', {
      id: 'other-number',
      type: 'tel',
      inputMode: 'numeric',
      pattern: '1[0-9]{10}',
      required: true,
      placeholder: '13900000001',
      autocomplete: 'off',
    });
    const answer = await dialogs.ask({
      title: words.otherNumber,
      lines: [element('label', { htmlFor: 'other-number' }, words.otherNumberLabel), number],
      choices: [
        { answer: 'refuse', label: words.refuse },
        { answer: 'allow', label: words.allow, primary: true, needs: number },
      ],
      cancelled: 'refuse',
      kind: 'sheet',
    });
    if (answer !== 'allow') return false;
    await wechat.post('people', { user, purePhoneNumber: number.value });
    return true;
  }
}

function masked(number) {
  return number.replace(/^(.*\d{3})\d{4}(\d{4})$/, '$1****$2');
}
