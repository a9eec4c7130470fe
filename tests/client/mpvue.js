/** Runs a page written for mpvue: what its `data`, `methods` and `this.$http` need of Vue. */
function mount({ data, methods, ...hooks }, $http) {
  const page = { ...data(), ...methods, ...hooks, $http };
  for (const [name, value] of Object.entries(page)) {
    if (typeof value === 'function') page[name] = value.bind(page);
  }
  return page;
}

/** Waits until what the page shows is as wanted; such pages return no promise to wait for. */
async function until(condition, { seconds = 10 } = {}) {
  const end = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${condition}`);
    await new Promise((again) => setTimeout(again, 5));
  }
}

module.exports = { mount, until };
