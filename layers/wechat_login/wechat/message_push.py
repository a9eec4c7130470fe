"""Checks and decrypts WeChat's message pushes, in safe mode.

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
from wechat_login.frozen import frozen
from wechat_login.storage.table import Key, Put, Table

# PKCS#7 here pads to 32 bytes, twice AES's block.
BLOCK = 32
PREFIX_BYTES = 16
LENGTH_BYTES = 4
# The longest age of a push: WeChat sends it at once, three times within seconds.
WINDOW_SECONDS = 300
ECHO = re.compile(r"[A-Za-z0-9_-]{1,64}")
SIGNATURE = re.compile(r"[0-9a-f]{40}")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
# One field of a flat XML message, read by no parser that knows entities. CDATA ends at the first
# `]]>`: docs/decisions/0012.
XML_FIELD = re.compile(
    r"\s*<([A-Za-z_]\w*)>(?:<!\[CDATA\[(?>(.*?)\]\]>)|([^<]*))</\1>", re.DOTALL | re.ASCII
)


@frozen
class MessagePush:
    """Message pushes of our mini programs; what was opened once does not open again.

    All share `token` and `aes_key` (43 characters), those of WeChat's console, if any.
    """

    table: Table
    is_ours: Callable[[str], bool]
    token: Callable[[], str | None]
    aes_key: Callable[[], str | None]
    now: Callable[[], float] = time.time

    def echo(self, query: Mapping[str, str]) -> str:
        """Return `echostr`, with which the console checks this address, or raise `PushRejected`."""
        self._check_form(query, "signature")
        self._check_signature(query, "signature")
        echostr = query.get("echostr", "")
        if not ECHO.fullmatch(echostr):
            raise PushRejected(why="echostr")
        return echostr

    def open(self, query: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the fields of an event, all as text, or raise `PushRejected`.

        `AppID` is that of the mini program which the push was encrypted for, and one of ours.

        Of any other message, such as a text that a user wrote, there are none: it obliges to
        nothing. `msg_signature` covers the content; `signature` does not, and is not looked at.
        """
        # Checked before the body is read: the body may have any type and size.
        self._check_form(query, "msg_signature")
        encrypted = fields(body.decode(errors="replace")).get("Encrypt", "")
        self._check_signature(query, "msg_signature", encrypted)
        if self.table.get(self._replay_key(query)) is not None:
            raise PushRejected(why="replay")
        appid, text = self._decrypt(encrypted)
        message = {"AppID": appid, **fields(text)}
        if message["AppID"] != appid:
            raise PushRejected(why="another appid")
        return message if message.get("MsgType") == "event" else {}

    def done(self, query: Mapping[str, str]) -> None:
        """Remember a push that was carried out; a push that failed half-way may come again."""
        pk, sk = self._replay_key(query)
        expires_at = int(self.now()) + 2 * WINDOW_SECONDS
        self.table.write(Put({"pk": pk, "sk": sk, "expiresAt": expires_at}))

    def _check_form(self, query: Mapping[str, str], signature: str) -> None:
        if not SIGNATURE.fullmatch(query.get(signature, "")):
            raise PushRejected(why="signature")
        timestamp = query.get("timestamp", "")
        if not TIMESTAMP.fullmatch(timestamp) or abs(self.now() - int(timestamp)) > WINDOW_SECONDS:
            raise PushRejected(why="timestamp")

    def _check_signature(self, query: Mapping[str, str], signature: str, *content: str) -> None:
        token = self.token()
        if token is None:
            raise PushRejected(why="no event-token")
        signed = "".join(sorted([token, query["timestamp"], query.get("nonce", ""), *content]))
        # SHA-1 is WeChat's choice.
        ours = hashlib.sha1(signed.encode(errors="replace"), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(ours, query[signature]):
            raise PushRejected(why="signature")

    def _replay_key(self, query: Mapping[str, str]) -> Key:
        return f"PUSH#{query['msg_signature']}", "SEEN"

    def _decrypt(self, encrypted: str) -> tuple[str, str]:
        """Return the AppID that stands behind the message, and the message."""
        aes_key = self.aes_key()
        if aes_key is None:
            raise PushRejected(why="no event-aes-key")
        try:
            key = base64.b64decode(aes_key + "=")
            ciphertext = base64.b64decode(encrypted, validate=True)
            padded = AES.new(key, AES.MODE_CBC, key[:16]).decrypt(ciphertext)
            padding = padded[-1]
            if not 1 <= padding <= BLOCK or padded[-padding:] != bytes([padding]) * padding:
                raise PushRejected(why="padding")
            plain = padded[PREFIX_BYTES:-padding]
            length = int.from_bytes(plain[:LENGTH_BYTES], "big")
            message = plain[LENGTH_BYTES:][:length].decode()
            appid = plain[LENGTH_BYTES + length :].decode()
        except (ValueError, IndexError):
            raise PushRejected(why="encryption") from None
        if not self.is_ours(appid):
            raise PushRejected(why="appid")
        return appid, message


def fields(message: str) -> dict[str, str]:
    """Read a flat message, JSON or XML, into text fields; any other text has none.

    Raises `PushRejected` if a name comes twice: one of the two may be a user's.
    """
    text = message.strip()
    if text.startswith("<"):
        return _unambiguous(_xml_fields(text))
    try:
        content: Any = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _xml_fields(text: str) -> list[tuple[str, str]]:
    """Return the names and values of `<xml>…</xml>`, or nothing if any part of it is no field."""
    content = text.removeprefix("<xml>").removesuffix("</xml>")
    if len(content) != len(text) - len("<xml></xml>"):
        return []
    found, end = [], 0
    while field := XML_FIELD.match(content, end):
        name, data, plain = field.groups("")
        found.append((name, data or plain))
        end = field.end()
    return [] if content[end:].strip() else found


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, str]:
    if len(dict(pairs)) != len(pairs):
        raise PushRejected(why="a name twice")
    # WeChat's own sample has a space before a value.
    return {name: str(value).strip() for name, value in pairs}
