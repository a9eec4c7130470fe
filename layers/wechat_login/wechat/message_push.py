"""Checks and opens WeChat's message pushes, in safe mode.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from Crypto.Cipher import AES

from wechat_login.errors import PushRejected
from wechat_login.storage.table import Key, Put, Table

# PKCS#7 here pads to 32 bytes, twice AES's block.
BLOCK = 32
PREFIX_BYTES = 16
LENGTH_BYTES = 4
# A push is made just before it is sent; WeChat tries three times within seconds.
WINDOW_SECONDS = 300
ECHO = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A flat XML message is read by this, not by a parser that knows entities.
XML_FIELD = re.compile(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", re.DOTALL)


class MessagePush:
    """The message pushes of one mini program; what was opened once does not open again."""

    def __init__(
        self,
        table: Table,
        *,
        appid: str,
        token: Callable[[], str],
        aes_key: Callable[[], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Wire it: `token` and `aes_key` (43 characters) are those of WeChat's console."""
        self._table = table
        self._appid = appid
        self._token = token
        self._aes_key = aes_key
        self._now = now

    def echo(self, query: Mapping[str, str]) -> str:
        """Return `echostr`, by which the console checks this address, or raise `PushRejected`."""
        echostr = query.get("echostr", "")
        self._check(query, query.get("signature", ""))
        if not ECHO.fullmatch(echostr):
            raise PushRejected(why="echostr")
        return echostr

    def open(self, query: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the fields of a push, all as text, or raise `PushRejected`.

        `msg_signature` covers the content; `signature` does not, and is not looked at.
        """
        encrypted = fields(body.decode(errors="replace")).get("Encrypt", "")
        self._check(query, query.get("msg_signature", ""), encrypted)
        if self._table.get(self._replay_key(query)) is not None:
            raise PushRejected(why="replay")
        return fields(self._decrypt(encrypted))

    def done(self, query: Mapping[str, str]) -> None:
        """Remember a push that was acted upon; one that failed half-way may come again."""
        pk, sk = self._replay_key(query)
        expires_at = int(self._now()) + 2 * WINDOW_SECONDS
        self._table.write(Put({"pk": pk, "sk": sk, "expiresAt": expires_at}))

    def _check(self, query: Mapping[str, str], signature: str, *content: str) -> None:
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        ours = hashlib.sha1("".join(sorted([self._token(), timestamp, nonce, *content])).encode())  # noqa: S324 - WeChat's choice
        if not hmac.compare_digest(ours.hexdigest().encode(), signature.encode()):
            raise PushRejected(why="signature")
        if not timestamp.isdigit() or abs(self._now() - int(timestamp)) > WINDOW_SECONDS:
            raise PushRejected(why="timestamp")

    def _replay_key(self, query: Mapping[str, str]) -> Key:
        return f"PUSH#{self._appid}", query["msg_signature"]

    def _decrypt(self, encrypted: str) -> str:
        key = base64.b64decode(self._aes_key() + "=")
        try:
            ciphertext = base64.b64decode(encrypted, validate=True)
            padded = AES.new(key, AES.MODE_CBC, key[:16]).decrypt(ciphertext)
            padding = padded[-1]
            if not 1 <= padding <= BLOCK or padded[-padding:] != bytes([padding]) * padding:
                raise PushRejected(why="padding")
            plain = padded[PREFIX_BYTES:-padding]
            length = int.from_bytes(plain[:LENGTH_BYTES], "big")
            message, appid = plain[LENGTH_BYTES:][:length], plain[LENGTH_BYTES + length :]
            if appid.decode() != self._appid:
                raise PushRejected(why="appid")
            return message.decode()
        except (ValueError, IndexError):
            raise PushRejected(why="encryption") from None


def fields(message: str) -> dict[str, str]:
    """Read a flat message, JSON or XML, into text fields; what is no message has none."""
    text = message.strip()
    if text.startswith("<"):
        return {name: (data or plain).strip() for name, data, plain in XML_FIELD.findall(text)}
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    # WeChat's own sample has a blank in front of a value.
    return {str(name): str(value).strip() for name, value in content.items()}
