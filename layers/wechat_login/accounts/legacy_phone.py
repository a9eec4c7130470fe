"""Opens `encryptedData`, the older way in which WeChat hands out a phone number.

It is AES-128-CBC that nothing authenticates, so a client can change it and watch what we answer.
Therefore every failure is the one `SessionKeyStale`, attempts are counted, and WeChat is asked
whether it made the data at all. Only the parts of the number that lie behind the first block are
used: the first 16 bytes can be rewritten through the iv without WeChat noticing.
https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Crypto.Cipher import AES

from wechat_login.errors import BadRequest, SealBroken, SessionKeyStale
from wechat_login.wechat.phone_number import PhoneNumber

if TYPE_CHECKING:
    from wechat_login.accounts.users import User
    from wechat_login.storage.sealing import Keyring

BLOCK = 16
# The user's tap may lie this far back, and WeChat's clock that far ahead of ours.
OLDEST_SECONDS = 600
AHEAD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class LegacyPhone:
    """Keeps the session_keys of users, sealed, and opens their phone data."""

    keyring: "Callable[[], Keyring]"
    made_by_wechat: Callable[[str, str], bool]  # AppID, encryptedData
    now: Callable[[], float] = time.time

    def seal_session_key(self, openid: str, session_key: str) -> str:
        """Return a session_key so that it opens for no other user or purpose."""
        return self.keyring().seal(session_key, context=_context(openid))

    def number(self, user: "User", encrypted_data: str, iv: str) -> PhoneNumber:
        """Return the number, or raise `SessionKeyStale` for whatever is wrong with the data."""
        # Form and query encoding turn a plus into a blank; base64 has no blanks, so this is safe.
        encrypted_data, iv = encrypted_data.replace(" ", "+"), iv.replace(" ", "+")
        try:
            sealed = user.sealed_session_key or ""
            session_key = self.keyring().open(sealed, context=_context(user.openid))
            number = self._checked(user, decrypt(encrypted_data, iv, session_key))
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            number = None
        except (BadRequest, SealBroken):
            number = None
        # Asked even where opening failed, so that the answer takes as long.
        if not self.made_by_wechat(user.appid, encrypted_data) or number is None:
            raise SessionKeyStale
        return number

    def _checked(self, user: "User", data: dict[str, Any]) -> PhoneNumber:
        watermark = data["watermark"]
        age = self.now() - int(watermark["timestamp"])
        if watermark["appid"] != user.appid or not -AHEAD_SECONDS <= age <= OLDEST_SECONDS:
            raise ValueError("watermark")
        number = PhoneNumber.from_wechat(data)
        # Demanded, because its name lies in the first block: the iv could have renamed it.
        shown = str(data["phoneNumber"]).lstrip("+")
        if shown not in (number.national, number.e164.lstrip("+")):
            raise ValueError("phoneNumber")
        return number


def decrypt(encrypted_data: str, iv: str, session_key: str) -> dict[str, Any]:
    """Decrypt WeChat's data, all three in base64. Raises `ValueError`, of no telling kind.

    Unlike WeChat's own sample this checks the whole padding and refuses a name that comes twice.
    """
    ciphertext, vector, key = (
        base64.b64decode(text, validate=True) for text in (encrypted_data, iv, session_key)
    )
    if len(key) != BLOCK or len(vector) != BLOCK or not ciphertext:
        raise ValueError("length")
    padded = AES.new(key, AES.MODE_CBC, vector).decrypt(ciphertext)
    padding = padded[-1]
    if not 1 <= padding <= BLOCK or padded[-padding:] != bytes([padding]) * padding:
        raise ValueError("padding")
    data = json.loads(padded[:-padding].decode(), object_pairs_hook=_without_duplicates)
    if not isinstance(data, dict):
        raise TypeError("no object")
    return data


def _context(openid: str) -> str:
    return f"session_key {openid}"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate")
    return dict(pairs)
