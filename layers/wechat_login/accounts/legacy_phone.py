"""Decrypts `encryptedData`, WeChat's older way to give a phone number.

The cipher is AES-128-CBC without authentication, so a client can change the data and watch our
answers. Therefore every failure is `SessionKeyStale`, attempts are counted, and WeChat is asked
whether it made the data. Only parts of the number behind the first AES block are used: an attacker
can rewrite the first 16 bytes through the iv, and WeChat does not notice.
https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from Crypto.Cipher import AES

from wechat_login.accounts.users import User
from wechat_login.errors import BadRequest, SealBroken, SessionKeyStale
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.wechat.phone_number import PhoneNumber

BLOCK = 16
# The user's tap may be this old, and WeChat's clock may be this far ahead of ours.
OLDEST_SECONDS = 600
AHEAD_SECONDS = 60


@frozen
class LegacyPhone:
    """Keeps the session_keys of users, sealed, and opens their phone data."""

    keyring: Callable[[], Keyring]
    made_by_wechat: Callable[[str, str], bool]  # AppID, encryptedData
    now: Callable[[], float] = time.time

    def seal_session_key(self, openid: str, session_key: str) -> str:
        """Seal a session_key so that it opens for no other user or purpose."""
        return self.keyring().seal(session_key, context=_context(openid))

    def number(self, user: User, encrypted_data: str, iv: str) -> PhoneNumber:
        """Return the number, or raise `SessionKeyStale` for any fault in the data."""
        # Form and query encoding turn a plus into a space; base64 has no spaces, so this is safe.
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

    def _checked(self, user: User, data: dict[str, Any]) -> PhoneNumber:
        watermark = data["watermark"]
        age = self.now() - int(watermark["timestamp"])
        if watermark["appid"] != user.appid or not -AHEAD_SECONDS <= age <= OLDEST_SECONDS:
            raise ValueError("watermark")
        number = PhoneNumber.from_wechat(data)
        # Required: its key lies in the first AES block, which an attacker can rewrite by the IV.
        shown = str(data["phoneNumber"]).lstrip("+")
        if shown not in (number.national, number.e164.lstrip("+")):
            raise ValueError("phoneNumber")
        return number


def decrypt(encrypted_data: str, iv: str, session_key: str) -> dict[str, Any]:
    """Decrypt WeChat's data, all three in base64. Raises the same `ValueError` for each fault.

    Unlike WeChat's own sample, check the whole padding, and reject a key that comes twice.
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
