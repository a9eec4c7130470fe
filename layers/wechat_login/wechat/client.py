"""WeChat's server API: requests, errcodes, and the calls that take the AppSecret.

WeChat answers errors with HTTP 200 and text/plain, so only the body decides.
Pages, under https://developers.weixin.qq.com/miniprogram/dev/server/API/:
user-login/api_code2session, mp-access-token/api_getstableaccesstoken.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeGuard

from wechat_login.errors import (
    AccessTokenRejected,
    AppSecretRejected,
    BadRequest,
    CheckUnavailable,
    CodeRejected,
    LoginError,
    Misconfigured,
    TooManyAttempts,
    UserBlocked,
    WeChatUnavailable,
)
from wechat_login.frozen import frozen
from wechat_login.wechat.transport import Answer, Outcome, Transport

BUSY = -1
# Seconds between tries, each jittered.
PAUSES = (0.2, 0.6)
OPENID = UNIONID = re.compile(r"[A-Za-z0-9_-]{1,128}")
SESSION_KEY = re.compile(r"[A-Za-z0-9+/=]{1,128}")
RID = re.compile(r"(?:rid|req_id): ?([A-Za-z0-9_-]+)")
REFUSED_IP = re.compile(r"invalid ip ([0-9a-fA-F.:]+)")

# The error of each errcode, from any API; other errcodes are Misconfigured.
# https://developers.weixin.qq.com/doc/oplatform/developers/errCode/
ERRORS: dict[int, type[LoginError]] = {
    BUSY: WeChatUnavailable,
    1: BadRequest,  # checkencryptedmsg knows no such data
    40003: BadRequest,
    40014: AccessTokenRejected,
    40029: CodeRejected,
    40125: AppSecretRejected,
    40163: CodeRejected,
    40226: UserBlocked,
    41008: BadRequest,
    42001: AccessTokenRejected,
    44991: TooManyAttempts,
    45011: TooManyAttempts,
    61010: CheckUnavailable,
    61080: CheckUnavailable,
    61081: CheckUnavailable,
    87007: CodeRejected,
    87009: CodeRejected,
    87014: BadRequest,
}


@frozen
class Api:
    """One of WeChat's APIs: `repeatable` if sending the same request twice does no harm."""

    method: str
    path: str
    repeatable: bool
    errors: dict[int, type[LoginError]] = field(default_factory=dict)


# 40001 means the AppSecret where one is sent, the access token everywhere else.
SECRET: dict[int, type[LoginError]] = {40001: AppSecretRejected}
JSCODE2SESSION = Api("GET", "/sns/jscode2session", False, SECRET)
STABLE_TOKEN = Api("POST", "/cgi-bin/stable_token", True, SECRET)
# Each forced refresh that arrives counts against WeChat's 20 a day.
FORCED_STABLE_TOKEN = Api("POST", "/cgi-bin/stable_token", False, SECRET)


@frozen
class Identity:
    """The user of a login code."""

    appid: str
    openid: str
    unionid: str | None = None
    session_key: str | None = None


@frozen
class NewAccessToken:
    """An access token as WeChat returns it, valid for `expires_in` more seconds."""

    value: str
    expires_in: int


