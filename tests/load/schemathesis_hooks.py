"""What Schemathesis cannot guess: valid sessions, openids, codes of WeChat's, and readable names.

Schemathesis loads this file in its own environment, by the variable SCHEMATHESIS_HOOKS.
"""

import os
import random
import re

import requests
import schemathesis

API, WECHAT = os.environ["API"], os.environ["WECHAT"]
APPID = "wx1234567890abcdef"
PEOPLE = [f"attacked-{n}" for n in range(200)]
# A valid value becomes that of a real user so often; otherwise it stays as it was generated.
REAL = 0.5
# Hypothesis seeds the module `random` anew for each case.
chance = random.SystemRandom()
VALID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class FromAnotherAddress(requests.adapters.HTTPAdapter):
    """Connects from an address whose login codes are not rejected by the hundred."""

    def init_poolmanager(self, *sizes, **options):
        super().init_poolmanager(*sizes, source_address=("127.0.0.2", 0), **options)


http = requests.Session()
http.mount("http://", FromAnotherAddress())


def control(action, **fields):
    return http.post(f"{WECHAT}/simulated/{action}", json=fields, timeout=60).json()


def call(path, session=None, **fields):
    headers = {"Authorization": f"Bearer {session}"} if session else {}
    return http.post(API + path, json=fields, headers=headers, timeout=60).json()


class Somebody:
    """A user with a session, and with a token after the registration."""

    def __init__(self):
        self.name = chance.choice(PEOPLE)
        answer = call("/login", code=control("wx.login", user=self.name)["code"])
        assert answer["success"], answer
        data = answer["data"]
        self.openid, self.session, self.token = data["openid"], data["session"], data["token"]

    def registered_token(self):
        if self.token is None:
            code = control("getPhoneNumber", user=self.name)["code"]
            self.token = call("/phone", self.session, openid=self.openid, code=code).get("data")
        return self.token


@schemathesis.auth(refresh_interval=None)
class Login:
    """Logs somebody in for each request: another request may have ended the session."""

    def get(self, *_):
        return Somebody()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        path = context.operation.path
        credential = data.registered_token() if path == "/userinfo" else data.session
        if path != "/login":
            case.headers["Authorization"] = f"Bearer {credential}"
        if isinstance(case.body, dict):
            put_real_values(case.body, path, data)


def put_real_values(body, path, somebody):
    action = "wx.login" if path == "/login" else "getPhoneNumber"
    valid = {
        name for name, value in body.items() if isinstance(value, str) and VALID.fullmatch(value)
    }
    if "openid" in valid and chance.random() < REAL:
        body["openid"] = somebody.openid
    if "code" in valid and chance.random() < REAL:
        body["code"] = control(action, user=somebody.name)["code"]
    # The schema cannot list our mini programs, nor say which characters are visible.
    if isinstance(body.get("appid"), str) and 0 < len(body["appid"]) <= 128:
        body["appid"] = APPID
    nickname = body.get("nickname")
    if isinstance(nickname, str) and 0 < len(nickname) <= 32:
        body["nickname"] = f"N{nickname}"[:32] if nickname.isprintable() else "Alice"
