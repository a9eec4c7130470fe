"""The whole WeChat: the mini programs of one Open Platform account, and their users."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypedDict, TypeVar
from urllib.parse import urlencode

from simulated_wechat import answers, rules
from simulated_wechat.answers import Answer, Refusal
from simulated_wechat.call_log import CallLog, CallsOfOnePath, OneCall
from simulated_wechat.codes import Codes
from simulated_wechat.faults import Fault, Kind
from simulated_wechat.mini_program import Charges, MiniProgram, PhoneGrant
from simulated_wechat.people import MAINLAND, Account, Person, PhoneNumber
from simulated_wechat.phone_packs import FAST, REALTIME, Button
from simulated_wechat.quotas import Quota
from simulated_wechat.request_ids import RefusedCall, RequestIds
from simulated_wechat.rules import APIS, Call, Request

APPID = "wx1234567890abcdef"
APP_SECRET = "0123456789abcdef0123456789abcdef"
BUILT_IN: Mapping[str, str] = {
    APPID: APP_SECRET,
    "wxfedcba0987654321": "fedcba9876543210fedcba9876543210",
}

Rule = TypeVar("Rule")


class Calls(TypedDict):
    paths: dict[str, CallsOfOnePath]
    charges: Charges
    last: list[OneCall]


class UnknownMiniProgram(LookupError):
    """There is no mini program with this AppID."""


class _OfTheFirst(Generic[Rule]):
    """A rule of the first mini program, for callers with only one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, wechat: "SimulatedWeChat", owner: type) -> Rule:
        rule: Rule = getattr(wechat.mini_program(), self._name)
        return rule

    def __set__(self, wechat: "SimulatedWeChat", rule: Rule) -> None:
        setattr(wechat.mini_program(), self._name, rule)