@frozen
class WeChatClient:
    """WeChat's API as one mini program sees it; safe for threads.

    `app_secret()` returns the AppSecret, `renewed_app_secret()` reads it again; `reserve` of
    `time_left()` is kept after each answer, unless a call names more;
    `observe(path, errcode or failure, ms)` is called for each try.
    """

    transport: Transport
    appid: str
    app_secret: Callable[[], str]
    renewed_app_secret: Callable[[], str]
    connect_timeout: float  # seconds, like all times here
    read_timeout: float
    reserve: float
    time_left: Callable[[], float]
    observe: Callable[[str, int | str, float], None]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def jscode2session(self, js_code: str) -> Identity:
        """Exchange a `wx.login` code, which works once and for five minutes.

        Raises `CodeRejected`, `UserBlocked`, `TooManyAttempts`, `WeChatUnavailable`,
        `Misconfigured`.
        """

        def exchange(secret: str) -> Answer:
            query = {"appid": self.appid, "secret": secret, "js_code": js_code}
            return self.ask(JSCODE2SESSION, {**query, "grant_type": "authorization_code"})

        answer = self._with_secret(exchange)
        openid, unionid = answer.get("openid"), answer.get("unionid") or None
        if not _like(openid, OPENID):
            raise WeChatUnavailable(api=JSCODE2SESSION.path, why="no openid")
        # Never ignored: without the unionid the user could become another person.
        if unionid is not None and not _like(unionid, UNIONID):
            raise WeChatUnavailable(api=JSCODE2SESSION.path, why="no unionid")
        session_key = answer.get("session_key")
        session_key = session_key if _like(session_key, SESSION_KEY) else None
        return Identity(self.appid, openid, unionid, session_key)

    def stable_token(self, *, force_refresh: bool = False) -> NewAccessToken:
        """Get the access token: the same again, unless five minutes are left or it is forced.

        `force_refresh` revokes the former token and works 20 times a day; a request that may have
        arrived is not sent again.
        Raises `WeChatUnavailable`, `TooManyAttempts`, `Misconfigured`.
        """
        api = FORCED_STABLE_TOKEN if force_refresh else STABLE_TOKEN

        def ask(secret: str) -> Answer:
            body = {"grant_type": "client_credential", "appid": self.appid, "secret": secret}
            return self.ask(api, {}, {**body, "force_refresh": force_refresh})

        answer = self._with_secret(ask)
        token, expires_in = answer.get("access_token"), _integer(answer.get("expires_in"))
        if not isinstance(token, str) or not token or expires_in is None:
            raise WeChatUnavailable(api=STABLE_TOKEN.path, why="no access_token")
        return NewAccessToken(token, expires_in)

    def ask(
        self,
        api: Api,
        query: dict[str, str],
        body: Answer | None = None,
        *,
        reserve: float | None = None,
    ) -> Answer:
        """Retry while there is no answer and a try is safe; return an answer that is no error.

        Raises the error of an errcode, and `WeChatUnavailable` if there is no answer.
        """
        reserve = self.reserve if reserve is None else reserve
        busy = False
        outcome = Outcome(why="no time left", may_have_arrived=False)
        for pause in (0.0, *PAUSES):
            if self.time_left() < pause + self.connect_timeout + reserve:
                break
            self.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
            outcome = self._send(api, query, body, reserve)
            if outcome.answer is not None:
                # An explicit "busy" may be retried once even with a code; see the pages above.
                if busy or _errcode(outcome.answer) != BUSY:
                    break
                busy = True
            elif outcome.may_have_arrived and not api.repeatable:
                break
        if outcome.answer is None:
            raise WeChatUnavailable(api=api.path, why=outcome.why, appid=self.appid)
        return _without_error(api, outcome.answer, self.appid)

    def _with_secret(self, call: Callable[[str], Answer]) -> Answer:
        """Make a call with the AppSecret; if WeChat rejects it, read it again, and retry once."""
        secret = self.app_secret()
        try:
            return call(secret)
        except AppSecretRejected as refusal:
            rejected = refusal
        renewed = self.renewed_app_secret()
        if renewed == secret:
            raise rejected
        return call(renewed)

    def _send(
        self, api: Api, query: dict[str, str], body: Answer | None, reserve: float
    ) -> Outcome:
        started = self.monotonic()
        time_left = self.time_left() - self.connect_timeout - reserve
        read_timeout = max(0.1, min(self.read_timeout, time_left))
        timeout = (self.connect_timeout, read_timeout)
        outcome = self.transport.send(api.method, api.path, query, body, timeout)
        said = outcome.why if outcome.answer is None else _errcode(outcome.answer)
        self.observe(api.path, said, (self.monotonic() - started) * 1000)
        return outcome


def _errcode(answer: Answer) -> int:
    return _integer(answer.get("errcode")) or 0


def _integer(value: Any) -> int | None:
    """Return a number that may come as text, or None for any other value."""
    try:
        return int(value)
    except (OverflowError, TypeError, ValueError):
        return None


def _like(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _without_error(api: Api, answer: Answer, appid: str) -> Answer:
    """Return an answer that is no error, else raise what its errcode means."""
    errcode = _errcode(answer)
    if errcode == 0:
        return answer
    errmsg = str(answer.get("errmsg", ""))
    facts: dict[str, object] = {"api": api.path, "errcode": errcode, "appid": appid}
    for name, pattern in (("rid", RID), ("refused_ip", REFUSED_IP)):
        found = pattern.search(errmsg)
        if found:
            facts[name] = found[1]
    error = {**ERRORS, **api.errors}.get(errcode, Misconfigured)
    raise error(**facts)
