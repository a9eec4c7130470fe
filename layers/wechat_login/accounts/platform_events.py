"""What WeChat's events about a user oblige us to do.

https://developers.weixin.qq.com/miniprogram/dev/server/event_push/platform/authorized_user_information_changes
Each duty looks at the event's own time: data that came after it is newer consent, and stays. So an
event that comes twice does nothing more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wechat_login.accounts.claims import PhoneClaims
    from wechat_login.accounts.erasure import Erasure
    from wechat_login.accounts.profiles import Profiles

PHONE = "8"
# Nickname and avatar by the old button, the nickname keyboard, the avatar component.
PROFILE_FIELDS = {"6": ("nickname", "avatarUrl"), "19": ("nickname",), "20": ("avatarUrl",)}


@dataclass(frozen=True, slots=True)
class PlatformEvents:
    """Carries out what a user told WeChat, or WeChat decided about a user."""

    erasure: "Erasure"
    claims: "PhoneClaims"
    profiles: "Profiles"

    def carry_out(self, event: Mapping[str, str]) -> str:
        """Do what an event asks, and return what was done, for the log; `nothing` if unknown."""
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
