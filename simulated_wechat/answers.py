"""WeChat's answers: errcodes, their texts and the envelope."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

LOGIN = "/sns/jscode2session"
STABLE_TOKENS = "/cgi-bin/stable_token"
PLAIN_TOKENS = "/cgi-bin/token"
PHONE = "/wxa/business/getuserphonenumber"
CHECK_ENCRYPTED = "/wxa/business/checkencryptedmsg"
CHECK_SESSION = "/wxa/checksession"
RESET_SESSION_KEY = "/wxa/resetusersessionkey"
RISK_RANK = "/wxa/getuserriskrank"
CONTENT_CHECK = "/wxa/msg_sec_check"
CLEAR_QUOTA = "/cgi-bin/clear_quota/v2"
DOMAINS = "/wxa/getwxadevinfo"
CALLBACK_CHECK = "/cgi-bin/callback/check"
USAGE = "/wxa/charge/usage/get"
RID = "/cgi-bin/openapi/rid/get"

_GET_STABLE = (
    "could get access_token by getStableAccessToken, "
    "more details at https://mmbizurl.cn/s/JtxxFh33r"
)
_TEXTS = {
    -1: "system error",
    1: "data not exit",
    40001: f"invalid credential, access_token is invalid or not latest, {_GET_STABLE}",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40014: "invalid access_token",
    40029: "invalid code",
    40066: "invalid url",
    40097: "invalid args",
    40125: "invalid appsecret",
    40129: "invalid scene",
    40163: "code been used",
    40164: "invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist",
    40201: "invalid url",
    40202: "invalid action",
    40203: "invalid check_operator",
    40226: "code blocked, hints: [ req_id: {hint} ]",
    40243: "appsecret frozen",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    43104: "appid and openid do not match",
    44002: "empty post data",
    44991: "reach max api minute quota limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
    48001: "api unauthorized",
    48006: "forbid to clear quota because of reaching the limit",
    61010: "user is not active in the last two hours",
    76001: "rid not found",
    76002: "rid is error",
    76003: "could not query this rid,no permission",
    76004: "rid time is error",
    76022: "could not query this rid",
    87007: "session_key is missing or expired",
    87008: "invalid sig_method",
    87009: "invalid signature",
}
_TEXTS_OF_ONE_API = {
    (PHONE, 40029): "invalid code hint: [{hint}]",
    (PLAIN_TOKENS, 45009): f"reach max api daily quota limit, {_GET_STABLE}",
}
_WITHOUT_REQUEST_ID = frozenset({40226, 45011, 87009})


class Refusal(Exception):
    """A rule rejects the call, with this errcode."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to send, or the failure in its place."""

    body: bytes
    outcome: str
    status: int = 200
    content_type: str = "text/plain"
    delay_seconds: float = 0
    dropped: bool = False


def granted(path: str, fields: Mapping[str, object]) -> Answer:
    # The /sns calls say text/plain even when they succeed.
    plain = path.startswith("/sns/")
    return Answer(
        encoded(fields),
        outcome="0",
        content_type="text/plain" if plain else "application/json; encoding=utf-8",
    )


def refused(path: str, errcode: int, *, rid: str, client_ip: str) -> Answer:
    """Return an error: HTTP 200 and text/plain, so a client cannot rely on status or type."""
    text = _TEXTS_OF_ONE_API.get((path, errcode)) or _TEXTS.get(errcode, "simulated error")
    errmsg = text.format(ip=client_ip, hint=secrets.token_urlsafe(12))
    if errcode not in _WITHOUT_REQUEST_ID:
        errmsg += f"{',' if path.startswith('/sns/') else ''} rid: {rid}"
    return Answer(encoded({"errcode": errcode, "errmsg": errmsg}), outcome=str(errcode))


def encoded(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
