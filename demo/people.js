// The phone's users. The simulated WeChat makes a person of any name; these have a face.
export const PEOPLE = [
  { user: 'xiaoming', zh: '小明', en: 'Xiaoming', colour: '#3d6fb4' },
  { user: 'xiaohong', zh: '小红', en: 'Xiaohong', colour: '#b4543d' },
  { user: 'lilei', zh: '李雷', en: 'Li Lei', colour: '#6a4fa0' },
];

const find = (user) =>
  PEOPLE.find((person) => person.user === user) ?? { zh: user, en: user, colour: '#5c5c5c' };

export const nameOf = (user, language) => find(user)[language];

export function avatarOf(user) {
  const { zh, colour } = find(user);
  const [initial = ''] = zh.match(/[\p{L}\p{N}](?=[^\p{L}\p{N}]*$)/u) ?? [];
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">
    <rect width="96" height="96" fill="${colour}"/>
    <text x="48" y="64" text-anchor="middle" font-size="44" fill="#fff">${initial}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}
