"""Our duties after WeChat's events about a user, and its notices about the mini program.

https://developers.weixin.qq.com/miniprogram/dev/server/event_push/platform/authorized_user_information_changes
Each duty compares times: data that a user gave after the event is newer consent, and stays. So an
event that comes twice changes nothing the second time.
"""

import re
from collections.abc import Callable, Mapping

from wechat_login.accounts.claims import PhoneClaims
from wechat_login.accounts.erasure import Erasure
from wechat_login.accounts.profiles import Profiles
from wechat_login.frozen import frozen

PHONE = "8"
# Nickname and avatar, from the old button, the nickname keyboard and the avatar component.
PROFILE_FIELDS = {"6": ("nickname", "avatarUrl"), "19": ("nickname",), "20": ("avatarUrl",)}
# Of a notice about the mini program: https://developers.weixin.qq.com/miniprogram/dev/server/event_push/charge/charge_mp_service_quota_notify.html
NOTICED = (
    "spu_id",
    "total_quota",
    "total_used_quota",
    "validity_end_time",
    "punish_id",
    "illegal_reason",
)


@frozen
class PlatformEvents:
    """Carries out what a user asked of WeChat, or WeChat decided; counts WeChat's notices."""

    erasure: Erasure
    claims: PhoneClaims
    profiles: Profiles
    count: Callable[..., None]

    def carry_out(self, event: Mapping[str, str]) -> str:
        """Carry out an event, and return what was done, for the log; `nothing` if it is unknown."""
        if notice := self._notice(event):
            return notice
        appid, openid = event.get("AppID", ""), event.get("OpenID", "")
        created_at = event.get("CreateTime", "")
        if not openid or not re.fullmatch(r"[0-9]{1,12}", created_at):
            return "nothing"
        at = int(created_at)
        match event.get("Event"):
            case "user_authorization_cancellation":
                self.erasure.erase_openid(appid, openid, at=at)
                return "erased"
            case "user_authorization_revoke":
                revoked = set(re.findall(r"\d+", event.get("RevokeInfo", "")))
                return self._revoke(appid, openid, at, revoked)
            case "user_info_modified":
                return self._revoke(appid, openid, at, {"6"})
        return "nothing"

    def _revoke(self, appid: str, openid: str, at: int, revoked: set[str]) -> str:
        if PHONE in revoked:
            self.claims.forget(appid, openid, at=at)
        for name in sorted({name for info in revoked for name in PROFILE_FIELDS.get(info, ())}):
            self.profiles.forget(appid, openid, name, at=at)
        return "revoked " + ",".join(sorted(revoked))

    def _notice(self, event: Mapping[str, str]) -> str:
        """Count what WeChat says about the mini program itself, and return it for the operator."""
        match event.get("Event"):
            case "charge_mp_service_quota_notify" | "charge_mp_service_validity_notify":
                self.count(PhonePackWarnings=1)
            case "wxa_punish_event":
                self.count(Punishments=1)
            case _:
                return ""
        return "noted " + ", ".join(f"{each}={event[each]}" for each in NOTICED if each in event)
