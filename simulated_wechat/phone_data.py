"""The phone number, encrypted as in WeChat's older interface.

https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature
"""

import base64
import hashlib
import hmac
import secrets

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad


def encrypt(plaintext: bytes, session_key: str, iv: str) -> str:
    """Encrypt with AES-128-CBC and PKCS#7; everything but the plaintext is base64."""
    cipher = AES.new(base64.b64decode(session_key), AES.MODE_CBC, base64.b64decode(iv))
    return base64.b64encode(cipher.encrypt(pad(plaintext, AES.block_size))).decode()


def new_iv() -> str:
    return base64.b64encode(secrets.token_bytes(AES.block_size)).decode()


def message_hash(encrypted_data: str) -> str:
    # https://developers.weixin.qq.com/minigame/dev/api-backend/open-api/user-info/auth.checkEncryptedData.html
    # The hash is of the base64 text, not of the decoded bytes.
    return hashlib.sha256(encrypted_data.encode()).hexdigest()


def session_signature(session_key: str, message: bytes = b"") -> str:
    # https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
    # The key is the base64 text of the session_key, not the decoded bytes.
    return hmac.new(session_key.encode(), message, hashlib.sha256).hexdigest()
