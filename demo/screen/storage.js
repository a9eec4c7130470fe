// The mini program's storage: each person has a phone of their own, so each has a storage.

export function createStorage(phone) {
  const prefix = `mini-program ${phone.user} `;
  const keys = () =>
    Object.keys(localStorage)
      .filter((each) => each.startsWith(prefix))
      .map((each) => each.slice(prefix.length));

  // WeChat gives an empty string for what is not there.
  const read = (key) => JSON.parse(localStorage.getItem(prefix + key) ?? '""');
  const write = (key, data) => told(() => localStorage.setItem(prefix + key, JSON.stringify(data)));
  const remove = (key) => told(() => localStorage.removeItem(prefix + key));

  return {
    api: {
      getStorageSync: read,
      setStorageSync: write,
      removeStorageSync: remove,
      clearStorageSync: () => keys().forEach(remove),
    },
  };

  function told(change) {
    change();
    phone.tell({ kind: 'storage' });
  }
}
