// Our versions of WeChat's built-in components: glass-easel has none. Each becomes the element of
// its name, so `button` and `input` are the browser's own and work with the keyboard.
// https://developers.weixin.qq.com/miniprogram/dev/component/

import { avatarOf } from '../people.js';
import { texts } from './texts.js';

export function defineComponents(space, template, phone) {
  const components = { view, text, image, form, input: input(phone), button: button(phone) };
  for (const [is, definition] of Object.entries(components)) {
    space.setGlobalUsingComponent(is, space.defineComponent({ is, template, ...definition }));
  }
}

// https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getRealtimePhoneNumber.html
const PHONE_NUMBER_EVENTS = {
  getPhoneNumber: 'getphonenumber',
  getRealtimePhoneNumber: 'getrealtimephonenumber',
};

// Every element with a tap listener can be reached and tapped by keyboard, too.
const view = {
  options: { listenerChangeLifetimes: true },
  lifetimes: {
    listenerChange(isAdded, name) {
      if (!isAdded || name !== 'tap' || this.$$.tabIndex === 0) return;
      Object.assign(this.$$, { tabIndex: 0, role: 'button' });
      this.$$.addEventListener('keydown', ({ key }) => key === 'Enter' && tap(this));
    },
  },
};

const text = {
  ...view,
  properties: { userSelect: Boolean },
  observers: {
    userSelect(selectable) {
      this.$$.style.userSelect = selectable ? 'text' : '';
    },
  },
};

function tap(component) {
  component.triggerEvent('tap', {}, { bubbles: true, composed: true });
}

const image = {
  properties: { src: String, mode: { type: String, value: 'scaleToFill' }, ariaLabel: String },
  observers: {
    'src, mode, ariaLabel'() {
      const { src, mode, ariaLabel } = this.data;
      const host = this.$$;
      const picture = host.firstElementChild ?? host.appendChild(document.createElement('img'));
      host.setAttribute('mode', mode);
      picture.alt = ariaLabel;
      if (src) picture.src = src;
      else picture.removeAttribute('src');
    },
  },
};

const form = {
  lifetimes: {
    attached() {
      this.$$.addEventListener('submit', (event) => {
        event.preventDefault();
        submit(this);
      });
    },
  },
};

function submit(component) {
  const fields = component.$$.querySelectorAll('input[name]');
  const value = Object.fromEntries([...fields].map((field) => [field.name, field.value]));
  component.triggerEvent('submit', { value });
}

const input = (phone) => ({
  properties: {
    value: String,
    type: { type: String, value: 'text' },
    name: String,
    placeholder: String,
    password: Boolean,
    disabled: Boolean,
    focus: Boolean,
    maxlength: { type: Number, value: 140 },
    ariaLabel: String,
  },
  observers: {
    // Not written if equal: the cursor would jump to the end.
    value(value) {
      if (this.$$.value !== value) this.$$.value = value;
    },
    'type, name, placeholder, password, disabled, maxlength, ariaLabel'() {
      const { type, name, placeholder, password, disabled, maxlength, ariaLabel } = this.data;
      Object.assign(this.$$, { name, placeholder, disabled, maxLength: maxlength });
      this.$$.type = password ? 'password' : 'text';
      this.$$.inputMode = { number: 'numeric', digit: 'decimal' }[type] ?? 'text';
      this.$$.setAttribute('aria-label', ariaLabel || placeholder);
      this.$$.autocomplete = 'off';
    },
    focus(focus) {
      if (focus) this.$$.focus();
    },
  },
  lifetimes: {
    attached() {
      const field = this.$$;
      const trigger = (name) => () =>
        this.triggerEvent(name, { value: field.value, cursor: field.selectionStart });
      field.addEventListener('input', trigger('input'));
      field.addEventListener('focus', trigger('focus'));
      field.addEventListener('blur', trigger('blur'));
      field.addEventListener('keydown', ({ key }) => key === 'Enter' && trigger('confirm')());
      if (this.data.type === 'nickname') offerNickname(this, phone);
    },
  },
});

