"""Talks to WeChat's server API.

WeChat answers errors with HTTP 200 and text/plain, so the body alone decides; the AppSecret, codes
and access tokens travel in URLs, so no URL and no exception of the HTTP library leaves this module.
Pages, under https://developers.weixin.qq.com/miniprogram/dev/server/API/:
user-login/api_code2session, mp-access-token/api_getstableaccesstoken,
user-info/phone-number/api_getphonenumber, user-info/basic-info/api_checkencrypteddata,
sec-center/safety-control-capability/api_getuserriskrank, sec-center/sec-check/api_msgseccheck.
"""

import hashlib
import json
import logging
import random
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import requests
import urllib3.exceptions

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
from wechat_login.storage.aws import LONGEST_CALL
from wechat_login.wechat.phone_number import PhoneNumber

T = TypeVar("T")
Answer = dict[str, Any]

BUSY = -1
# Seconds between tries, each jittered.
PAUSES = (0.2, 0.6)
# Seconds that are kept for what has to be done with an answer.
RESERVE = 1.5
# A connection that has idled longer may be dead without our knowing, as a frozen container sees no
# FIN; a code sent into it would be lost, because it must not be sent again.
IDLE_SECONDS = 15.0

OPENID = re.compile(r"[A-Za-z0-9_-]{1,128}")
RID = re.compile(r"(?:rid|req_id): ?([A-Za-z0-9_-]+)")
REFUSED_IP = re.compile(r"invalid ip ([0-9a-fA-F.:]+)")

# What each errcode means to us, whichever API it comes from; any other is for the operator.
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


@dataclass(frozen=True, slots=True)
class Api:
    """One of WeChat's APIs: `repeatable` if sending the same request twice does no harm.

    `reserve` is for how many seconds its answer keeps us busy.
    """

    method: str
    path: str
    repeatable: bool
    errors: dict[int, type[LoginError]] = field(default_factory=dict)
    reserve: float = RESERVE


# 40001 means the AppSecret where one is sent, the access token everywhere else.
SECRET: dict[int, type[LoginError]] = {40001: AppSecretRejected}
BUSINESS: dict[int, type[LoginError]] = {40001: AccessTokenRejected}
JSCODE2SESSION = Api("GET", "/sns/jscode2session", False, SECRET)
STABLE_TOKEN = Api("POST", "/cgi-bin/stable_token", True, SECRET)
# A number that was paid for has to be written, however slowly.
GETUSERPHONENUMBER = Api(
    "POST", "/wxa/business/getuserphonenumber", False, BUSINESS, LONGEST_CALL + RESERVE
)
CHECKENCRYPTEDMSG = Api("POST", "/wxa/business/checkencryptedmsg", True, BUSINESS)
# An opinion without which the exchange goes on, so it has to leave time for that.
GETUSERRISKRANK = Api(
    "POST", "/wxa/getuserriskrank", True, BUSINESS, GETUSERPHONENUMBER.reserve + 7.0
)
MSG_SEC_CHECK = Api("POST", "/wxa/msg_sec_check", True, BUSINESS)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a login code belongs to."""

    openid: str
    unionid: str | None = None
    session_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewAccessToken:
    """An access token as WeChat hands it out; `expires_in` seconds are left."""

    value: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one try ended: with an answer, or why not and whether WeChat may have acted on it."""

    answer: Answer | None = field(default=None, repr=False)
    why: str = ""
    may_have_arrived: bool = True


