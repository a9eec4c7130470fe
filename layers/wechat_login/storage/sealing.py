"""Encrypts personal data, and makes blind indexes by which encrypted data can be found.

A keyring is the JSON `{"current": id, "keys": {id: key}, "index": key}`, keys being 32 bytes in
base64. New values are sealed with the current key; a value names its key, so values sealed with
earlier keys stay readable. The index key never changes: a value must always have the same index.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any, Self

from wechat_login.errors import SealBroken
from wechat_login.frozen import frozen

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


@frozen
class Keyring:
    """Seals with AES-256-GCM (NIST SP 800-38D), indexes with HMAC-SHA256."""

    current: str
    keys: dict[str, bytes]
    index_key: bytes
    renewed: Callable[[], Self] | None = None

    @classmethod
    def from_json(cls, text: str, renewed: Callable[[], Self] | None = None) -> Self:
        """Read a keyring as `new_keyring` makes it.

        `renewed()` returns the keyring as SSM has it now, for a value whose key is not known yet.
        """
        ring = json.loads(text)
        keys = {key_id: base64.b64decode(key) for key_id, key in ring["keys"].items()}
        return cls(ring["current"], keys, base64.b64decode(ring["index"]), renewed)

    def seal(self, plain: str, *, context: str) -> str:
        """Encrypt `plain` so that it opens only under the same `context`, such as an item's key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._cipher(self.current, nonce, context)
        encrypted, tag = cipher.encrypt_and_digest(plain.encode())
        return f"{self.current}.{base64.urlsafe_b64encode(nonce + encrypted + tag).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """Decrypt a sealed value. Raises `SealBroken` if it was altered or its key is gone."""
        key_id, _, body = sealed.partition(".")
        if key_id not in self.keys and self.renewed is not None:
            return self.renewed().open(sealed, context=context)
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            cipher = self._cipher(key_id, raw[:NONCE_BYTES], context)
            plain: bytes = cipher.decrypt_and_verify(raw[NONCE_BYTES:-TAG_BYTES], raw[-TAG_BYTES:])
        except (KeyError, ValueError):
            raise SealBroken from None
        return plain.decode()

    def _cipher(self, key_id: str, nonce: bytes, context: str) -> Any:
        from Crypto.Cipher import AES  # noqa: PLC0415 - a login has a keyring, and seals nothing

        cipher = AES.new(self.keys[key_id], AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
        return cipher.update(context.encode())

    def blind_index(self, value: str) -> str:
        """Return the index of `value`, 64 hex digits, from which `value` cannot be read."""
        return hmac.new(self.index_key, value.encode(), hashlib.sha256).hexdigest()


def new_keyring() -> str:
    """Make a keyring with one sealing key and the index key, as JSON for SSM."""
    ring = {"current": "k1", "keys": {"k1": _new_key()}, "index": _new_key()}
    return json.dumps(ring)


def with_new_key(text: str) -> str:
    """Add a sealing key and make it current; earlier values stay readable."""
    ring = json.loads(text)
    ring["current"] = f"k{len(ring['keys']) + 1}"
    ring["keys"][ring["current"]] = _new_key()
    return json.dumps(ring)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
