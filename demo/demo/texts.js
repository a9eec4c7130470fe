const ZH = {
  tagline: '微信小程序登录后端 · 本地演示，数据只在这台电脑上',
  docs: '接口文档',
  phone: '手机',
  honest:
    '页面与 examples/mini-program 完全相同。模板、数据、事件由微信开源的 glass-easel 执行；手机外观、内置组件和 wx 接口由本项目编写；微信服务器是模拟的。',
  controls: '操控台',
  people: '谁在用手机',
  miniPrograms: '打开哪个小程序',
  relaunch: '重新打开小程序',
  clear: '清除手机数据',
  expire: '让会话过期',
  airplane: '飞行模式',
  blocked: '微信封禁此人 (40226)',
  noQuota: '手机号额度用完',
  faults: '微信服务器',
  faultNone: '正常',
  faultBusy: '系统繁忙 (-1)',
  faultCode: 'code 无效 (40029)',
  faultSlow: '慢 3 秒',
  faultDrop: '连接中断',
  faultGarbage: '返回乱码',
  unreachable: '连不上本地后端，请用 make run 启动后刷新。',
  cleared: '手机数据已清除，小程序已重新打开。',
  expired: (count) => `${count} 个会话已过期，下一次请求会静默重新登录。`,
  timeline: '实时往来',
  wipe: '清空',
  miniProgram: '小程序',
  service: '登录服务',
  wechat: '微信',
  others: '你的服务',
  waiting: '等待中',
  noAnswer: '无响应',
  pageFault: '页面出错',
  outcomes: {
    'dropped before acting': '处理前断开',
    'dropped after acting': '处理后断开',
    garbage: '乱码',
  },
  request: '请求',
  answer: '响应',
  event: '事件',
  delivered: '已送达',
  othersHear: '你的其他服务从 EventBridge 收到这个事件，里面没有手机号。',
  serverAsks: '这一步由服务器发起，AppSecret 和 access_token 不离开服务器。',
  noSteps: '在手机上操作，每一次请求都会出现在这里。',
  charges: ({ phoneComponentCalls, phoneBalance }) =>
    `微信计费：成功获取手机号 ${phoneComponentCalls} 次，余额 ${phoneBalance} 次`,
  table: 'DynamoDB 表',
  tableNote: '密文与摘要只显示开头',
  noItems: '表是空的：还没有人登录过。',
  noTable: '读不到表。',
  token: '应用令牌（JWT）',
  noToken: '还没有令牌：这个人还没有注册手机号，或已退出登录。',
  verified: (kid) => `签名有效 · 公钥 ${kid}`,
  forged: '签名无效',
  unchecked: '暂时拿不到公钥，签名未验证',
  overdue: '已过期',
  claims: {
    iss: '签发者',
    aud: '受众',
    sub: '用户编号',
    client_id: '小程序',
    sid: '会话编号',
    phone_number_verified: '手机号已验证',
    iat: '签发于',
    exp: '有效至',
    jti: '令牌编号',
  },
};

const EN = {
  tagline: 'Login backend of a WeChat mini program · a local demo, data stays on this machine',
  docs: 'API',
  phone: 'Phone',
  honest:
    "These are the very pages of examples/mini-program. Templates, data and events run on glass-easel, WeChat's own open-source framework; the look of the phone, the built-in components and the wx API are ours; WeChat's servers are simulated.",
  controls: 'Controls',
  people: 'Who holds the phone',
  miniPrograms: 'Which mini program is open',
  relaunch: 'Reopen the mini program',
  clear: 'Clear the phone',
  expire: 'Let sessions expire',
  airplane: 'Airplane mode',
  blocked: 'Blocked (40226)',
  noQuota: 'Phone quota used up',
  faults: "WeChat's servers",
  faultNone: 'Fine',
  faultBusy: 'Busy (-1)',
  faultCode: 'Invalid code (40029)',
  faultSlow: '3 s slow',
  faultDrop: 'Connection drops',
  faultGarbage: 'Garbled answer',
  unreachable: 'The local backend cannot be reached: start it with make run, then reload.',
  cleared: 'The phone is cleared and the mini program opened again.',
  expired: (count) => `Sessions expired: ${count}. The next request logs in silently.`,
  timeline: 'What happens',
  wipe: 'Wipe',
  miniProgram: 'Mini program',
  service: 'Login service',
  wechat: 'WeChat',
  others: 'Your services',
  waiting: 'waiting',
  noAnswer: 'no answer',
  pageFault: 'The page failed',
  outcomes: {
    'dropped before acting': 'dropped before acting',
    'dropped after acting': 'dropped after acting',
    garbage: 'garbled answer',
  },
  request: 'Request',
  answer: 'Answer',
  event: 'Event',
  delivered: 'delivered',
  othersHear: 'Your other services receive this from EventBridge; it has no phone number.',
  serverAsks: 'The server asks this: AppSecret and access_token never leave it.',
  noSteps: 'Use the phone: every request appears here.',
  charges: ({ phoneComponentCalls, phoneBalance }) =>
    `WeChat's bill: phone numbers given ${phoneComponentCalls}, left ${phoneBalance}`,
  table: 'DynamoDB table',
  tableNote: 'Sealed values and hashes are cut short',
  noItems: 'The table is empty: nobody has logged in yet.',
  noTable: 'The table cannot be read.',
  token: 'App token (JWT)',
  noToken: 'No token: this person has not registered a phone number, or has logged out.',
  verified: (kid) => `Signature valid · key ${kid}`,
  forged: 'Signature not valid',
  unchecked: 'No public key to check the signature with',
  overdue: 'Expired',
  claims: {
    iss: 'issuer',
    aud: 'audience',
    sub: 'user id',
    client_id: 'mini program',
    sid: 'session id',
    phone_number_verified: 'phone verified',
    iat: 'issued at',
    exp: 'valid until',
    jti: 'token id',
  },
};

const KEY = 'demo language';
const LANGUAGES = { zh: ZH, en: EN };

const usual = navigator.language.startsWith('zh') ? 'zh' : 'en';
let language = LANGUAGES[localStorage.getItem(KEY)] ? localStorage.getItem(KEY) : usual;

export const currentLanguage = () => language;
export const words = () => LANGUAGES[language];
export const localTime = (seconds) => new Date(seconds * 1000).toLocaleString(language);

export function speak(chosen) {
  language = chosen;
  localStorage.setItem(KEY, chosen);
  document.documentElement.lang = chosen;
  for (const each of document.querySelectorAll('[data-text]')) {
    each.textContent = words()[each.dataset.text];
  }
  for (const each of document.querySelectorAll('[data-title]')) {
    each.title = words()[each.dataset.title];
  }
}