// With consent, WeChat offers the person's own nickname above the keyboard, and checks what was
// entered when the field is left.
function offerNickname(component, phone) {
  const field = component.$$;
  const offer = document.querySelector('#offer');
  field.addEventListener('focus', () => {
    offer.textContent = phone.name;
    offer.hidden = !phone.privacy.agreed();
    offer.onmousedown = (event) => {
      // The field keeps the focus.
      event.preventDefault();
      field.value = phone.name;
      component.triggerEvent('input', { value: field.value, cursor: field.value.length });
    };
  });
  field.addEventListener('blur', () => {
    offer.hidden = true;
    component.triggerEvent('nicknamereview', { pass: true, timeout: false });
  });
}

const button = (phone) => ({
  properties: {
    type: { type: String, value: 'default' },
    size: { type: String, value: 'default' },
    plain: Boolean,
    loading: Boolean,
    disabled: Boolean,
    openType: String,
    formType: String,
    phoneNumberNoQuotaToast: { type: Boolean, value: true },
    ariaLabel: String,
  },
  observers: {
    'type, size, plain, loading, disabled, ariaLabel'() {
      const { type, size, plain, loading, disabled, ariaLabel } = this.data;
      this.$$.disabled = disabled;
      Object.assign(this.$$.dataset, { kind: type, size, plain, loading });
      if (ariaLabel) this.$$.setAttribute('aria-label', ariaLabel);
    },
  },
  lifetimes: {
    attached() {
      // Otherwise the browser would submit the form, too, and for every button in it.
      this.$$.type = 'button';
      this.addListener('tap', () => this.tapped());
      // glass-easel makes taps from mouse and touch; the keyboard's click has no detail.
      this.$$.addEventListener('click', ({ detail }) => {
        if (detail === 0) tap(this);
      });
    },
  },
  methods: {
    tapped() {
      const { disabled, formType, openType } = this.data;
      if (disabled) return;
      if (formType === 'submit') this.$$.form?.requestSubmit();
      // "getPhoneNumber|agreePrivacyAuthorization" does both with one tap.
      const capabilities = openType.split('|');
      if (capabilities.includes('agreePrivacyAuthorization')) {
        phone.privacy.agree();
        this.triggerEvent('agreeprivacyauthorization', { errMsg: 'agreePrivacyAuthorization:ok' });
      }
      // Both ask for the number; with the second WeChat checks it again, and returns only a code.
      for (const [name, event] of Object.entries(PHONE_NUMBER_EVENTS)) {
        if (capabilities.includes(name)) this.givePhoneNumber(name, event);
      }
      if (capabilities.includes('chooseAvatar')) this.chooseAvatar();
    },
    async givePhoneNumber(name, event) {
      const given = await phone.phoneNumber.ask(name);
      const { code, errno, errMsg } = given;
      const detail = name === 'getPhoneNumber' ? given : { code, errno, errMsg };
      if (detail.errno === 1400001 && this.data.phoneNumberNoQuotaToast) {
        phone.phoneNumber.toastNoQuota();
      }
      this.triggerEvent(event, detail);
    },
    async chooseAvatar() {
      if (!(await phone.privacy.ask('chooseAvatar'))) return;
      const words = texts(phone.language);
      const answer = await phone.dialogs.ask({
        title: words.avatarTitle,
        lines: [],
        choices: [
          { answer: 'use', label: words.avatarUse, primary: true },
          { answer: 'cancel', label: words.cancel },
        ],
        cancelled: 'cancel',
        kind: 'sheet',
      });
      // On a phone this is a temporary file, to be uploaded.
      if (answer === 'use') this.triggerEvent('chooseavatar', { avatarUrl: avatarOf(phone.user) });
    },
  },
});