class WeChatClient:
    """WeChat's API as one mini program sees it; safe for threads."""

    def __init__(
        self,
        *,
        url: str,
        appid: str,
        app_secret: Callable[[], str],
        renewed_app_secret: Callable[[], str],
        with_access_token: Callable[[Callable[[str], Answer]], Answer],
        connect_timeout: float,
        read_timeout: float,
        time_left: Callable[[], float],
        observe: Callable[[str, int | str, float], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wire the client.

        `app_secret()` returns the AppSecret, `renewed_app_secret()` as it is by now;
        `with_access_token(call)` makes a call with an access token, once more if it was refused;
        `observe(path, errcode or failure, ms)` is told of each try.
        """
        if not re.match(r"https://|http://(127\.0\.0\.1|localhost)(:|$)", url):
            raise Misconfigured(why="WeChat's URL must be https")
        # At DEBUG urllib3 logs path and query, which hold the AppSecret.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        self._url = url
        self._appid = appid
        self._app_secret = app_secret
        self._renewed_app_secret = renewed_app_secret
        self._with_access_token = with_access_token
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._time_left = time_left
        self._observe = observe
        self._sleep = sleep
        self._lock = threading.Lock()
        self._http = _new_session()
        self._used_at = time.time()

    def jscode2session(self, js_code: str) -> Identity:
        """Exchange a `wx.login` code, which works once and for five minutes.

        Raises `CodeRejected`, `UserBlocked`, `TooManyAttempts`, `WeChatUnavailable`,
        `Misconfigured`.
        """

        def exchange(secret: str) -> Answer:
            query = {"appid": self._appid, "secret": secret, "js_code": js_code}
            return self._ask(JSCODE2SESSION, {**query, "grant_type": "authorization_code"})

        answer = self._with_secret(exchange)
        openid = _text(answer.get("openid"))
        if openid is None or not OPENID.fullmatch(openid):
            raise WeChatUnavailable(api=JSCODE2SESSION.path, why="no openid")
        return Identity(openid, _text(answer.get("unionid")), _text(answer.get("session_key")))

    def stable_token(self, *, force_refresh: bool = False) -> NewAccessToken:
        """Ask for the access token: the same again, unless five minutes are left or it is forced.

        `force_refresh` kills the former token and works 20 times a day.
        Raises `WeChatUnavailable`, `TooManyAttempts`, `Misconfigured`.
        """

        def ask(secret: str) -> Answer:
            body = {"grant_type": "client_credential", "appid": self._appid, "secret": secret}
            return self._ask(STABLE_TOKEN, {}, {**body, "force_refresh": force_refresh})

        answer = self._with_secret(ask)
        token, expires_in = _text(answer.get("access_token")), _integer(answer.get("expires_in"))
        if token is None or expires_in is None:
            raise WeChatUnavailable(api=STABLE_TOKEN.path, why="no access_token")
        return NewAccessToken(token, expires_in)

    def getuserphonenumber(self, code: str, openid: str) -> PhoneNumber:
        """Exchange a phone code for the number.

        With the openid WeChat itself refuses a code of somebody else. The code works once, for five
        minutes, and the user has paid for it with a tap. Raises what `jscode2session` does.
        """
        answer = self._ask_business(GETUSERPHONENUMBER, {"code": code, "openid": openid})
        info = answer.get("phone_info")
        if not isinstance(info, dict):
            raise WeChatUnavailable(api=GETUSERPHONENUMBER.path, why="no phone_info")
        watermark = info.get("watermark")
        if not isinstance(watermark, dict) or watermark.get("appid") != self._appid:
            raise CodeRejected(api=GETUSERPHONENUMBER.path, why="watermark")
        return PhoneNumber.from_wechat(info)

    def checkencryptedmsg(self, encrypted_data: str) -> bool:
        """Tell whether WeChat made this phone data in the last three days.

        The hash is over the base64 text. Raises `WeChatUnavailable`, `Misconfigured`.
        """
        digest = hashlib.sha256(encrypted_data.encode()).hexdigest()
        try:
            answer = self._ask_business(CHECKENCRYPTEDMSG, {"encrypted_msg_hash": digest})
        except BadRequest:
            return False
        # "vaild" is WeChat's spelling.
        return answer.get("vaild") is True

    def getuserriskrank(self, openid: str, client_ip: str) -> int:
        """Return WeChat's opinion of a user who registers: 0 (fine) to 4 (block).

        Raises `CheckUnavailable` and the like; the user must have been active within two hours.
        """
        body = {"appid": self._appid, "openid": openid, "scene": 0, "client_ip": client_ip}
        rank = self._ask_business(GETUSERRISKRANK, body).get("risk_rank")
        if not isinstance(rank, int):
            raise CheckUnavailable(api=GETUSERRISKRANK.path, why="no risk_rank")
        return rank

    def msg_sec_check(self, openid: str, content: str) -> str:
        """Return WeChat's opinion of a text in a profile: `pass`, `review` or `risky`.

        Raises `CheckUnavailable` and the like; the user must have been active within two hours.
        """
        body = {"openid": openid, "scene": 1, "version": 2, "content": content}
        result = self._ask_business(MSG_SEC_CHECK, body).get("result")
        if not isinstance(result, dict):
            raise CheckUnavailable(api=MSG_SEC_CHECK.path, why="no result")
        return str(result.get("suggest"))

    def _ask_business(self, api: Api, body: Answer) -> Answer:
        return self._with_access_token(
            lambda access_token: self._ask(api, {"access_token": access_token}, body)
        )

    def _with_secret(self, call: Callable[[str], Answer]) -> Answer:
        """Make a call with the AppSecret; refused, read it again: it may have been rotated."""
        secret = self._app_secret()
        try:
            return call(secret)
        except AppSecretRejected as refusal:
            rejected = refusal
        renewed = self._renewed_app_secret()
        if renewed == secret:
            raise rejected
        return call(renewed)

    def _ask(self, api: Api, query: dict[str, str], body: Answer | None = None) -> Answer:
        """Ask until there is an answer or no safe try left; return it if it is no error."""
        busy = False
        outcome = _Outcome(why="no time left", may_have_arrived=False)
        for pause in (0.0, *PAUSES):
            if self._time_left() < pause + self._connect_timeout + api.reserve:
                break
            self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
            outcome = self._send(api, query, body)
            if outcome.answer is not None:
                # An explicit "busy" may be tried once more even with a code; see the pages above.
                if busy or _errcode(outcome.answer) != BUSY:
                    break
                busy = True
            elif outcome.may_have_arrived and not api.repeatable:
                break
        if outcome.answer is None:
            raise WeChatUnavailable(api=api.path, why=outcome.why)
        return _without_error(api, outcome.answer)

    def _send(self, api: Api, query: dict[str, str], body: Answer | None) -> _Outcome:
        started = time.perf_counter()
        outcome = self._try(api, query, body)
        said = outcome.why if outcome.answer is None else _errcode(outcome.answer)
        self._observe(api.path, said, (time.perf_counter() - started) * 1000)
        return outcome

    def _try(self, api: Api, query: dict[str, str], body: Answer | None) -> _Outcome:
        time_left = self._time_left() - self._connect_timeout - api.reserve
        read_timeout = max(0.1, min(self._read_timeout, time_left))
        try:
            response = self._connection().request(
                api.method,
                self._url + api.path,
                params=query,
                # Unescaped, because WeChat counts characters.
                data=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=(self._connect_timeout, read_timeout),
                allow_redirects=False,
            )
        except requests.RequestException as failure:
            return _Outcome(why=type(failure).__name__, may_have_arrived=_may_have_arrived(failure))
        if response.status_code != requests.codes.ok:
            return _Outcome(why=f"HTTP {response.status_code}")
        try:
            # WeChat's bodies hold stray control characters and, at times, broken UTF-8.
            answer = json.loads(response.content.decode(errors="ignore"), strict=False)
        except (ValueError, RecursionError):
            return _Outcome(why="no JSON")
        return _Outcome(answer) if isinstance(answer, dict) else _Outcome(why="no JSON object")

    def _connection(self) -> requests.Session:
        with self._lock:
            now = time.time()
            if now - self._used_at > IDLE_SECONDS:
                self._http = _new_session()
            self._used_at = now
            return self._http


def _errcode(answer: Answer) -> int:
    return _integer(answer.get("errcode")) or 0


def _integer(value: Any) -> int | None:
    """Return a number that may come as text, or None for what is none."""
    try:
        return int(value)
    except (OverflowError, TypeError, ValueError):
        return None


def _text(value: object) -> str | None:
    """Return a text that is not empty, or None for anything else."""
    return value if isinstance(value, str) and value else None


def _without_error(api: Api, answer: Answer) -> Answer:
    """Return an answer that is no error, else raise what its errcode means."""
    errcode = _errcode(answer)
    if errcode == 0:
        return answer
    errmsg = str(answer.get("errmsg", ""))
    facts: dict[str, object] = {"api": api.path, "errcode": errcode}
    for name, pattern in (("rid", RID), ("refused_ip", REFUSED_IP)):
        found = pattern.search(errmsg)
        if found:
            facts[name] = found[1]
    error = {**ERRORS, **api.errors}.get(errcode, Misconfigured)
    raise error(**facts)


def _may_have_arrived(failure: requests.RequestException) -> bool:
    """Tell whether WeChat may have received the request: not if no connection was made."""
    if isinstance(failure, requests.ConnectTimeout):
        return False
    cause = getattr(failure.args[0] if failure.args else None, "reason", None)
    return not isinstance(cause, urllib3.exceptions.NewConnectionError)


class _Adapter(requests.adapters.HTTPAdapter):
    """Has one TLS context for all connections; else each reads the authorities anew, for 20 ms."""

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        super().init_poolmanager(*sizes, ssl_context=_tls(), **options)

    def cert_verify(self, *_: Any) -> None:
        """Leave it to the context, which demands a certificate, and one for the host's name."""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH)


def _new_session() -> requests.Session:
    session = requests.Session()
    # No proxy, netrc or CA bundle out of the environment: netrc alone costs a file read a call.
    session.trust_env = False
    adapter = _Adapter(pool_connections=1, pool_maxsize=64)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