class SimulatedWeChat:
    """WeChat's side of several mini programs; without `appid` a call means the first."""

    app_secret = _OfTheFirst[str]()
    unionids = _OfTheFirst[bool]()
    whitelist = _OfTheFirst[set[str] | None]()
    phone_balance = _OfTheFirst[int]()
    risk_rank_enabled = _OfTheFirst[bool]()
    session_key_refresh_seconds = _OfTheFirst[float]()
    session_key_lifetime_seconds = _OfTheFirst[float]()
    quotas = _OfTheFirst[dict[str, tuple[Quota, ...]]]()

    def __init__(
        self,
        appid: str = APPID,
        app_secret: str = APP_SECRET,
        now: Callable[[], float] = time.time,
        further: Mapping[str, str] | None = None,
    ) -> None:
        """Start with this mini program, `further` ones by AppID, and the two built-in ones."""
        self.now = now  # A test may replace the clock at any time.
        given = {appid: app_secret, **(further or {})}
        self._first = {**given, **{each: BUILT_IN[each] for each in BUILT_IN if each not in given}}
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Reset all data, mini programs and rules to the start."""
        with self._lock:
            self._accounts: dict[str, Account] = {}
            self._codes = {
                "login_codes": Codes(self._moment, random_bytes=16),
                "phone_codes": Codes(self._moment, random_bytes=32),
            }
            self._rids = RequestIds(self._moment)
            self._log = CallLog(APIS)
            self._mini_programs: dict[str, MiniProgram] = {}
            for appid, app_secret in self._first.items():
                self.add_mini_program(appid, app_secret)

    @property
    def appid(self) -> str:
        """Return the AppID of the first mini program."""
        return next(iter(self._first))

    def mini_program(self, appid: str | None = None) -> MiniProgram:
        """Return a mini program, by default the first. Raises `UnknownMiniProgram`."""
        with self._lock:
            try:
                return self._mini_programs[self.appid if appid is None else appid]
            except KeyError:
                raise UnknownMiniProgram(f"There is no mini program {appid}.") from None

    def mini_programs(self) -> list[MiniProgram]:
        with self._lock:
            return list(self._mini_programs.values())

    def add_mini_program(self, appid: str, app_secret: str) -> None:
        """Register one more mini program of the same Open Platform account."""
        with self._lock:
            self._mini_programs[appid] = MiniProgram(appid, app_secret, self._moment, **self._codes)

    # Actions on a phone.

    def login_code(self, user: str, appid: str | None = None) -> str:
        """Return the code that wx.login() gives on this user's phone."""
        with self._lock:
            app, person = self._open(user, appid)
            return app.login_codes.issue(person)

    def phone_code(self, user: str, appid: str | None = None, *, allow: bool = True) -> PhoneGrant:
        """Return the getPhoneNumber button's result for this user's answer."""
        return self._tap(user, appid, FAST, allow=allow)

    def realtime_phone_code(
        self, user: str, appid: str | None = None, *, allow: bool = True
    ) -> PhoneGrant:
        """Return the getRealtimePhoneNumber button's result: a code, without encryptedData."""
        return self._tap(user, appid, REALTIME, allow=allow)

    def _tap(self, user: str, appid: str | None, button: Button, *, allow: bool) -> PhoneGrant:
        with self._lock:
            app, person = self._open(user, appid)
            return app.tap(person, button, allow=allow)

    def check_session(self, user: str, appid: str | None = None) -> bool:
        """Return whether the user's session_key is valid, as wx.checkSession() does."""
        with self._lock:
            app, person = self._open(user, appid)
            return app.living_session_key(person) is not None

    # People, and the platform's view of them.

    def openid(self, user: str, appid: str | None = None) -> str:
        return self.person(user, appid).openid

    def unionid(self, user: str) -> str:
        return self.person(user).unionid

    def phone(self, user: str) -> str:
        """Return the user's number in E.164."""
        return self.person(user).phone.e164

    def person(self, user: str, appid: str | None = None) -> Person:
        with self._lock:
            if user not in self._accounts:
                # The first mini program's AppID is the name of the Open Platform account.
                self._accounts[user] = Account.derive(self.appid, user)
            return self.mini_program(appid).person(self._accounts[user])

    def people(self, appid: str | None = None) -> list[Person]:
        with self._lock:
            return list(self.mini_program(appid).people.values())

    def set_phone(self, user: str, national: str, country_code: str = MAINLAND) -> None:
        with self._lock:
            self.person(user).phone = PhoneNumber(national, country_code)

    def block(self, user: str, *, blocked: bool = True) -> None:
        with self._lock:
            self.person(user).account.blocked = blocked

    def risk_rank(self, user: str, rank: int) -> None:
        with self._lock:
            self.person(user).account.risk_rank = rank

    def end_session_key(self, user: str, appid: str | None = None) -> None:
        """Expire the user's session_key now."""
        with self._lock:
            self.person(user, appid).session_key = None

    # Actions in WeChat's console.

    def rotate_app_secret(self, new: str, appid: str | None = None) -> None:
        with self._lock:
            self.mini_program(appid).app_secret = new

    # Actions that only a simulation has.

    def fault(
        self,
        path: str,
        kind: str,
        times: int = 1,
        *,
        appid: str | None = None,
        errcode: int = -1,
        status: int = 502,
        ms: int = 1000,
        when: str = "before",
    ) -> None:
        """Make a mini program's next calls of a path fail; times=0 cancels all faults."""
        if path not in APIS:
            raise ValueError(f"path must be one of {', '.join(APIS)}.")
        if kind not in set(Kind):
            raise ValueError(f"kind must be one of {', '.join(Kind)}.")
        if when not in {"before", "after"}:
            raise ValueError("when must be before or after.")
        ordered = Fault(Kind(kind), errcode, status, ms, after_acting=when == "after")
        with self._lock:
            faults = self.mini_program(appid).faults
            if times == 0:
                faults.clear(path)
            faults.order(path, ordered, times)

    def calls(self, appid: str | None = None) -> Calls:
        """Return the counts of a mini program's calls, their costs, and the last calls.

        Without an AppID, the counts are the first mini program's and the last calls are of all.
        """
        with self._lock:
            app = self.mini_program(appid)
            return {
                "paths": self._log.paths(app.appid),
                "charges": app.charges(),
                "last": self._log.last(appid),
            }

    # A server's calls.

    def receive(self, request: Request) -> Answer:
        """Answer one call as WeChat does, or with its requested fault."""
        with self._lock:
            arrived_at = self.now()
            call = Call(request, self._asked(request), self._rids)
            fault = call.app.faults.take(request.path)
            if fault is None:
                answer = self._answer(call)
            else:
                answer = fault.spoil(
                    lambda: self._answer(call), lambda: self._refused(call, fault.errcode)
                )
            self._log.add(
                {
                    "at": arrived_at,
                    "appid": call.app.appid,
                    "path": request.path,
                    "user": call.user,
                    "outcome": answer.outcome,
                    "ms": call.ms + round(answer.delay_seconds * 1000),
                }
            )
        return answer

    def _moment(self) -> float:
        return self.now()

    def _open(self, user: str, appid: str | None) -> tuple[MiniProgram, Person]:
        app, person = self.mini_program(appid), self.person(user, appid)
        person.last_active = self.now()
        return app, person

    def _asked(self, request: Request) -> MiniProgram:
        """Return the call's mini program: by token, by AppID, or else the first."""
        api = APIS.get(request.path)
        if api is None:
            return self.mini_program()
        if api.needs_token:
            token = request.query.get("access_token", "")
            owners = (app for app in self._mini_programs.values() if app.tokens.issued(token))
            return next(owners, self.mini_program())
        appid = rules.appid_in(request)
        return self._mini_programs.get(str(appid), self.mini_program())

    def _answer(self, call: Call) -> Answer:
        try:
            return answers.granted(call.request.path, rules.act(call))
        except Refusal as refusal:
            return self._refused(call, refusal.errcode)

    def _refused(self, call: Call, errcode: int) -> Answer:
        request, rid = call.request, self._rids.new()
        answer = answers.refused(request.path, errcode, rid=rid, client_ip=request.client_ip)
        self._rids.keep(
            rid,
            RefusedCall(
                call.app.appid,
                request.path,
                urlencode(request.query),
                request.body.decode(errors="replace"),
                answer.body.decode(),
                request.client_ip,
                self.now(),
                ms=call.ms,
            ),
        )
        return answer
