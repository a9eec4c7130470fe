// The types of session.js are those of docs/openapi.yaml, from which ./openapi is generated.
import type * as client from '../../../examples/mini-program/utils/session';
import type { components } from './openapi';

type Schemas = components['schemas'];
type Same<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
type Flat<T> = { [Name in keyof T]: T[Name] };

export const account: Same<Flat<client.Account>, Flat<Schemas['Account']>> = true;
export const device: Same<Flat<client.Device>, Flat<Schemas['Session']>> = true;
export const login: Same<
  Flat<client.Login>,
  Flat<Pick<Schemas['Login'], 'openid' | 'registered' | 'token'>>
> = true;
export const codes: Same<client.ServerErrorCode, Schemas['ErrorCode']> = true;
