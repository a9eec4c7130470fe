// Files of the mini program, kept until its next start, and the sheet that exports a file.

import { callable } from './callable.js';
import { texts } from './texts.js';

export function createFiles(phone) {
  const words = texts(phone.language);
  const files = new Map();

  return {
    env: { USER_DATA_PATH: 'wxfile://usr' },
    getFileSystemManager: () => ({
      writeFileSync: (path, text) => {
        files.set(path, text);
      },
    }),
    // In WeChat the file goes to a chat, here to the browser's downloads.
    shareFileMessage: callable('shareFileMessage', async ({ filePath, fileName }) => {
      if (!files.has(filePath)) throw { errMsg: 'no such file' };
      const answer = await phone.dialogs.ask({
        title: words.fileTitle,
        lines: [fileName],
        choices: [
          { answer: 'cancel', label: words.cancel },
          { answer: 'give', label: words.fileGive, primary: true },
        ],
        cancelled: 'cancel',
        kind: 'sheet',
      });
      if (answer !== 'give') throw { errMsg: 'cancel' };
      save(fileName, files.get(filePath));
    }),
  };
}

function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
