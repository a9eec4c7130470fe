"""The rules WeChat keeps for one mini program, with neither HTTP nor sockets."""

import hmac
import json
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypedDict

from simulated_wechat import answers, phone_data
from simulated_wechat.access_tokens import AccessTokens
from simulated_wechat.aging import Aging
from simulated_wechat.answers import Answer, Refusal
from simulated_wechat.call_log import CallLog, CallsOfOnePath, OneCall
from simulated_wechat.codes import Code, Codes
from simulated_wechat.faults import Fault, Faults, Kind
from simulated_wechat.people import MAINLAND, Person, PhoneNumber, SessionKey
from simulated_wechat.quotas import OFFICIAL, Quota, Usage

ACTIVE_FOR = 2 * 3600
MESSAGES_REMEMBERED_FOR = 3 * 86400
TRIAL_PHONE_CALLS = 1000
CONTENT_CHECK_VERSION = 2
LONGEST_CONTENT = 2500

# Words that make a text risky here, with the label WeChat's page gives to their kind.
# https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_msgseccheck
RISKY_WORDS: Mapping[str, int] = {"违规": 21000, "risky": 21000, "广告": 10001, "诈骗": 20008}

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    client_ip: str = "127.0.0.1"


@dataclass(slots=True)
class _Call:
    """A request while a rule looks at it, and who it turned out to be about."""

    request: Request
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    user: str | None = None

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise Refusal(47001)
        return value


@dataclass(frozen=True, slots=True)
class _Route:
    rule: "Callable[[SimulatedWeChat, _Call], Fields]"
    method: str | None
    needs_token: bool


class PhoneGrant(TypedDict, total=False):
    """What bindgetphonenumber gives in e.detail: with a code, or with an errno instead."""

    code: str
    encryptedData: str
    iv: str
    errMsg: str
    errno: int


class Charges(TypedDict):
    phoneComponentCalls: int
    phoneExchanges: int
    phoneBalance: int


class Calls(TypedDict):
    paths: dict[str, CallsOfOnePath]
    charges: Charges
    last: list[OneCall]


