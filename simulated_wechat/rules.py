"""WeChat's answers to a server: one function for each API, without HTTP."""

import hmac
import json
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulated_wechat import answers, phone_data
from simulated_wechat.answers import Refusal
from simulated_wechat.codes import Code, Codes
from simulated_wechat.mini_program import DOMAIN_LISTS, MiniProgram
from simulated_wechat.people import Person, SessionKey
from simulated_wechat.phone_packs import BUTTONS
from simulated_wechat.request_ids import RequestIds

ACTIVE_FOR = 2 * 3600
CONTENT_CHECK_VERSION = 2
LONGEST_CONTENT = 2500
LONGEST_PAGE = 20
OPERATORS = {"CHINANET", "UNICOM", "CAP", "DEFAULT"}

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
class Call:
    """A request while a rule handles it, and the user that it is about."""

    request: Request
    app: MiniProgram
    rids: RequestIds
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    user: str | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def ms(self) -> int:
        """Return the duration of the call so far."""
        return math.ceil((time.perf_counter() - self.started) * 1000)

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise Refusal(47001)
        return value

    def spend(self, user: str = "") -> None:
        path = self.request.path
        self.app.usage.spend(path, self.app.quotas.get(path, ()), user)


@dataclass(frozen=True, slots=True)
class Api:
    rule: Callable[[Call], Fields]
    method: str | None
    needs_token: bool


def act(call: Call) -> Fields:
    """Carry out a call, and return the fields of the answer. Raises `Refusal`."""
    request, api = call.request, APIS.get(call.request.path)
    if api is None:
        raise Refusal(40066)
    if api.method and request.method != api.method:
        raise Refusal(43002 if api.method == "POST" else 43001)
    if api.needs_token:
        call.app.tokens.check(request.query.get("access_token", ""))
    call.fields = _json_object(request.body) if api.method == "POST" else request.query
    return api.rule(call)


def appid_in(request: Request) -> object:
    """Return the AppID in a call without access_token, if any."""
    if APIS[request.path].method != "POST":
        return request.query.get("appid")
    try:
        return _json_object(request.body).get("appid")
    except Refusal:
        return None


