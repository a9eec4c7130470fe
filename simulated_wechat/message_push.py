"""The message push in safe mode: WeChat sends events about users to the API.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push
https://developers.weixin.qq.com/miniprogram/dev/server/event_push/platform/authorized_user_information_changes
"""

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

EVENTS_PATH = "/wechat/events"

_BLOCK = 32
_SECONDS_TO_ANSWER = 5

Message = Mapping[str, str | int | list[str]]


def signature(*parts: str) -> str:
    """Sign the token, timestamp and nonce, in safe mode together with the Encrypt text."""
    # SHA-1 is WeChat's choice.
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def encrypt(message: bytes, aes_key: str, appid: str, prefix: bytes | None = None) -> str:
    """Encrypt a message for the holder of the EncodingAESKey; the prefix is 16 random bytes."""
    key = base64.b64decode(aes_key + "=")
    start = secrets.token_bytes(16) if prefix is None else prefix
    plaintext = start + struct.pack(">I", len(message)) + message + appid.encode()
    cipher = AES.new(key, AES.MODE_CBC, key[: AES.block_size])
    return base64.b64encode(cipher.encrypt(pad(plaintext, _BLOCK))).decode()


def as_text(fields: Message, *, as_xml: bool) -> str:
    """Write the fields as WeChat does: compact JSON, or XML with strings in CDATA.

    WeChat's pages show no list in XML; here each of its values is an element.
    """
    if not as_xml:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    values = {name: each if isinstance(each, list) else [each] for name, each in fields.items()}
    elements = (
        f"<{name}>{_xml_value(value)}</{name}>" for name, each in values.items() for value in each
    )
    return f"<xml>{''.join(elements)}</xml>"


def _xml_value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return f"<![CDATA[{value}]]>" if "]]>" not in value else escape(value)


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class MessagePush:
    """The address of pushes, and the secrets that sign and encrypt them."""

    api_url: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False)

    def send(self, message: Message, *, appid: str, openid: str, as_xml: bool) -> ApiAnswer:
        """Send one message as WeChat does, and return the API's answer."""
        moment = str(message["CreateTime"])
        encrypted = encrypt(as_text(message, as_xml=as_xml).encode(), self.aes_key, appid)
        envelope = {"ToUserName": str(message["ToUserName"]), "Encrypt": encrypted}
        query = self._signed_query(moment) | {"openid": openid, "encrypt_type": "aes"}
        query["msg_signature"] = signature(
            self.token, query["timestamp"], query["nonce"], encrypted
        )
        return self._call("POST", query, as_text(envelope, as_xml=as_xml))

    def check_url(self, moment: int, echostr: str) -> ApiAnswer:
        """Ask the API for an echo, as the console does when the address is saved."""
        return self._call("GET", self._signed_query(moment) | {"echostr": echostr})

    def _signed_query(self, moment: str | int) -> dict[str, str]:
        timestamp, nonce = str(moment), str(secrets.randbelow(10**10))
        return {
            "signature": signature(self.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }

    def _call(self, method: str, query: Mapping[str, str], body: str = "") -> ApiAnswer:
        address = urlsplit(self.api_url)
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = connect(address.netloc, timeout=_SECONDS_TO_ANSWER)
        try:
            connection.request(
                method,
                f"{address.path.rstrip('/')}{EVENTS_PATH}?{urlencode(query)}",
                body.encode() if body else None,
                {"Content-Type": "text/xml" if body.startswith("<") else "application/json"},
            )
            response = connection.getresponse()
            return ApiAnswer(response.status, response.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:
            raise ApiUnreachable from error
        finally:
            connection.close()


class ApiUnreachable(Exception):
    """The API did not answer the push."""
