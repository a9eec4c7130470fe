"""The meaning of WeChat's refusals for an operator, by errcode, and the remedies.

https://developers.weixin.qq.com/doc/oplatform/developers/errCode/
"""

from collections.abc import Mapping
from typing import Any

CONSOLE = "WeChat's console (mp.weixin.qq.com), development settings"
NOT_IN_WHITELIST = 40164
APP_SECRET = "WeChat rejects the AppSecret", f"Reset it in {CONSOLE}, then {{rotate}}"
# The result and the remedy; `{ip}` is the refused address, `{rotate}` a command.
EXPLAINED: dict[object, tuple[str, str]] = {
    40001: APP_SECRET,
    40013: ("WeChat knows no such AppID", f"Look it up in {CONSOLE}; then store it in SSM again"),
    40125: APP_SECRET,
    NOT_IN_WHITELIST: (
        "{ip} is not in WeChat's IP whitelist",
        f"Add {{ip}} in {CONSOLE}, or switch it off; VpcSubnetIds give a fixed address",
    ),
    45009: ("today's calls are used up", "Find the other program that uses this AppID"),
    50004: ("WeChat has forbidden this account to do it", f"Read the notices in {CONSOLE}"),
    50007: ("WeChat has frozen this account", f"Read the notices in {CONSOLE}"),
    89501: ("{ip} waits for the administrator", "Confirm it in WeChat, then run this again"),
    89503: (
        "WeChat wants the administrator to confirm this address",
        "Confirm the message that the administrator has got in WeChat, then run this again",
    ),
    89506: ("the administrator refused this address, for 24 hours", "Wait, then confirm it"),
    89507: ("the administrator refused this address, for an hour", "Wait, then confirm it"),
}
# The reasons why WeChat gives no information about a call, by its rid.
NO_RID: dict[object, str] = {
    76001: "WeChat knows no such call; those of /sns, such as logins, are not kept: see the log",
    76002: "this is no rid of WeChat's",
    76003: "the call was another mini program's",
    76004: "the call is older than seven days",
    76022: "the call was one of /sns, such as a login, which are not kept: see the log",
}


def explained(refused: Mapping[str, Any], rotate: str) -> tuple[str, str]:
    """Return the result and the remedy of a refusal, given as the facts of its `LoginError`.

    `rotate` is the command that replaces the AppSecret.
    """
    errcode = refused.get("errcode")
    if errcode in EXPLAINED:
        ip = refused.get("refused_ip", "this address")
        result, remedy = (text.format(ip=ip, rotate=rotate) for text in EXPLAINED[errcode])
        return f"{result} (errcode {errcode})", remedy
    if errcode is not None:
        rid = f", rid {refused['rid']}" if "rid" in refused else ""
        return f"WeChat says {errcode}{rid}", "docs/troubleshooting.md says what that means"
    why = refused.get("why") or refused.get("aws") or refused.get("missing_parameter") or ""
    result = f"{refused.get('code', 'it failed')} {why}".strip()
    return result, "Read the log of RenewAccessToken; can it reach WeChat's address, WeChatUrl?"
