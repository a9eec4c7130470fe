"""Asks WeChat what only WeChat knows about a mini program, with the access token that SSM holds.

`make doctor` alone asks, so none of this is deployed. Pages, under
https://developers.weixin.qq.com/miniprogram/dev/server/API/:
operation/api_getdomaininfo, openApi-mgnt/api_callbackcheck, charge/api_getusagedetail,
openApi-mgnt/api_getridinfo.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from wechat_login.errors import WeChatUnavailable
from wechat_login.wechat.authorized_client import TOKEN
from wechat_login.wechat.client import Api, WeChatClient
from wechat_login.wechat.transport import Answer

GETWXADEVINFO = Api("POST", "/wxa/getwxadevinfo", True, TOKEN)
CALLBACK_CHECK = Api("POST", "/cgi-bin/callback/check", True, TOKEN)
USAGE_GET = Api("GET", "/wxa/charge/usage/get", True, TOKEN)
RID_GET = Api("POST", "/cgi-bin/openapi/rid/get", True, TOKEN)
NO_PUSH_ADDRESS = 40201
# The products (SPU) that WeChat sells the numbers of each phone button as.
FAST, REALTIME = "10000077", "10000086"
LONGEST_PAGE = 20
BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class PhonePacks:
    """The packs of one phone button that are in effect, and whether the button was ever in use."""

    total: int
    left: int
    ends_at: datetime
    bought: bool
    used: bool


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call of ours that WeChat refused, without the codes and tokens that were in it."""

    at: datetime
    ms: int
    client_ip: str
    errcode: int
    errmsg: str


class WeChatNumbers:
    """Each call raises `LoginError` if WeChat does not answer, or will not say."""

    def __init__(self, client: WeChatClient, access_token: str) -> None:
        self._client = client
        self._access_token = access_token

    def request_domains(self) -> set[str]:
        """Return the hosts that the mini program may call, in lower case."""
        answer = self._ask(GETWXADEVINFO, body={"action": "getserverdomain"})
        listed = answer.get("requestdomain")
        if not isinstance(listed, list):
            raise WeChatUnavailable(api=GETWXADEVINFO.path, why="no requestdomain")
        return {str(each).lower().removeprefix("https://").strip(" /") for each in listed}

    def push_address(self) -> dict[str, bool]:
        """Return the IP addresses of the push address, and which of them answered one ping."""
        body = {"action": "all", "check_operator": "DEFAULT"}
        answer = self._ask(CALLBACK_CHECK, body=body)
        try:
            lost = {each["ip"]: each["package_loss"] for each in answer.get("ping") or ()}
            return {each["ip"]: lost.get(each["ip"]) == "0%" for each in answer.get("dns") or ()}
        except (KeyError, TypeError):
            raise WeChatUnavailable(api=CALLBACK_CHECK.path, why="no dns") from None

    def phone_packs(self, spu: str) -> PhonePacks:
        """Return how many numbers are left for a phone button."""
        page = {"spuId": spu, "offset": "0", "limit": str(LONGEST_PAGE)}
        answer = self._ask(USAGE_GET, query=page)
        try:
            total, used = int(answer["effectiveAll"]), int(answer["effectiveUse"])
            packs = answer.get("detailList") or ()
            return PhonePacks(
                total=total,
                left=max(0, total - used),
                ends_at=datetime.fromtimestamp(int(answer["endServiceTime"]), BEIJING),
                bought=bool(packs),
                used=used > 0 or any(int(each["used"]) > 0 for each in packs),
            )
        except (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError):
            raise WeChatUnavailable(api=USAGE_GET.path, why="no numbers") from None

    def refused_call(self, rid: str) -> RefusedCall:
        """Return the call that WeChat answered with this rid, in the last seven days."""
        answer = self._ask(RID_GET, body={"rid": rid})
        try:
            request: dict[str, Any] = answer["request"]
            said = json.loads(request["response_body"])
            return RefusedCall(
                at=datetime.fromtimestamp(int(request["invoke_time"]), BEIJING),
                ms=int(request["cost_in_ms"]),
                client_ip=str(request["client_ip"]),
                errcode=int(said["errcode"]),
                errmsg=str(said["errmsg"]),
            )
        except (KeyError, OSError, OverflowError, TypeError, ValueError):
            raise WeChatUnavailable(api=RID_GET.path, why="no request") from None

    def _ask(
        self, api: Api, *, query: dict[str, str] | None = None, body: Answer | None = None
    ) -> Answer:
        return self._client.ask(api, {"access_token": self._access_token, **(query or {})}, body)
