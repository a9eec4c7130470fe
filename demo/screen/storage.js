// The mini program's storage: each person has their own phone, and on it each mini program its own
// storage.

export function createStorage(phone) {
  const prefix = `mini-program ${phone.user} ${phone.appid} `;
  const keys = () =>
    Object.keys(localStorage)
      .filter((each) => each.startsWith(prefix))
      .map((each) => each.slice(prefix.length));

  // WeChat returns an empty string for a missing key.
  const read = (key) => JSON.parse(localStorage.getItem(prefix + key) ?? '""');
  const write = (key, data) => reported(() => localStorage.setItem(prefix + key, JSON.stringify(data)));
  const remove = (key) => reported(() => localStorage.removeItem(prefix + key));

  return {
    api: {
      getStorageSync: read,
      setStorageSync: write,
      removeStorageSync: remove,
      clearStorageSync: () => keys().forEach(remove),
    },
  };

  function reported(change) {
    change();
    phone.tell({ kind: 'storage' });
  }
}
