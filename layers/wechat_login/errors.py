"""The errors of the login functions, and their responses.

    LoginError                  500  internal               a bug of ours
    ├── BadRequest              400  bad_request            the request does not fit the route
    ├── SessionRequired         401  session_required       no session was sent
    ├── SessionInvalid          401  session_invalid        forged, revoked, expired, or erased
    ├── PushRejected            401  push_rejected          not a push of WeChat's
    ├── CodeRejected            401  code_rejected          WeChat rejects this code
    ├── TokenInvalid            401  token_invalid          not a token of ours, or expired
    ├── SessionMismatch         403  session_mismatch       the session belongs to another openid
    ├── UserBlocked             403  user_blocked           WeChat blocks this user as high-risk
    ├── PhoneTaken              409  phone_taken            the number belongs to another account
    ├── SessionKeyStale         409  session_key_stale      encryptedData does not open
    ├── LegacyPhoneDisabled     409  legacy_phone_disabled  encryptedData is switched off
    ├── PayloadTooLarge         413  payload_too_large      the body is larger than any route needs
    ├── ContentRejected         422  content_rejected       WeChat finds this text risky
    ├── TooManyAttempts         429  too_many_attempts      this caller has to wait
    ├── Misconfigured           500  misconfigured          for the operator: see the alarm
    │   ├── AppSecretRejected                               the AppSecret may have been rotated
    │   └── SealBroken                                      a sealed value does not open
    ├── WeChatUnavailable       502  wechat_unavailable     no answer, nonsense, or busy
    │   ├── AccessTokenRejected                             the access token may have been replaced
    │   └── CheckUnavailable                                an optional check could not be made
    └── StorageUnavailable      503  storage_unavailable    DynamoDB or SSM did not answer in time

Only `api.endpoint` turns these into responses. `code` never changes, so clients branch on it;
`message` is for people. `facts` go only to the log; never put a secret, a code, a session_key, a
token or a phone number into them.
"""

import json
from typing import ClassVar


class LoginError(Exception):
    """An error that the caller may see: its class decides the response, not its text."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    message: str = "Something went wrong on our side."
    retry_after: int | None = None  # seconds, for the Retry-After header

    def __init__(self, **facts: object) -> None:
        """Keep `facts` for the log."""
        super().__init__(self.code, facts)
        self.facts = facts
        self.response_fields: dict[str, object] = {}  # for the caller, beside code and message

    def __str__(self) -> str:
        """Return code and facts as JSON: Lambda's `errorMessage`, which `make doctor` reads."""
        return json.dumps({"code": self.code, **self.facts}, default=str)


class BadRequest(LoginError):
    """The request does not fit the route; the caller sees `reason`."""

    status = 400
    code = "bad_request"
    message = "The request is not valid for this route."

    def __init__(self, reason: str = message, **facts: object) -> None:
        super().__init__(**facts, reason=reason)
        self.message = reason


class SessionRequired(LoginError):
    """The route needs `Authorization: Bearer <session>` and got none."""

    status = 401
    code = "session_required"
    message = "Send the session as Authorization: Bearer."


class SessionInvalid(LoginError):
    """The session is forged, revoked or expired, or its user is gone."""

    status = 401
    code = "session_invalid"
    message = "The session is no longer valid. Log in again."


class PushRejected(LoginError):
    """Not a new message push from WeChat: wrong signature, time or appid, or a replay."""

    status = 401
    code = "push_rejected"
    message = "This is not a message push from WeChat."


class CodeRejected(LoginError):
    """WeChat rejects this code: used, expired, another user's or of the wrong kind."""

    status = 401
    code = "code_rejected"
    message = (
        "WeChat rejected the code. Get a new one: wx.login, or a new tap for the phone number."
    )


class TokenInvalid(LoginError):
    """The token is not ours, or has expired."""

    status = 401
    code = "token_invalid"
    message = "The token is not valid."


class SessionMismatch(LoginError):
    """The openid in the request is not the session's."""

    status = 403
    code = "session_mismatch"
    message = "The session belongs to another user."


class UserBlocked(LoginError):
    """WeChat blocks this user as high-risk (errcode 40226). Retrying does not help."""

    status = 403
    code = "user_blocked"
    message = "WeChat does not allow this user to log in."


class PhoneTaken(LoginError):
    """The number belongs to another account, and `PhoneConflict` is `reject`."""

    status = 409
    code = "phone_taken"
    message = "This phone number belongs to another account."


class SessionKeyStale(LoginError):
    """`encryptedData` does not decrypt; every fault gets one answer, to reveal nothing."""

    status = 409
    code = "session_key_stale"
    message = "The phone data cannot be decrypted. Log in again, then ask the user to tap again."


class LegacyPhoneDisabled(LoginError):
    """`encryptedData` and `iv` were sent, but `LegacyPhone` is off."""

    status = 409
    code = "legacy_phone_disabled"
    message = "Send the phone code; encryptedData is not accepted here."


class PayloadTooLarge(LoginError):
    """The body is larger than any route needs."""

    status = 413
    code = "payload_too_large"
    message = "The request body is too large."


class ContentRejected(LoginError):
    """WeChat's content check finds this text risky."""

    status = 422
    code = "content_rejected"
    message = "This text is not allowed."


class TooManyAttempts(LoginError):
    """The caller must wait: a limit of WeChat's, counted by the minute, or of ours."""

    status = 429
    code = "too_many_attempts"
    message = "Too many attempts. Wait before trying again."

    def __init__(self, *, retry_after: int = 60, **facts: object) -> None:
        super().__init__(**facts)
        self.retry_after = retry_after


class Misconfigured(LoginError):
    """AppID, AppSecret, IP list, keys or permissions are wrong: an operator has to fix them."""

    status = 500
    code = "misconfigured"
    message = "The service is not set up correctly. Its operators have been alerted."


class AppSecretRejected(Misconfigured):
    """WeChat rejects the AppSecret: wrong, or rotated since we read it."""


class SealBroken(Misconfigured):
    """A sealed value does not open: it was altered, or its key is gone."""


class WeChatUnavailable(LoginError):
    """WeChat gave no answer, an unreadable answer, or was busy."""

    status = 502
    code = "wechat_unavailable"
    message = "WeChat did not answer properly. Try again in a moment."


class AccessTokenRejected(WeChatUnavailable):
    """WeChat rejects the access token; `AccessTokens.call` retries once with another."""


class CheckUnavailable(WeChatUnavailable):
    """An optional check could not be made; its caller continues without the check."""


class StorageUnavailable(LoginError):
    """DynamoDB or SSM did not answer in time, or throttled the call."""

    status = 503
    code = "storage_unavailable"
    message = "The service is busy. Try again in a moment."
    retry_after = 2

    def __init__(self, *, receipt: str | None = None, **facts: object) -> None:
        """Keep `facts` for the log, and `receipt`, if any, for the caller."""
        super().__init__(**facts)
        if receipt:
            self.response_fields["receipt"] = receipt
