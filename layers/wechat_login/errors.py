"""What can go wrong, and what the caller is told about it.

    LoginError                  500  internal               a bug of ours
    ├── BadRequest              400  bad_request            the body is not what the route takes
    ├── SessionRequired         401  session_required       no session was sent
    ├── SessionInvalid          401  session_invalid        forged, revoked, expired, or erased
    ├── PushRejected            401  push_rejected          not a push of WeChat's
    ├── CodeRejected            401  code_rejected          WeChat will not exchange this code
    ├── TokenInvalid            401  token_invalid          not a token of ours, or expired
    ├── SessionMismatch         403  session_mismatch       the session belongs to another openid
    ├── UserBlocked             403  user_blocked           WeChat or the team refuses this user
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
`message` is for people. `facts` go to the log and nowhere else; never put a secret, a code, a
session_key, a token or a phone number into them.
"""

import json
from typing import ClassVar


class LoginError(Exception):
    """Something the caller may be told: by its class, not by its text."""

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
    """The request is not what the route takes; `reason` is shown to the caller."""

    status = 400
    code = "bad_request"
    message = "The request is not what this route takes."

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
    """Not a message push that WeChat has just made for us: signature, time, appid or replay."""

    status = 401
    code = "push_rejected"
    message = "This is not a message push of WeChat's."


class CodeRejected(LoginError):
    """WeChat will not exchange this code: used, expired, another user's or of the wrong kind."""

    status = 401
    code = "code_rejected"
    message = (
        "WeChat rejected the code. Get a new one: wx.login, or a new tap for the phone number."
    )


class TokenInvalid(LoginError):
    """The token is not one of ours, or no longer."""

    status = 401
    code = "token_invalid"
    message = "The token is not valid."


class SessionMismatch(LoginError):
    """The openid in the request is not the session's."""

    status = 403
    code = "session_mismatch"
    message = "The session belongs to another user."


class UserBlocked(LoginError):
    """WeChat refuses this user as high-risk (errcode 40226), or the team has blocked them."""

    status = 403
    code = "user_blocked"
    message = "This user may not log in."


class PhoneTaken(LoginError):
    """The number belongs to another account, and `PhoneConflict` is `reject`."""

    status = 409
    code = "phone_taken"
    message = "This phone number belongs to another account."


class SessionKeyStale(LoginError):
    """`encryptedData` does not open; one answer for every reason, so that nothing can be learnt."""

    status = 409
    code = "session_key_stale"
    message = "The phone data does not open. Log in again, then ask for another tap."


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
    """WeChat's limits, which count by the minute, or ours want this caller to wait."""

    status = 429
    code = "too_many_attempts"
    message = "Too many attempts. Wait before trying again."

    def __init__(self, *, retry_after: int = 60, **facts: object) -> None:
        super().__init__(**facts)
        self.retry_after = retry_after


class Misconfigured(LoginError):
    """AppID, AppSecret, IP list, keys or permissions are wrong: an operator has to act."""

    status = 500
    code = "misconfigured"
    message = "The service is not set up correctly. Its operators have been told."


class AppSecretRejected(Misconfigured):
    """WeChat refuses the AppSecret: wrong, or rotated since we read it."""


class SealBroken(Misconfigured):
    """A sealed value does not open: it was altered, or its key is gone."""


class WeChatUnavailable(LoginError):
    """WeChat gave no answer, nonsense, or said that it is busy."""

    status = 502
    code = "wechat_unavailable"
    message = "WeChat did not answer properly. Try again in a moment."


class AccessTokenRejected(WeChatUnavailable):
    """WeChat refuses the access token; `AccessTokens.call` recovers from this once."""


class CheckUnavailable(WeChatUnavailable):
    """An optional check could not be made; its caller goes on without it."""


class StorageUnavailable(LoginError):
    """DynamoDB or SSM did not answer in time, or asked us to slow down."""

    status = 503
    code = "storage_unavailable"
    message = "The service is busy. Try again in a moment."
    retry_after = 2

    def __init__(self, *, receipt: str | None = None, **facts: object) -> None:
        """Keep `facts` for the log, and `receipt`, if there is one, for the caller."""
        super().__init__(**facts)
        if receipt:
            self.response_fields["receipt"] = receipt
