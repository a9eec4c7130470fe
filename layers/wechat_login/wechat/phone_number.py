"""A phone number: as WeChat gives it, as E.164, and masked."""

import re
from collections.abc import Mapping

from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
LONG = 10


@frozen
class PhoneNumber:
    """A country code such as `86` and a national number such as `13800138000`."""

    country_code: str
    national: str
    given_at: int = 0  # when the user gave it, in Unix seconds

    @classmethod
    def from_wechat(cls, info: Mapping[str, object]) -> "PhoneNumber":
        """Read `countryCode` (text or number) and `purePhoneNumber`.

        `phoneNumber` is not used: its form differs by country. Raises `BadRequest` if the two make
        no E.164 number, for example because of a space or dash after a trunk zero.
        """
        country_code = str(info.get("countryCode", "")).strip().lstrip("+")
        watermark = info.get("watermark")
        given_at = watermark.get("timestamp") if isinstance(watermark, dict) else 0
        number = cls(
            country_code,
            str(info.get("purePhoneNumber", "")),
            given_at if isinstance(given_at, int) else 0,
        )
        if not country_code or not E164.fullmatch(number.e164):
            raise BadRequest("WeChat gave a phone number that is not in international form.")
        return number

    @classmethod
    def from_text(cls, text: str) -> "PhoneNumber":
        country_code, _, national = text.partition(" ")
        return cls(country_code, national)

    def to_text(self) -> str:
        """Return the number as text for sealing, with its parts separate."""
        return f"{self.country_code} {self.national}"

    @property
    def e164(self) -> str:
        """Return the number in international form: `+8613800138000`."""
        return f"+{self.country_code}{self.national}"

    @property
    def masked(self) -> str:
        """Return `138******00`: the first three and last two digits, or two and two if it is short.

        https://developers.weixin.qq.com/miniprogram/product/ sets this form.
        """
        first = 3 if len(self.national) >= LONG else 2
        hidden = len(self.national) - first - 2
        if hidden <= 0:
            return "****"
        return f"{self.national[:first]}{'*' * hidden}{self.national[-2:]}"
