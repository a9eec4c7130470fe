// The control routes of the simulated WeChat: actions of WeChat's app and console.
export function simulatedWeChat(address) {
  const url = (name) => `${address}/simulated/${name}`;
  return {
    get: (name) => fetch(url(name)).then(read),
    post: (name, body) =>
      fetch(url(name), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }).then(read),
  };
}

async function read(response) {
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
