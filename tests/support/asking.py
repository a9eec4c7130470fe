"""A server with the AppSecret that calls the simulated WeChat, without HTTP."""

import json

from simulated_wechat import phone_data
from simulated_wechat.rules import Request


class Asking:
    """One mini program's server; the first mini program's if none is named."""

    def __init__(self, wechat, appid=None):
        app = wechat.mini_program(appid)
        self.wechat = wechat
        self.appid = app.appid
        self.app = {"appid": app.appid, "secret": app.app_secret}

    def get(self, path, **query):
        return self.ask("GET", path, query=query)

    def post(self, path, body=None, **query):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, query=query, body=raw)

    def ask(self, method, path, query=None, body=b"", client_ip="127.0.0.1"):
        request = Request(method, path, query or {}, body, client_ip)
        return json.loads(self.wechat.receive(request).body)

    def login(self, code, **changes):
        query = {**self.app, "js_code": code, "grant_type": "authorization_code", **changes}
        given = {name: value for name, value in query.items() if value}
        return self.get("/sns/jscode2session", **given)

    def stable(self, **changes):
        body = {**self.app, "grant_type": "client_credential", **changes}
        given = {name: value for name, value in body.items() if value is not None}
        return self.post("/cgi-bin/stable_token", given)

    def plain(self, **changes):
        query = {**self.app, "grant_type": "client_credential", **changes}
        given = {name: value for name, value in query.items() if value}
        return self.get("/cgi-bin/token", **given)

    def call(self, path, **body):
        return self.post(path, body, access_token=self.stable()["access_token"])

    def look(self, path, **query):
        return self.get(path, access_token=self.stable()["access_token"], **query)

    def check_session(self, user, session_key, path="/wxa/checksession", **changes):
        query = {
            "openid": self.wechat.openid(user, self.appid),
            "signature": phone_data.session_signature(session_key),
            "sig_method": "hmac_sha256",
            **changes,
        }
        return self.look(path, **query)


def login_query(wechat, code):
    return {
        "appid": wechat.appid,
        "secret": wechat.app_secret,
        "js_code": code,
        "grant_type": "authorization_code",
    }
