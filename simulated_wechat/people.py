"""The people who hold the simulated phones: one name is one person, also after a restart."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

MAINLAND = "86"


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    national: str
    country_code: str = MAINLAND

    @property
    def e164(self) -> str:
        return f"+{self.country_code}{self.national}"

    def as_wechat_tells_it(self) -> dict[str, str]:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
        # Only foreign numbers carry the area code in phoneNumber.
        return {
            "phoneNumber": self.national if self.country_code == MAINLAND else self.e164,
            "purePhoneNumber": self.national,
            "countryCode": self.country_code,
        }


@dataclass(slots=True)
class SessionKey:
    made_at: float
    expires_at: float
    text: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(16)).decode(), repr=False
    )


@dataclass(slots=True)
class Person:
    user: str
    openid: str
    unionid: str
    phone: PhoneNumber
    blocked: bool = False
    risk_rank: int = 0
    last_active: float = float("-inf")
    session_key: SessionKey | None = None

    @classmethod
    def of(cls, appid: str, user: str) -> "Person":
        """Derive who this user is from nothing but the two names."""
        return cls(
            user=user,
            openid=_identifier(appid, "openid", user),
            unionid=_identifier(appid, "unionid", user),
            phone=PhoneNumber(f"138{int.from_bytes(_digest(appid, 'phone', user)) % 10**8:08}"),
        )


def _identifier(*names: str) -> str:
    return "o" + base64.urlsafe_b64encode(_digest(*names)).decode()[:27]


def _digest(*names: str) -> bytes:
    return hashlib.sha256("\0".join(names).encode()).digest()
