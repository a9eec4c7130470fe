/**
 * Gives the user a file: on a computer it is saved to the disk, on a phone it is sent to a chat, for
 * example to the user's own file transfer. Call it in the callback of a tap, and wait for nothing
 * before, because WeChat opens the sheet for a tap only.
 * https://developers.weixin.qq.com/miniprogram/dev/api/share/wx.shareFileMessage.html
 */
function giveFile(fileName, text, { fail }) {
  const filePath = `${wx.env.USER_DATA_PATH}/${fileName}`;
  try {
    wx.getFileSystemManager().writeFileSync(filePath, text, 'utf8');
  } catch {
    return fail();
  }
  const failed = ({ errMsg = '' }) => errMsg.includes('cancel') || fail();
  return isComputer()
    ? wx.saveFileToDisk({ filePath, fail: failed })
    : wx.shareFileMessage({ filePath, fileName, fail: failed });
}

function isComputer() {
  const { platform } = (wx.getDeviceInfo || wx.getSystemInfoSync)();
  return ['windows', 'mac'].includes(platform);
}

module.exports = { giveFile };
