// How an app uses the client, on each platform. It is compiled, and never run.
/// <reference types="miniprogram-api-typings" />
/// <reference types="@dcloudio/types" />
import Taro from '@tarojs/taro';
import { createSession, SessionError } from '../../../examples/mini-program/utils/session';
import type { Account, Device, Platform, Session } from '../../../examples/mini-program/utils/session';

const baseUrl = 'https://login.example.com';
const platforms: Platform[] = [wx, uni, Taro];
export const sessions: Session[] = platforms.map((each) => createSession({ wx: each, baseUrl }));
export const native: Session = createSession({ wx, baseUrl, timeout: 20_000, longestWait: 3 });

export async function use(session: Session): Promise<string> {
  const { openid, registered } = await session.login({ code: 'c' });
  const token: string | null = await session.token();
  const account: Account = await session.updateAccount({ nickname: null });
  const others: Device[] = (await session.sessions()).filter(({ current }) => !current);
  await Promise.all(others.map(({ id }) => session.endSession(id)));
  const orders = await session.request<{ id: string }[]>({ url: '/orders', method: 'POST', data: {} });
  await session.logOut({ everywhere: true });
  return `${openid} ${registered} ${token} ${account.phone ?? ''} ${orders[0].id}`;
}

/** The button's event, of WeChat's types; and the call of the AI mode. */
export function register(session: Session, event: WechatMiniprogram.ButtonGetPhoneNumber) {
  return [
    session.registerPhone(event.detail),
    session.registerPhone(Promise.resolve({ code: 'c', errMsg: 'getPhoneNumber:ok' })),
  ];
}

export const waitAfter = (error: unknown): number =>
  error instanceof SessionError && error.retryable ? (error.retryAfter ?? 1) : 0;

// Code that the types must reject; this includes calls of the platforms.
// @ts-expect-error
export const number1: number = wx;
// @ts-expect-error
export const number2: number = uni;
// @ts-expect-error
export const number3: number = Taro;
// @ts-expect-error a platform is needed
createSession({ baseUrl });
// @ts-expect-error the address is needed
createSession({ wx });
// @ts-expect-error a number is no code
sessions[0].login({ code: 1 });
// @ts-expect-error there is no such field
sessions[0].updateAccount({ phone: '13800000000' });
// @ts-expect-error the token may be null
export const certain: Promise<string> = sessions[0].token();
