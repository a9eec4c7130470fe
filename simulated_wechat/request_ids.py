"""The rejected calls by their `rid`, for seven days.

https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_getridinfo
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from simulated_wechat.aging import Aging
from simulated_wechat.answers import Refusal

LIFETIME = 7 * 86400
MOST = 1000

_SHAPE = re.compile(r"([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class RefusedCall:
    appid: str
    path: str
    query: str = field(repr=False)
    body: str = field(repr=False)
    answer: str = field(repr=False)
    client_ip: str
    at: float
    ms: int

    def as_wechat_tells_it(self) -> dict[str, object]:
        return {
            "invoke_time": int(self.at),
            "cost_in_ms": self.ms,
            "request_url": self.query,
            "request_body": self.body,
            "response_body": self.answer,
            "client_ip": self.client_ip,
        }


class RequestIds:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._calls: Aging[RefusedCall] = Aging(now, LIFETIME, most=MOST)

    def new(self) -> str:
        """Return a new rid, which starts with the time."""
        moment = int(self._now()) & 0xFFFFFFFF
        return f"{moment:08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"

    def keep(self, rid: str, call: RefusedCall) -> None:
        self._calls.put(rid, call)

    def find(self, rid: object, appid: str) -> RefusedCall:
        """Return the call of a rid, for the mini program that made it. Raises `Refusal`."""
        shape = _SHAPE.fullmatch(rid) if isinstance(rid, str) else None
        if shape is None:
            raise Refusal(76002)
        if self._now() - int(shape[1], 16) > LIFETIME:
            raise Refusal(76004)
        call = self._calls.get(rid)
        if call is None:
            raise Refusal(76001)
        if call.path.startswith("/sns/"):
            raise Refusal(76022)
        if call.appid != appid:
            raise Refusal(76003)
        return call
