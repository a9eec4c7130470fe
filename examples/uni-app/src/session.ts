import { createSession } from './utils/session';

// One for the whole app: pages that ask at the same time then share one login.
export const session = createSession({ wx: uni, baseUrl: 'https://login.example.com' });
