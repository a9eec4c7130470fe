"""The paid numbers of a mini program's phone buttons: their rest and their end.

https://developers.weixin.qq.com/miniprogram/dev/server/API/charge/api_getusagedetail.html
"""

from dataclasses import dataclass

TRIAL_CALLS = 1000
YEAR = 365 * 86400


@dataclass(frozen=True, slots=True)
class Button:
    """A phone component, as WeChat sells it."""

    spu: str
    name: str
    event: str  # the start of its errMsg


FAST = Button("10000077", "手机号快速验证组件", "getPhoneNumber")
REALTIME = Button("10000086", "手机号实时验证组件", "getRealtimePhoneNumber")
BUTTONS = {button.spu: button for button in (FAST, REALTIME)}


@dataclass(slots=True)
class PhonePack:
    """The pack of one button: numbers that are left of all, between two times in Unix seconds."""

    starts_at: float
    ends_at: float
    left: int = TRIAL_CALLS

    @property
    def size(self) -> int:
        return max(TRIAL_CALLS, self.left)

    def left_at(self, moment: float) -> int:
        """Return the count of available numbers: 0 after the end of the pack."""
        return self.left if moment < self.ends_at else 0

    def usage(self, spu: str, moment: float) -> dict[str, object]:
        """Return the answer of /wxa/charge/usage/get; the counts are strings, as at WeChat."""
        counts = {"all": str(self.size), "used": str(self.size - self.left)}
        period = {"startTime": int(self.starts_at), "endTime": int(self.ends_at)}
        pack = {"pkgId": f"ZY{spu}", **period, **counts, "status": 1, "spuId": spu, "skuId": spu}
        # `all` and `effectiveAll` count the packs that are in effect.
        in_effect = moment < self.ends_at
        size, used = (counts["all"], counts["used"]) if in_effect else ("0", "0")
        return {
            "all": size,
            "effectiveAll": size,
            "effectiveUse": used,
            "startServiceTime": period["startTime"],
            "endServiceTime": period["endTime"],
            "total": 1,
            "detailList": [pack],
        }