class SimulatedWeChat:
    """WeChat's side of one mini program.

    The attributes without an underscore are rules: a test or a demo may set them at any time,
    and reset() puts them back.
    """

    app_secret: str
    unionids: bool  # Whether the mini program is bound to an Open Platform account.
    whitelist: set[str] | None
    phone_balance: int
    risk_rank_enabled: bool
    # Undisclosed by WeChat; only that there is a shortest refresh period.
    session_key_refresh_seconds: float
    session_key_lifetime_seconds: float
    quotas: dict[str, tuple[Quota, ...]]

    def __init__(
        self,
        appid: str = "wx1234567890abcdef",
        app_secret: str = "0123456789abcdef0123456789abcdef",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.appid = appid
        self.now = now
        self._first_app_secret = app_secret
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything and go back to the first rules."""
        with self._lock:
            self.app_secret = self._first_app_secret
            self.unionids = True
            self.whitelist = None
            self.phone_balance = TRIAL_PHONE_CALLS
            self.risk_rank_enabled = True
            self.session_key_refresh_seconds = 300
            self.session_key_lifetime_seconds = 3 * 86400
            self.quotas = dict(OFFICIAL)
            self._people: dict[str, Person] = {}
            self._people_by_openid: dict[str, Person] = {}
            self._login_codes = Codes(self.now, random_bytes=16)
            self._phone_codes = Codes(self.now, random_bytes=32)
            self._encrypted_at: Aging[int] = Aging(self.now, MESSAGES_REMEMBERED_FOR)
            self._tokens = AccessTokens(self.now)
            self._usage = Usage(self.now)
            self._faults = Faults()
            self._log = CallLog(self._ROUTES)
            self._phone_component_calls = 0
            self._phone_exchanges = 0

    # What happens on a phone.

    def login_code(self, user: str) -> str:
        """Give the code that wx.login() would give on this user's phone."""
        with self._lock:
            return self._login_codes.issue(self._touch(user))

    def phone_code(self, user: str, *, allow: bool = True) -> PhoneGrant:
        """Give what the getPhoneNumber button would give after this user's answer."""
        with self._lock:
            tapping = self._touch(user)
            # https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getPhoneNumber
            # The balance is looked at on the tap; what costs is the success, not the exchange.
            if self.phone_balance <= 0:
                return {"errMsg": "getPhoneNumber:fail no quota", "errno": 1400001}
            if not allow:
                return {"errMsg": "getPhoneNumber:fail user deny", "errno": 103}
            self.phone_balance -= 1
            self._phone_component_calls += 1
            encrypted_data, iv = self._encrypted_phone(tapping)
            return {
                "code": self._phone_codes.issue(tapping),
                "encryptedData": encrypted_data,
                "iv": iv,
                "errMsg": "getPhoneNumber:ok",
            }

    def check_session(self, user: str) -> bool:
        """Tell what wx.checkSession() would tell: whether the user's session_key still lives."""
        with self._lock:
            return self._living_session_key(self._touch(user)) is not None

    # Who people are, and what the platform thinks of them.

    def openid(self, user: str) -> str:
        return self.person(user).openid

    def unionid(self, user: str) -> str:
        return self.person(user).unionid

    def phone(self, user: str) -> str:
        """Return the user's number in E.164."""
        return self.person(user).phone.e164

    def person(self, user: str) -> Person:
        with self._lock:
            if user not in self._people:
                made = Person.of(self.appid, user)
                self._people[user] = self._people_by_openid[made.openid] = made
            return self._people[user]

    def people(self) -> list[Person]:
        with self._lock:
            return list(self._people.values())

    def set_phone(self, user: str, national: str, country_code: str = MAINLAND) -> None:
        with self._lock:
            self.person(user).phone = PhoneNumber(national, country_code)

    def block(self, user: str, *, blocked: bool = True) -> None:
        with self._lock:
            self.person(user).blocked = blocked

    def risk_rank(self, user: str, rank: int) -> None:
        with self._lock:
            self.person(user).risk_rank = rank

    def end_session_key(self, user: str) -> None:
        """Let the user's session_key expire now."""
        with self._lock:
            self.person(user).session_key = None

    # What is done in WeChat's console.

    def rotate_app_secret(self, new: str) -> None:
        with self._lock:
            self.app_secret = new

    # What only a simulation can do.

    def fault(
        self,
        path: str,
        kind: str,
        times: int = 1,
        *,
        errcode: int = -1,
        status: int = 502,
        ms: int = 1000,
        when: str = "before",
    ) -> None:
        """Make the next calls of a path misbehave; times=0 takes back all that was ordered."""
        if path not in self._ROUTES:
            raise ValueError(f"path must be one of {', '.join(self._ROUTES)}.")
        if kind not in set(Kind):
            raise ValueError(f"kind must be one of {', '.join(Kind)}.")
        if when not in {"before", "after"}:
            raise ValueError("when must be before or after.")
        ordered = Fault(Kind(kind), errcode, status, ms, after_acting=when == "after")
        with self._lock:
            if times == 0:
                self._faults.clear(path)
            self._faults.order(path, ordered, times)

    def calls(self) -> Calls:
        """Tell what WeChat was asked so far: by path, what it cost, and the last calls."""
        with self._lock:
            return {
                "paths": self._log.paths(),
                "charges": {
                    "phoneComponentCalls": self._phone_component_calls,
                    "phoneExchanges": self._phone_exchanges,
                    "phoneBalance": self.phone_balance,
                },
                "last": self._log.last(),
            }

    # What a server asks.

    def receive(self, request: Request) -> Answer:
        """Answer one call as WeChat would, or as the fault that was ordered for it."""
        started = time.perf_counter()
        call = _Call(request)
        with self._lock:
            fault = self._faults.take(request.path)
            if fault is None:
                answer = self._answer(call)
            else:
                refusal = self._refused(request, fault.errcode)
                answer = fault.spoil(lambda: self._answer(call), refusal)
            took = time.perf_counter() - started + answer.delay_seconds
            self._log.add(
                {
                    "at": self.now(),
                    "path": request.path,
                    "user": call.user,
                    "outcome": answer.outcome,
                    "ms": math.ceil(took * 1000),
                }
            )
        return answer

    def _answer(self, call: _Call) -> Answer:
        try:
            return answers.granted(call.request.path, self._act(call))
        except Refusal as refusal:
            return self._refused(call.request, refusal.errcode)

    def _act(self, call: _Call) -> Fields:
        route = self._ROUTES.get(call.request.path)
        if route is None:
            raise Refusal(40066)
        self._check_envelope(route, call)
        return route.rule(self, call)

    def _refused(self, request: Request, errcode: int) -> Answer:
        return answers.refused(request.path, errcode, now=self.now(), client_ip=request.client_ip)

    def _check_envelope(self, route: _Route, call: _Call) -> None:
        request = call.request
        if route.method and request.method != route.method:
            raise Refusal(43002 if route.method == "POST" else 43001)
        if route.needs_token:
            self._tokens.check(request.query.get("access_token", ""))
        call.fields = _json_object(request.body) if route.method == "POST" else request.query

    def _check_app(self, call: _Call) -> None:
        # https://developers.weixin.qq.com/doc/oplatform/developers/dev/basic_func/ip_whitelist
        # Community reports name jscode2session too, so it is covered like the token calls.
        if call.fields["appid"] != self.appid:
            raise Refusal(40013)
        if self.whitelist is not None and call.request.client_ip not in self.whitelist:
            raise Refusal(40164)
        if call.fields["secret"] != self.app_secret:
            raise Refusal(40125)

    def _exchange_login_code(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
        _require(call, appid=41002, secret=41004, js_code=41008)
        _require_grant_type(call, "authorization_code")
        self._check_app(call)
        code = _found_code(self._login_codes, "js_code", call)
        if code.used:
            raise Refusal(40163)
        self._spend(call, user=code.owner.user)
        code.used = True
        if code.owner.blocked:
            raise Refusal(40226)
        session_key = self._refreshed_session_key(code.owner)
        union = {"unionid": code.owner.unionid} if self.unionids else {}
        return {"session_key": session_key.text, "openid": code.owner.openid, **union}

    def _give_stable_token(self, call: _Call) -> Fields:
        self._check_token_call(call)
        return self._tokens.stable(force=call.fields.get("force_refresh") is True)

    def _give_token(self, call: _Call) -> Fields:
        self._check_token_call(call)
        return self._tokens.plain()

    def _check_token_call(self, call: _Call) -> None:
        _require(call, appid=41002, secret=41004)
        _require_grant_type(call, "client_credential")
        self._check_app(call)
        self._spend(call)

    def _clear_quota(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_clearquotabyappsecret
        call.fields = {**call.fields, "secret": call.fields.get("appsecret", "")}
        _require(call, appid=41002, secret=41004)
        self._check_app(call)
        self._spend(call)
        self._usage.clear_days()
        return _ok()

    def _exchange_phone_code(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
        call.text("code")
        code = _found_code(self._phone_codes, "code", call)
        # The page says that a wrong openid is refused, not with which errcode. 40029 is what
        # the page has for a code that cannot be exchanged; the code stays with its owner.
        if code.used or call.fields.get("openid", code.owner.openid) != code.owner.openid:
            raise Refusal(40029)
        code.used = True
        self._phone_exchanges += 1
        return _ok(phone_info=self._phone_info(code.owner, code.made_at))

    def _check_encrypted_message(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/basic-info/api_checkencrypteddata
        wanted = call.text("encrypted_msg_hash")
        if not re.fullmatch(r"[0-9a-f]{64}", wanted):
            raise Refusal(40097)
        created_at = self._encrypted_at.get(wanted)
        if created_at is None:
            raise Refusal(1)
        return _ok(vaild=True, create_time=created_at)  # WeChat's spelling.

    def _check_session_key(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
        self._person_with_signed_key(call)
        return _ok()

    def _reset_session_key(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
        self._spend(call)
        found, old = self._person_with_signed_key(call)
        found.session_key = SessionKey(self.now(), old.expires_at)
        return _ok(openid=found.openid, session_key=found.session_key.text)

    def _rank_risk(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/safety-control-capability/api_getuserriskrank
        if not self.risk_rank_enabled:
            raise Refusal(48001)
        if call.text("appid") != self.appid:
            raise Refusal(43104)
        call.text("client_ip")
        found = self._active_person(call, scenes={0, 1, 2})
        return {
            "errcode": 0,
            "errmsg": "getuserriskrank succ",
            "risk_rank": found.risk_rank,
            "unoin_id": secrets.randbelow(10**9),  # WeChat's spelling.
        }

    def _check_content(self, call: _Call) -> Fields:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_msgseccheck
        content = call.text("content")
        if call.fields.get("version") != CONTENT_CHECK_VERSION or len(content) > LONGEST_CONTENT:
            raise Refusal(47001)
        self._active_person(call, scenes={1, 2, 3, 4})
        self._spend(call)
        words = [str(call.fields.get(name, "")) for name in ("title", "nickname", "signature")]
        found = [word for word in RISKY_WORDS if word in " ".join([content, *words])]
        verdict: Fields = {"suggest": "pass", "label": 100}
        if found:
            verdict = {"suggest": "risky", "label": RISKY_WORDS[found[0]]}
        detail = {"strategy": "content_model", "errcode": 0, "prob": 90, **verdict}
        return _ok(result=verdict, detail=[detail], trace_id=secrets.token_hex(16))

    _ROUTES: ClassVar[Mapping[str, _Route]] = {
        # Sent as POST this one answers 41002: it reads nothing but the query.
        answers.LOGIN: _Route(_exchange_login_code, None, needs_token=False),
        answers.PLAIN_TOKENS: _Route(_give_token, None, needs_token=False),
        answers.STABLE_TOKENS: _Route(_give_stable_token, "POST", needs_token=False),
        answers.CLEAR_QUOTA: _Route(_clear_quota, "POST", needs_token=False),
        answers.PHONE: _Route(_exchange_phone_code, "POST", needs_token=True),
        answers.CHECK_ENCRYPTED: _Route(_check_encrypted_message, "POST", needs_token=True),
        answers.CHECK_SESSION: _Route(_check_session_key, "GET", needs_token=True),
        answers.RESET_SESSION_KEY: _Route(_reset_session_key, "GET", needs_token=True),
        answers.RISK_RANK: _Route(_rank_risk, "POST", needs_token=True),
        answers.CONTENT_CHECK: _Route(_check_content, "POST", needs_token=True),
    }

    def _touch(self, user: str) -> Person:
        found = self.person(user)
        found.last_active = self.now()
        return found

    def _spend(self, call: _Call, user: str = "") -> None:
        path = call.request.path
        self._usage.spend(path, self.quotas.get(path, ()), user)

    def _active_person(self, call: _Call, *, scenes: set[int]) -> Person:
        openid, scene = call.text("openid"), call.fields.get("scene")
        if scene not in scenes:
            raise Refusal(40129)
        found = self._person_called(openid, call)
        if self.now() - found.last_active > ACTIVE_FOR:
            raise Refusal(61010)
        return found

    def _person_called(self, openid: str, call: _Call) -> Person:
        if not re.fullmatch(r"o[A-Za-z0-9_-]{27}", openid):
            raise Refusal(40003)
        found = self._people_by_openid.get(openid)
        if found is None:
            raise Refusal(43104)
        call.user = found.user
        return found

    def _person_with_signed_key(self, call: _Call) -> tuple[Person, SessionKey]:
        _require(call, openid=40097, signature=40097)
        if call.fields.get("sig_method") != "hmac_sha256":
            raise Refusal(87008)
        found = self._people_by_openid.get(str(call.fields["openid"]))
        key = found and self._living_session_key(found)
        if found is None or not key:
            raise Refusal(87007)
        call.user = found.user
        expected = phone_data.session_signature(key.text)
        if not hmac.compare_digest(expected.encode(), str(call.fields["signature"]).encode()):
            raise Refusal(87009)
        return found, key

    def _living_session_key(self, found: Person) -> SessionKey | None:
        key = found.session_key
        return key if key is not None and self.now() < key.expires_at else None

    def _refreshed_session_key(self, found: Person) -> SessionKey:
        """Give the one valid session_key: a new one when the old has had its shortest period."""
        key = self._living_session_key(found)
        if key is None or self.now() - key.made_at >= self.session_key_refresh_seconds:
            key = SessionKey(self.now(), 0)
        return self._prolonged(found, key)

    def _prolonged(self, found: Person, key: SessionKey) -> SessionKey:
        key.expires_at = self.now() + self.session_key_lifetime_seconds
        found.session_key = key
        return key

    def _phone_info(self, owner: Person, moment: float) -> Fields:
        watermark = {"timestamp": int(moment), "appid": self.appid}
        return {**owner.phone.as_wechat_tells_it(), "watermark": watermark}

    def _encrypted_phone(self, owner: Person) -> tuple[str, str]:
        key = self._living_session_key(owner) or SessionKey(self.now(), 0)
        self._prolonged(owner, key)
        plaintext = answers.encoded(self._phone_info(owner, self.now()))
        iv = phone_data.new_iv()
        encrypted = phone_data.encrypt(plaintext, key.text, iv)
        self._encrypted_at.put(phone_data.message_hash(encrypted), int(self.now()))
        return encrypted, iv


def _ok(**fields: object) -> Fields:
    return {"errcode": 0, "errmsg": "ok", **fields}


def _require(call: _Call, **errcode_when_missing: int) -> None:
    for name, errcode in errcode_when_missing.items():
        if not call.fields.get(name):
            raise Refusal(errcode)


def _require_grant_type(call: _Call, expected: str) -> None:
    if call.fields.get("grant_type") != expected:
        raise Refusal(40002)


def _json_object(body: bytes) -> Mapping[str, object]:
    if not body:
        raise Refusal(44002)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(47001) from error
    if not isinstance(fields, dict):
        raise Refusal(47001)
    return fields


def _found_code(codes: Codes, name: str, call: _Call) -> Code:
    code = codes.find(call.fields[name])
    call.user = code.owner.user
    return code
