// WeChat's dialogs, toasts and loading sign over a mini program.

import { element } from '../dom.js';
import { callable } from './callable.js';
import { texts } from './texts.js';

const TOAST_MS = 1500; // WeChat's default.

export function createDialogs(phone) {
  const words = texts(phone.language);
  const toast = document.querySelector('#toast');
  let hiding;

  // Resolves to the answer of the chosen button, or `cancelled` when Escape closes the dialog.
  function ask({ title, lines, choices, cancelled, kind }) {
    const dialog = element('dialog', { className: kind });
    const heading = element('h2', { id: 'dialog-title' }, title);
    dialog.setAttribute('aria-labelledby', heading.id);
    const buttons = choices.map((choice) => button(choice, dialog));
    const parts = lines.map((line) => (typeof line === 'string' ? element('p', {}, line) : line));
    dialog.append(heading, ...parts, element('div', { className: 'choices' }, ...buttons));
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => {
        dialog.remove();
        resolve(dialog.returnValue || cancelled);
      });
    });
  }

  function button({ answer, label, primary, quiet, color = '', needs }, dialog) {
    const kind = primary ? 'primary' : quiet ? 'quiet' : 'plain';
    const made = element('button', { type: 'button', className: kind, value: answer }, label);
    made.style.backgroundColor = color;
    made.addEventListener('click', () => {
      if (!needs || needs.reportValidity()) dialog.close(answer);
    });
    return made;
  }

  function showToast({ title, icon = 'success', duration = TOAST_MS }) {
    clearTimeout(hiding);
    Object.assign(toast.dataset, { icon });
    toast.textContent = title;
    toast.hidden = false;
    if (duration) hiding = setTimeout(hideToast, duration);
  }

  function hideToast() {
    clearTimeout(hiding);
    toast.hidden = true;
  }

  return {
    ask,
    api: {
      showToast: callable('showToast', async (options) => showToast(options)),
      hideToast: callable('hideToast', async () => hideToast()),
      showLoading: callable('showLoading', async ({ title }) =>
        showToast({ title, icon: 'loading', duration: 0 }),
      ),
      hideLoading: callable('hideLoading', async () => hideToast()),
      showModal: callable('showModal', async (options) => {
        const { title = '', content = '', showCancel = true } = options;
        const confirm = {
          answer: 'confirm',
          label: options.confirmText ?? words.confirm,
          primary: true,
          color: options.confirmColor,
        };
        const cancel = { answer: 'cancel', label: options.cancelText ?? words.cancel };
        const answer = await ask({
          title,
          lines: [content],
          choices: showCancel ? [cancel, confirm] : [confirm],
          cancelled: 'cancel',
          kind: 'modal',
        });
        return { confirm: answer === 'confirm', cancel: answer !== 'confirm' };
      }),
    },
  };
}
