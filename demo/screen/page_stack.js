// The pages that are open, one above the other, and the navigation bar that names the upper one.

const DEEPEST = 10; // WeChat's limit: https://developers.weixin.qq.com/miniprogram/dev/framework/app-service/route.html

export function createPageStack(app, mount) {
  const open = [];
  let host;

  function push(url) {
    const { path, query } = parsed(url);
    if (!host.has(path)) throw new Error(`page "${path}" is not found`);
    if (open.length >= DEEPEST) throw new Error('webview count limit exceed');
    const root = host.create(path, mount);
    const page = root.get();
    Object.assign(page, { route: path, options: query });
    open.push({ root, page, title: host.configOf(path).navigationBarTitleText });
    page.onLoad?.(query);
    show();
    page.onReady?.();
  }

  function pop() {
    const { root, page } = open.pop();
    page.onUnload?.();
    root.getComponent().getBackendElement().remove();
    root.release();
  }

  function show() {
    const { root, page } = open.at(-1);
    open.forEach((each) => {
      each.root.getComponent().getBackendElement().hidden = each.root !== root;
    });
    mount.scrollTop = 0;
    showBar();
    page.onShow?.();
  }

  function showBar() {
    const title = open.at(-1).title ?? app.window?.navigationBarTitleText ?? '';
    document.querySelector('#title').textContent = title;
    document.querySelector('#back').hidden = open.length < 2;
  }

  return {
    start(withHost, path) {
      host = withHost;
      push(path);
    },
    current: () => open.map(({ page }) => page),
    navigateTo(url) {
      open.at(-1).page.onHide?.();
      push(url);
    },
    redirectTo(url) {
      pop();
      push(url);
    },
    reLaunch(url) {
      while (open.length) pop();
      push(url);
    },
    back(steps) {
      for (let left = Math.min(steps, open.length - 1); left > 0; left -= 1) pop();
      show();
    },
    setTitle(title) {
      open.at(-1).title = title;
      showBar();
    },
  };

  // "../home/home?from=auth" is relative to the page it is used on.
  function parsed(url) {
    const base = new URL(`mini:///${open.at(-1)?.page.route ?? ''}`);
    const target = new URL(url, base);
    return { path: target.pathname.slice(1), query: Object.fromEntries(target.searchParams) };
  }
}
