"""The callers in tests: a mini program's HTTP client, and people who use it."""

import http.client
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 120


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class Client:
    """Sends HTTP requests to one deployment, and records the secrets in the answers."""

    def __init__(self, url, routes, secrecy):
        self._host = urlsplit(url).netloc
        self._routes = routes  # "login" -> ("POST", "/login")
        self._secrecy = secrecy

    def call(self, function, *, session=None, **fields) -> tuple[int, Any]:
        """Call a function's route like a mini program; return the status and the JSON."""
        method, path = self._routes[function]
        headers = {"Content-Type": "application/json"}
        if session is not None:
            headers["Authorization"] = f"Bearer {session}"
        answer = self.send(method, path, json.dumps(fields).encode(), headers.items())
        return answer.status, answer.body

    def send(self, method, path, body=b"", headers=()) -> Answer:
        """Send a request as it is, duplicate headers and all."""
        connection = http.client.HTTPConnection(self._host, timeout=PATIENCE)
        try:
            connection.putrequest(method, path)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            headers_back = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, headers_back, response.read().decode())
        finally:
            connection.close()
        self._overhear(f"{method} {path}", answer)
        return answer

    def _overhear(self, where, answer):
        text = answer.text
        for kind, handed in _handed_out(answer):
            self._secrecy.keep(kind, handed.rpartition(".")[2])
            text = text.replace(handed, "…")
        where = f"the answer {answer.status} to {where}"
        self._secrecy.overhear(where, f"{text} {answer.headers}", is_log=False)


def _handed_out(answer):
    """Find the session and the tokens that an answer rightly gives to its caller."""
    try:
        data = answer.body["data"]
    except (ValueError, KeyError, TypeError):
        return []
    given = data if isinstance(data, dict) else {"token": data}
    return [
        (kind, given[kind]) for kind in ("session", "token") if isinstance(given.get(kind), str)
    ]


class Person:
    """Somebody with WeChat on their phone, in front of one of our mini programs."""

    def __init__(self, name, wechat, call, appid=None):
        self.name = name
        self.appid = appid  # None: the first mini program
        self.session = None
        self._wechat = wechat
        self._call = call

    @property
    def openid(self):
        return self._wechat.openid(self.name, self.appid)

    @property
    def phone(self):
        return self._wechat.phone(self.name)

    def login_code(self):
        return self._wechat.login_code(self.name, self.appid)

    def phone_code(self):
        return self._wechat.phone_code(self.name, self.appid)["code"]

    def log_in(self, code=None):
        """Log in, keep the session, and give what /login answered."""
        named = {"appid": self.appid} if self.appid else {}
        status, body = self._call("login", code=code or self.login_code(), **named)
        assert status == 200, body
        self.session = body["data"]["session"]
        return body["data"]

    def look_up_token(self):
        return self._call("look_up_token", session=self.session, openid=self.openid)

    def tap(self, code=None):
        """Tap the phone number's button, and return the answer of /phone."""
        code = code or self.phone_code()
        return self._call("register_phone", session=self.session, openid=self.openid, code=code)

    def register(self, code=None):
        """Log in if necessary, register the number, and return the token."""
        if self.session is None:
            self.log_in()
        status, body = self.tap(code)
        assert status == 200, body
        return body["data"]

    def log_out(self, **how):
        return self._call("log_out", session=self.session, **how)


def at_once(calls: Sequence[Callable[..., Any]]) -> list[Any]:
    """Start all calls at the same moment, each in a thread, and return their results in order."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
