"""The people with simulated phones; a name is always the same person, even after a restart."""

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
class Account:
    """A person's WeChat account, shared by all mini programs of an Open Platform account."""

    user: str
    unionid: str
    phone: PhoneNumber
    blocked: bool = False
    risk_rank: int = 0

    @classmethod
    def derive(cls, open_platform: str, user: str) -> "Account":
        """Derive the account from the two names only."""
        digits = int.from_bytes(_digest(open_platform, "phone", user)) % 10**8
        return cls(
            user, _identifier(open_platform, "unionid", user), PhoneNumber(f"138{digits:08}")
        )


@dataclass(slots=True)
class Person:
    """A person in one mini program, with their own openid and session_key."""

    account: Account
    appid: str
    last_active: float = float("-inf")
    session_key: SessionKey | None = None

    @property
    def user(self) -> str:
        return self.account.user

    @property
    def openid(self) -> str:
        return _identifier(self.appid, "openid", self.user)

    @property
    def unionid(self) -> str:
        return self.account.unionid

    @property
    def phone(self) -> PhoneNumber:
        return self.account.phone

    @phone.setter
    def phone(self, number: PhoneNumber) -> None:
        self.account.phone = number

    @property
    def blocked(self) -> bool:
        return self.account.blocked

    @property
    def risk_rank(self) -> int:
        return self.account.risk_rank


def _identifier(*names: str) -> str:
    return "o" + base64.urlsafe_b64encode(_digest(*names)).decode()[:27]


def _digest(*names: str) -> bytes:
    return hashlib.sha256("\0".join(names).encode()).digest()
