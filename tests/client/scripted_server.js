/**
 * A server that answers as docs say ours does, and on order as no healthy one would.
 *
 * Without an order it keeps to the contract: it opens sessions, refuses those that have ended and
 * gives out tokens. `order(route, answer)` puts an answer in the place of the next one; a function
 * is called with the request, and `dropped` closes the connection.
 */

const http = require('node:http');

const dropped = Symbol('the connection closes without an answer');

const granted = (data, beside) => ({ status: 200, body: { success: true, data, ...beside } });

function refused(status, code, { headers, ...facts } = {}) {
  const error = { code, message: 'For people.', requestId: 'r-1', ...facts };
  return { status, headers, body: { success: false, error } };
}

/** Gives an order that holds back its answer, and lets a test know that it is asked for. */
function held() {
  let letGo;
  const answer = new Promise((go) => (letGo = go));
  let arrive;
  const arrived = new Promise((go) => (arrive = go));
  const order = () => {
    arrive();
    return answer;
  };
  return { order, arrived, letGo };
}

class ScriptedServer {
  constructor() {
    this.requests = [];
    this.registered = true;
    this.sessionsOpened = 0;
    this.session = null;
    this.tokensGiven = 0;
    this.tokenLifetime = 7200;
    this.orders = {};
    this.devices = [
      { id: 'this', createdAt: 1790000000, lastUsedAt: 1790000000, current: true },
      { id: 'other', createdAt: 1780000000, lastUsedAt: 1785000000, current: false },
    ].map((device) => ({ ...device, expiresAt: device.lastUsedAt + 2592000 }));
  }

  static async started(t) {
    const server = new ScriptedServer();
    server.http = http.createServer((request, response) => server.#receive(request, response));
    await new Promise((listening) => server.http.listen(0, '127.0.0.1', listening));
    server.url = `http://127.0.0.1:${server.http.address().port}`;
    t.after(() => {
      server.http.closeAllConnections();
      server.http.close();
    });
    return server;
  }

  order(route, ...answers) {
    (this.orders[route] ||= []).push(...answers);
  }

  asked(route) {
    return this.requests.filter((request) => request.route === route);
  }

  endSessions() {
    this.session = null;
  }

  #receive(request, response) {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', async () => {
      const route = `${request.method} ${request.url}`;
      const credential = (request.headers.authorization || '').replace('Bearer ', '');
      const seen = { route, credential, body: text ? JSON.parse(text) : undefined };
      this.requests.push(seen);
      const ordered = (this.orders[route] || []).shift() || (() => this.#answer(seen));
      const answer = typeof ordered === 'function' ? await ordered(seen) : ordered;
      if (answer === dropped) return request.socket.destroy();
      const asText = typeof answer.body === 'string';
      response.writeHead(answer.status, {
        'content-type': asText ? 'text/html' : 'application/json',
        ...answer.headers,
      });
      return response.end(asText ? answer.body : JSON.stringify(answer.body));
    });
  }

  #answer({ route, credential, body }) {
    if (route === 'POST /login') return this.#logIn();
    if (route === 'GET /userinfo') return { status: 200, body: { sub: 'u-1', nickname: '小林' } };
    if (!credential) return refused(401, 'session_required');
    if (credential !== this.session) return refused(401, 'session_invalid');
    const answers = {
      'POST /token': () => granted(...this.#token()),
      'POST /phone': () => {
        this.registered = true;
        return granted(...this.#token());
      },
      'POST /logout': () => granted(null),
      'GET /account': () => granted(this.#account()),
      'PUT /account': () => granted({ ...this.#account(), ...body }),
      'DELETE /account': () => {
        this.endSessions();
        return granted(null);
      },
      'GET /account/sessions': () => granted(this.devices),
      'DELETE /account/sessions/other': () => {
        this.devices = this.devices.filter(({ id }) => id !== 'other');
        return granted(null);
      },
    };
    return answers[route] ? answers[route]() : refused(404, 'not_found');
  }

  #logIn() {
    this.sessionsOpened += 1;
    this.session = `o-alice.secret-${this.sessionsOpened}`;
    const [token, { expiresIn }] = this.#token();
    return granted({
      openid: 'o-alice',
      unionid: null,
      session: this.session,
      sessionExpiresIn: 2592000,
      registered: this.registered,
      token,
      tokenExpiresIn: expiresIn,
    });
  }

  #token() {
    if (!this.registered) return [null, { expiresIn: null }];
    this.tokensGiven += 1;
    return [`token-${this.tokensGiven}`, { expiresIn: this.tokenLifetime }];
  }

  #account() {
    return {
      userId: 'u-1',
      openid: 'o-alice',
      unionid: null,
      phone: this.registered ? '138******66' : null,
      nickname: null,
      avatarUrl: null,
      createdAt: 1790000000,
      registeredAt: this.registered ? 1790000000 : null,
    };
  }
}

module.exports = { ScriptedServer, granted, held, refused, dropped };
