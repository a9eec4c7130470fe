const ZH = {
  agree: '同意',
  refuse: '不允许',
  allow: '允许',
  cancel: '取消',
  confirm: '确定',
  close: '关闭',
  phoneTitle: '申请获取并验证你的手机号',
  phonePurpose: '用于注册和登录',
  otherNumber: '使用其它号码',
  otherNumberLabel: '手机号（中国大陆）',
  noQuota: '该功能使用次数已达当前小程序上限，暂时无法使用',
  privacyTitle: '用户隐私保护提示',
  privacyText: '使用前请阅读并同意《用户隐私保护指引》。本小程序处理你的手机号，用于注册和登录。',
  privacyContract: '《用户隐私保护指引》',
  privacyContractText:
    '这里会显示小程序在微信后台填写的隐私保护指引。这是本地演示，不会处理真实信息。',
  fileTitle: '发送文件到聊天',
  fileGive: '保存到这台电脑',
  avatarTitle: '选择头像',
  avatarUse: '用微信头像',
};

const EN = {
  agree: 'Agree',
  refuse: "Don't allow",
  allow: 'Allow',
  cancel: 'Cancel',
  confirm: 'OK',
  close: 'Close',
  phoneTitle: 'Asks for your verified phone number',
  phonePurpose: 'Used to register and log in',
  otherNumber: 'Use another number',
  otherNumberLabel: 'Phone number (mainland China)',
  noQuota: "This feature has reached the mini program's limit and is unavailable",
  privacyTitle: 'Privacy notice',
  privacyText:
    'Please read and agree to the privacy guide first. This mini program uses your phone number to register and log in.',
  privacyContract: 'Privacy guide',
  privacyContractText:
    "The privacy guide that the mini program declared in WeChat's console would stand here. This is a local demo and touches no real data.",
  fileTitle: 'Send the file to a chat',
  fileGive: 'Save on this computer',
  avatarTitle: 'Choose a picture',
  avatarUse: 'From WeChat',
};

export const texts = (language) => (language === 'zh' ? ZH : EN);
