"""The control routes: actions of a phone, the console or a test."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from simulated_wechat.answers import encoded
from simulated_wechat.events import OF_MINI_PROGRAMS, about_a_user, about_the_mini_program
from simulated_wechat.message_push import ApiUnreachable, MessagePush
from simulated_wechat.mini_program import DOMAIN_LISTS, MiniProgram
from simulated_wechat.people import Person
from simulated_wechat.wechat import APP_SECRET, SimulatedWeChat, UnknownMiniProgram

LONGEST_USER = 64
MOST_FAULTS = 10_000
LONGEST_DELAY_MS = 600_000
HIGHEST_RISK_RANK = 4

_PERSON_FIELDS = {
    "user",
    "blocked",
    "riskRank",
    "purePhoneNumber",
    "countryCode",
    "session",
    "appid",
}
_APPID = re.compile(r"wx[0-9a-z]{4,30}")

Body = Mapping[str, Any]
Wanted = TypeVar("Wanted")


class BadRequest(Exception):
    """One sentence for the person who made the request."""


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    status: int
    fields: object


@dataclass(slots=True)
class Console:
    """One simulated WeChat, and where its message pushes go."""

    wechat: SimulatedWeChat
    push: MessagePush | None = None

    def answer(
        self, method: str, path: str, body: bytes, query: Mapping[str, str]
    ) -> ControlAnswer:
        """Answer a control route; an error is one sentence."""
        route = _ROUTES.get((method, path))
        if route is None:
            return _error(404, f"There is no {method} {path}; GET /simulated lists all routes.")
        try:
            fields = query if method == "GET" else _json_object(body)
            return ControlAnswer(HTTPStatus.OK, route.act(self, fields))
        except (BadRequest, UnknownMiniProgram) as error:
            return _error(400, str(error))
        except ApiUnreachable:
            return _error(502, "The API did not answer the push.")


def _error(status: int, sentence: str) -> ControlAnswer:
    return ControlAnswer(status, {"error": sentence})


def _wx_login(console: Console, body: Body) -> object:
    return {"code": console.wechat.login_code(_user(body), _appid(body)), "errMsg": "login:ok"}


def _get_phone_number(console: Console, body: Body) -> object:
    allow = _field(body, "allow", bool, default=True)
    return console.wechat.phone_code(_user(body), _appid(body), allow=allow)


def _get_realtime_phone_number(console: Console, body: Body) -> object:
    allow = _field(body, "allow", bool, default=True)
    return console.wechat.realtime_phone_code(_user(body), _appid(body), allow=allow)


def _check_session(console: Console, body: Body) -> object:
    valid = console.wechat.check_session(_user(body), _appid(body))
    return {"valid": valid, "errMsg": f"checkSession:{'ok' if valid else 'fail session expired'}"}


def _list_mini_programs(console: Console, _: Body) -> object:
    return {"miniPrograms": [app.appid for app in console.wechat.mini_programs()]}


def _add_mini_program(console: Console, body: Body) -> object:
    _refuse_unknown(body, {"appid", "appSecret"})
    appid = _field(body, "appid", str)
    if not _APPID.fullmatch(appid):
        raise BadRequest("appid must be wx with small letters and digits after it.")
    if appid in {app.appid for app in console.wechat.mini_programs()}:
        raise BadRequest(f"There is a mini program {appid} already; /simulated/rules changes it.")
    secret = _field(body, "appSecret", str, default=APP_SECRET)
    console.wechat.add_mini_program(appid, secret)
    return _list_mini_programs(console, body)


def _order_faults(console: Console, body: Body) -> object:
    path, kind = _field(body, "path", str), _field(body, "kind", str, default="errcode")
    times = _number(body, "times", range(MOST_FAULTS + 1), default=1)
    try:
        console.wechat.fault(
            path,
            kind,
            times,
            appid=_appid(body),
            errcode=_field(body, "errcode", int, default=-1),
            status=_number(body, "status", range(200, 600), default=502),
            ms=_number(body, "ms", range(LONGEST_DELAY_MS + 1), default=1000),
            when=_field(body, "when", str, default="before"),
        )
    except ValueError as error:
        raise BadRequest(str(error)) from error
    return {"path": path, "kind": kind, "times": times}


def _tell_calls(console: Console, query: Body) -> object:
    return console.wechat.calls(_appid(query))


def _send_event(console: Console, body: Body) -> object:
    event, wechat = _field(body, "event", str), console.wechat
    text_format = _field(body, "format", str, default="json")
    if text_format not in {"json", "xml"}:
        raise BadRequest("format must be json or xml.")
    appid = _appid(body)
    app = wechat.mini_program(appid)
    if event in OF_MINI_PROGRAMS:
        message = about_the_mini_program(event, app, body.get("spu_id"))
    else:
        message = about_a_user(event, app, wechat.person(_user(body), appid))
    message |= _further_event_fields(body)
    answered = _push(console).send(
        message, appid=app.appid, openid=str(message["FromUserName"]), as_xml=text_format == "xml"
    )
    return asdict(answered)


def _further_event_fields(body: Body) -> dict[str, str | int]:
    further = {name: body[name] for name in body.keys() - {"user", "event", "format", "appid"}}
    for name, value in further.items():
        if not isinstance(value, str | int) or isinstance(value, bool) or not name.isidentifier():
            raise BadRequest(f"{name} must be a name with a string or a whole number.")
    return further


def _check_events_url(console: Console, _: Body) -> object:
    echostr = str(secrets.randbits(62))
    answered = _push(console).check_url(int(console.wechat.now()), echostr)
    return {**asdict(answered), "echoed": answered.body == echostr}


def _push(console: Console) -> MessagePush:
    if console.push is None:
        raise BadRequest("This simulated WeChat was started without an API to send events to.")
    return console.push


def _list_people(console: Console, query: Body) -> object:
    return {"people": [_described(person) for person in console.wechat.people(_appid(query))]}


def _adjust_person(console: Console, body: Body) -> object:
    wechat, user = console.wechat, _user(body)
    _refuse_unknown(body, _PERSON_FIELDS)
    person = wechat.person(user, _appid(body))
    blocked = _field(body, "blocked", bool, default=person.blocked)
    rank = _number(body, "riskRank", range(HIGHEST_RISK_RANK + 1), default=person.risk_rank)
    national = _digits(body, "purePhoneNumber", default=person.phone.national)
    country_code = _digits(body, "countryCode", default=person.phone.country_code)
    keeps_session = _field(body, "session", bool, default=True)

    wechat.block(user, blocked=blocked)
    wechat.risk_rank(user, rank)
    wechat.set_phone(user, national, country_code)
    if not keeps_session:
        wechat.end_session_key(user, _appid(body))

    return _described(person)


def _described(person: Person) -> dict[str, object]:
    return {
        "user": person.user,
        "openid": person.openid,
        "unionid": person.unionid,
        **person.phone.as_wechat_tells_it(),
        "blocked": person.blocked,
        "riskRank": person.risk_rank,
    }


@dataclass(frozen=True, slots=True)
class _Rule:
    attribute: str
    kind: type


_RULES = {
    "unionids": _Rule("unionids", bool),
    "phoneBalance": _Rule("phone_balance", int),
    "realtimePhoneBalance": _Rule("realtime_phone_balance", int),
    "phonePacksEnd": _Rule("phone_packs_end", int),
    "pushReachable": _Rule("push_reachable", bool),
    "riskRankEnabled": _Rule("risk_rank_enabled", bool),
    "sessionKeyRefreshSeconds": _Rule("session_key_refresh_seconds", int),
    "sessionKeyLifetimeSeconds": _Rule("session_key_lifetime_seconds", int),
}
_RULES_OF_THEIR_OWN = ("whitelist", "pushAddresses", "domains")


def _tell_rules(console: Console, query: Body) -> object:
    return _rules_of(console.wechat.mini_program(_appid(query)))


def _rules_of(app: MiniProgram) -> object:
    return {
        "appid": app.appid,
        **{name: getattr(app, rule.attribute) for name, rule in _RULES.items()},
        "whitelist": None if app.whitelist is None else sorted(app.whitelist),
        "pushAddresses": app.push_addresses,
        "domains": {name: app.domains.get(name, []) for name in DOMAIN_LISTS},
    }


def _change_rules(console: Console, body: Body) -> object:
    _refuse_unknown(body, {*_RULES, *_RULES_OF_THEIR_OWN, "appSecret", "appid"})
    app = console.wechat.mini_program(_appid(body))
    changes: dict[str, object] = {
        rule.attribute: _field(body, name, rule.kind)
        for name, rule in _RULES.items()
        if name in body
    }
    if "whitelist" in body:
        addresses = _texts_or_null(body, "whitelist")
        changes["whitelist"] = None if addresses is None else set(addresses)
    if "pushAddresses" in body:
        changes["push_addresses"] = _texts_or_null(body, "pushAddresses")
    if "domains" in body:
        changes["domains"] = _domains(body["domains"])
    if "appSecret" in body:
        changes["app_secret"] = _field(body, "appSecret", str)
    for attribute, value in changes.items():
        setattr(app, attribute, value)
    return _rules_of(app)


def _texts_or_null(body: Body, name: str) -> list[str] | None:
    value = body[name]
    if value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise BadRequest(f"{name} must be null or a list of IP addresses.")


def _domains(value: object) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value.keys() <= set(DOMAIN_LISTS):
        raise BadRequest(f"domains must be an object with lists for {', '.join(DOMAIN_LISTS)}.")
    for name, listed in value.items():
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise BadRequest(f"domains.{name} must be a list of addresses.")
    return value


def _reset(console: Console, _: Body) -> object:
    console.wechat.reset()
    return {"reset": True}


def _list_routes(_console: Console, _: Body) -> object:
    return {f"{method} {path}": route.takes for (method, path), route in _ROUTES.items()}


@dataclass(frozen=True, slots=True)
class _Route:
    act: Callable[[Console, Body], object]
    takes: str


_ROUTES = {
    ("GET", "/"): _Route(_list_routes, ""),
    ("GET", "/simulated"): _Route(_list_routes, ""),
    ("GET", "/simulated/calls"): _Route(_tell_calls, "?appid="),
    ("GET", "/simulated/mini-programs"): _Route(_list_mini_programs, ""),
    ("GET", "/simulated/people"): _Route(_list_people, "?appid="),
    ("GET", "/simulated/rules"): _Route(_tell_rules, "?appid="),
    ("POST", "/simulated/wx.login"): _Route(_wx_login, "{user, appid?}"),
    ("POST", "/simulated/getPhoneNumber"): _Route(_get_phone_number, "{user, appid?, allow?}"),
    ("POST", "/simulated/getRealtimePhoneNumber"): _Route(
        _get_realtime_phone_number, "{user, appid?, allow?}"
    ),
    ("POST", "/simulated/checkSession"): _Route(_check_session, "{user, appid?}"),
    ("POST", "/simulated/events"): _Route(
        _send_event,
        f"{{user, event, or event: {', '.join(OF_MINI_PROGRAMS)}; appid?, format?: json or xml, "
        "RevokeInfo?, any further field}",
    ),
    ("POST", "/simulated/events/check-url"): _Route(_check_events_url, "{}"),
    ("POST", "/simulated/faults"): _Route(
        _order_faults,
        "{path, kind, appid?, times?, errcode?, status?, ms?, when?: before or after}",
    ),
    ("POST", "/simulated/mini-programs"): _Route(_add_mini_program, "{appid, appSecret?}"),
    ("POST", "/simulated/people"): _Route(
        _adjust_person,
        "{user, appid?, blocked?, riskRank?, purePhoneNumber?, countryCode?, session?: false}",
    ),
    ("POST", "/simulated/rules"): _Route(
        _change_rules,
        f"{{appid?, {', '.join(f'{name}?' for name in (*_RULES, *_RULES_OF_THEIR_OWN))}, "
        "appSecret?}",
    ),
    ("POST", "/simulated/reset"): _Route(_reset, "{}"),
}


def _json_object(body: bytes) -> Body:
    try:
        fields = json.loads(body or b"{}")
        encoded(fields)  # Half a surrogate pair is valid JSON, but not valid text.
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body must be JSON in UTF-8.") from error
    if not isinstance(fields, dict):
        raise BadRequest("The body must be a JSON object.")
    return fields


def _user(body: Body) -> str:
    user = _field(body, "user", str)
    if not 0 < len(user) <= LONGEST_USER:
        raise BadRequest(f"user must be a name of 1 to {LONGEST_USER} characters.")
    return user


def _appid(body: Body) -> str | None:
    return _field(body, "appid", str) if "appid" in body else None


def _field(body: Body, name: str, kind: type[Wanted], *, default: Wanted | None = None) -> Wanted:
    value = body.get(name, default)
    # In Python True is a number, in JSON it is not.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "a string", int: "a whole number", bool: "true or false"}
        raise BadRequest(f"{name} must be {words[kind]}.")
    return value


def _number(body: Body, name: str, allowed: range, *, default: int) -> int:
    value = _field(body, name, int, default=default)
    if value not in allowed:
        raise BadRequest(f"{name} must be between {allowed.start} and {allowed.stop - 1}.")
    return value


def _digits(body: Body, name: str, *, default: str) -> str:
    value = _field(body, name, str, default=default)
    if not (value.isascii() and value.isdecimal()):
        raise BadRequest(f"{name} must be digits only.")
    return value


def _refuse_unknown(body: Body, known: set[str]) -> None:
    if unknown := sorted(body.keys() - known):
        raise BadRequest(f"{', '.join(unknown)} cannot be set; {', '.join(sorted(known))} can.")
