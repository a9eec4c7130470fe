// WeChat's app sends the AppID in the Referer. A browser page cannot set that header, so the phone
// sends this one, and the local server passes it on as the Referer (local/inspection.py).
// https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html
export const REFERER_OF_WECHAT = 'wechat-referer';

// The control routes of the simulated WeChat: actions of WeChat's app and console, for the mini
// program whose AppID `appid` returns.
export function simulatedWeChat(address, appid) {
  const url = (name) => `${address}/simulated/${name}`;
  return {
    get: (name) => fetch(`${url(name)}?${new URLSearchParams({ appid: appid() })}`).then(read),
    post: (name, body) =>
      fetch(url(name), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ appid: appid(), ...body }),
      }).then(read),
  };
}

async function read(response) {
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