def _exchange_login_code(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
    _require(call, appid=41002, secret=41004, js_code=41008)
    _require_grant_type(call, "authorization_code")
    _check_app(call)
    app, code = call.app, _found_code(call.app.login_codes, "js_code", call)
    if code.owner.appid != app.appid:
        raise Refusal(40029)
    if code.used:
        raise Refusal(40163)
    call.spend(user=code.owner.user)
    code.used = True
    if code.owner.blocked:
        raise Refusal(40226)
    session_key = app.refreshed_session_key(code.owner)
    union = {"unionid": code.owner.unionid} if app.unionids else {}
    return {"session_key": session_key.text, "openid": code.owner.openid, **union}


def _give_stable_token(call: Call) -> Fields:
    _check_token_call(call)
    return call.app.tokens.stable(force=call.fields.get("force_refresh") is True)


def _give_token(call: Call) -> Fields:
    _check_token_call(call)
    return call.app.tokens.plain()


def _check_token_call(call: Call) -> None:
    _require(call, appid=41002, secret=41004)
    _require_grant_type(call, "client_credential")
    _check_app(call)
    call.spend()


def _clear_quota(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_clearquotabyappsecret
    call.fields = {**call.fields, "secret": call.fields.get("appsecret", "")}
    _require(call, appid=41002, secret=41004)
    _check_app(call)
    call.spend()
    call.app.usage.clear_days()
    return _ok()


def _exchange_phone_code(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
    call.text("code")
    code = _found_code(call.app.phone_codes, "code", call)
    if code.owner.appid != call.app.appid:
        raise Refusal(40013)
    # The page says that a wrong openid is rejected, but not with which errcode. 40029 is the page's
    # errcode for a code that cannot be exchanged; the code stays valid for its owner.
    if code.used or call.fields.get("openid", code.owner.openid) != code.owner.openid:
        raise Refusal(40029)
    code.used = True
    call.app.phone_exchanges += 1
    return _ok(phone_info=call.app.phone_info(code.owner, code.made_at))


def _check_encrypted_message(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/basic-info/api_checkencrypteddata
    wanted = call.text("encrypted_msg_hash")
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise Refusal(40097)
    created_at = call.app.encrypted_at.get(wanted)
    if created_at is None:
        raise Refusal(1)
    return _ok(vaild=True, create_time=created_at)  # WeChat's spelling.


def _check_session_key(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
    _person_with_signed_key(call)
    return _ok()


def _reset_session_key(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
    call.spend()
    found, old = _person_with_signed_key(call)
    found.session_key = SessionKey(call.app.now(), old.expires_at)
    return _ok(openid=found.openid, session_key=found.session_key.text)


def _rank_risk(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/safety-control-capability/api_getuserriskrank
    if not call.app.risk_rank_enabled:
        raise Refusal(48001)
    if call.text("appid") != call.app.appid:
        raise Refusal(43104)
    call.text("client_ip")
    found = _active_person(call, scenes={0, 1, 2})
    return {
        "errcode": 0,
        "errmsg": "getuserriskrank succ",
        "risk_rank": found.risk_rank,
        "unoin_id": secrets.randbelow(10**9),  # WeChat's spelling.
    }


def _check_content(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_msgseccheck
    content = call.text("content")
    if call.fields.get("version") != CONTENT_CHECK_VERSION or len(content) > LONGEST_CONTENT:
        raise Refusal(47001)
    _active_person(call, scenes={1, 2, 3, 4})
    call.spend()
    words = [str(call.fields.get(name, "")) for name in ("title", "nickname", "signature")]
    found = [word for word in RISKY_WORDS if word in " ".join([content, *words])]
    verdict: Fields = {"suggest": "pass", "label": 100}
    if found:
        verdict = {"suggest": "risky", "label": RISKY_WORDS[found[0]]}
    detail = {"strategy": "content_model", "errcode": 0, "prob": 90, **verdict}
    return _ok(result=verdict, detail=[detail], trace_id=secrets.token_hex(16))


def _list_domains(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/operation/api_getdomaininfo
    business, server = DOMAIN_LISTS[-1:], DOMAIN_LISTS[:-1]
    by_action = {"getbizdomain": business, "getserverdomain": server}
    wanted = by_action.get(str(call.fields.get("action")), DOMAIN_LISTS)
    return _ok(**{name: call.app.domains.get(name, []) for name in wanted})


def _check_callback(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_callbackcheck
    action, operator = call.fields.get("action"), call.fields.get("check_operator")
    if action not in {"dns", "ping", "all"}:
        raise Refusal(40202)
    if operator not in OPERATORS:
        raise Refusal(40203)
    addresses = call.app.push_addresses
    if addresses is None:
        raise Refusal(40201)
    loss = "0%" if call.app.push_reachable else "100%"
    source = "UNICOM" if operator == "DEFAULT" else operator
    results = {
        "dns": [{"ip": ip, "real_operator": "UNICOM"} for ip in addresses],
        "ping": [
            {"ip": ip, "from_operator": source, "package_loss": loss, "time": "21.434ms"}
            for ip in addresses
        ],
    }
    # This API answers without errcode.
    return {name: result for name, result in results.items() if action in {name, "all"}}


def _tell_usage(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/charge/api_getusagedetail.html
    spu = str(call.fields.get("spuId", ""))
    offset, limit = (str(call.fields.get(name, "")) for name in ("offset", "limit"))
    # The page has no errcode for these; 47001 is WeChat's errcode for a wrong parameter.
    if spu not in BUTTONS or not offset.isdecimal() or not limit.isdecimal():
        raise Refusal(47001)
    if not 0 < int(limit) <= LONGEST_PAGE:
        raise Refusal(47001)
    usage = call.app.packs[spu].usage(spu, call.app.now())
    return _ok(**{**usage, "detailList": usage["detailList"] if int(offset) == 0 else []})


def _tell_refused_call(call: Call) -> Fields:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_getridinfo
    found = call.rids.find(call.fields.get("rid"), call.app.appid)
    return _ok(request=found.as_wechat_tells_it())


APIS: Mapping[str, Api] = {
    # As POST this call answers 41002, because WeChat reads only the query.
    answers.LOGIN: Api(_exchange_login_code, None, needs_token=False),
    answers.PLAIN_TOKENS: Api(_give_token, None, needs_token=False),
    answers.STABLE_TOKENS: Api(_give_stable_token, "POST", needs_token=False),
    answers.CLEAR_QUOTA: Api(_clear_quota, "POST", needs_token=False),
    answers.PHONE: Api(_exchange_phone_code, "POST", needs_token=True),
    answers.CHECK_ENCRYPTED: Api(_check_encrypted_message, "POST", needs_token=True),
    answers.CHECK_SESSION: Api(_check_session_key, "GET", needs_token=True),
    answers.RESET_SESSION_KEY: Api(_reset_session_key, "GET", needs_token=True),
    answers.RISK_RANK: Api(_rank_risk, "POST", needs_token=True),
    answers.CONTENT_CHECK: Api(_check_content, "POST", needs_token=True),
    answers.DOMAINS: Api(_list_domains, "POST", needs_token=True),
    answers.CALLBACK_CHECK: Api(_check_callback, "POST", needs_token=True),
    answers.USAGE: Api(_tell_usage, "GET", needs_token=True),
    answers.RID: Api(_tell_refused_call, "POST", needs_token=True),
}


def _check_app(call: Call) -> None:
    # https://developers.weixin.qq.com/doc/oplatform/developers/dev/basic_func/ip_whitelist
    # Community reports include jscode2session, so it is covered like the token calls.
    app = call.app
    if call.fields["appid"] != app.appid:
        raise Refusal(40013)
    if app.whitelist is not None and call.request.client_ip not in app.whitelist:
        raise Refusal(40164)
    if call.fields["secret"] != app.app_secret:
        raise Refusal(40125)


def _active_person(call: Call, *, scenes: set[int]) -> Person:
    openid, scene = call.text("openid"), call.fields.get("scene")
    if scene not in scenes:
        raise Refusal(40129)
    found = _person_called(openid, call)
    if call.app.now() - found.last_active > ACTIVE_FOR:
        raise Refusal(61010)
    return found


def _person_called(openid: str, call: Call) -> Person:
    if not re.fullmatch(r"o[A-Za-z0-9_-]{27}", openid):
        raise Refusal(40003)
    found = call.app.people_by_openid.get(openid)
    if found is None:
        raise Refusal(43104)
    call.user = found.user
    return found


def _person_with_signed_key(call: Call) -> tuple[Person, SessionKey]:
    _require(call, openid=40097, signature=40097)
    if call.fields.get("sig_method") != "hmac_sha256":
        raise Refusal(87008)
    found = call.app.people_by_openid.get(str(call.fields["openid"]))
    key = found and call.app.living_session_key(found)
    if found is None or not key:
        raise Refusal(87007)
    call.user = found.user
    expected = phone_data.session_signature(key.text)
    if not hmac.compare_digest(expected.encode(), str(call.fields["signature"]).encode()):
        raise Refusal(87009)
    return found, key


def _ok(**fields: object) -> Fields:
    return {"errcode": 0, "errmsg": "ok", **fields}


def _require(call: Call, **errcode_when_missing: int) -> None:
    for name, errcode in errcode_when_missing.items():
        if not call.fields.get(name):
            raise Refusal(errcode)


def _require_grant_type(call: Call, expected: str) -> None:
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


def _found_code(codes: Codes, name: str, call: Call) -> Code:
    code = codes.find(call.fields[name])
    call.user = code.owner.user
    return code
