"""The errors of the login functions, and their responses.

Only `api.endpoint` turns these into responses. `code` never changes, so clients branch on it;
`message` is for people. `facts` go only to the log; never put a secret, a code, a session_key, a
token or a phone number into them. docs/errors.md says when each occurs, and what a client does.
"""

import json


class LoginError(Exception):
    """An error that the caller may see, by default a bug of ours: its class decides the response.

    A class without a status and a code of its own has its parent's; the caller sees no difference.
    """

    status = 500
    code = "internal"
    message: str = "Something went wrong on our side."
    retry_after: int | None = None  # seconds, for the Retry-After header

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None) -> None:
        if status and code:
            cls.status, cls.code = status, code

    def __init__(self, **facts: object) -> None:
        super().__init__(self.code, facts)
        self.facts = facts
        self.response_fields: dict[str, object] = {}  # for the caller, beside code and message

    def __str__(self) -> str:
        """Return code and facts as JSON: Lambda's `errorMessage`, which `make doctor` reads."""
        return json.dumps({"code": self.code, **self.facts}, default=str)


class BadRequest(LoginError, status=400, code="bad_request"):
    """The request does not fit the route; the caller sees `reason`."""

    message = "The request is not valid for this route."

    def __init__(self, reason: str = message, **facts: object) -> None:
        super().__init__(**facts, reason=reason)
        self.message = reason


class SessionRequired(LoginError, status=401, code="session_required"):
    message = "Send the session as Authorization: Bearer."


class SessionInvalid(LoginError, status=401, code="session_invalid"):
    """The session is forged, revoked or expired, or its user is gone."""

    message = "The session is no longer valid. Log in again."


class PushRejected(LoginError, status=401, code="push_rejected"):
    """Not a new message push from WeChat: wrong signature, time or appid, or a replay."""

    message = "This is not a message push from WeChat."


class CodeRejected(LoginError, status=401, code="code_rejected"):
    """WeChat rejects this code: used, expired, another user's or of the wrong kind."""

    message = (
        "WeChat rejected the code. Get a new one: wx.login, or a new tap for the phone number."
    )


class TokenInvalid(LoginError, status=401, code="token_invalid"):
    message = "The token is not valid."


class SessionMismatch(LoginError, status=403, code="session_mismatch"):
    message = "The session belongs to another user."


class UserBlocked(LoginError, status=403, code="user_blocked"):
    """WeChat blocks this user as high-risk (errcode 40226), or the team has blocked the user."""

    message = "This user may not log in."


class PhoneTaken(LoginError, status=409, code="phone_taken"):
    """The number belongs to another account, and `PhoneConflict` is `reject`."""

    message = "This phone number belongs to another account."


class SessionKeyStale(LoginError, status=409, code="session_key_stale"):
    """`encryptedData` does not decrypt; every fault gets one answer, to reveal nothing."""

    message = "The phone data cannot be decrypted. Log in again, then ask the user to tap again."


class LegacyPhoneDisabled(LoginError, status=409, code="legacy_phone_disabled"):
    """`encryptedData` and `iv` were sent, but `LegacyPhone` is off."""

    message = "Send the phone code; encryptedData is not accepted here."


class PayloadTooLarge(LoginError, status=413, code="payload_too_large"):
    message = "The request body is too large."


class ContentRejected(LoginError, status=422, code="content_rejected"):
    """WeChat's content check finds this text risky."""

    message = "This text is not allowed."


class TooManyAttempts(LoginError, status=429, code="too_many_attempts"):
    """The caller must wait: a limit of WeChat's, counted by the minute, or of ours."""

    message = "Too many attempts. Wait before trying again."

    def __init__(self, *, retry_after: int = 60, **facts: object) -> None:
        super().__init__(**facts)
        self.retry_after = retry_after


class Misconfigured(LoginError, status=500, code="misconfigured"):
    """AppID, AppSecret, IP list, keys or permissions are wrong: an operator has to fix them."""

    message = "The service is not set up correctly. Its operators have been alerted."


class AppSecretRejected(Misconfigured):
    """WeChat rejects the AppSecret: wrong, or rotated since we read it."""


class SealBroken(Misconfigured):
    """A sealed value does not open: it was altered, or its key is gone."""


class WeChatUnavailable(LoginError, status=502, code="wechat_unavailable"):
    """WeChat gave no answer, an unreadable answer, or was busy."""

    message = "WeChat did not answer properly. Try again in a moment."


class AccessTokenRejected(WeChatUnavailable):
    """WeChat rejects the access token; `AccessTokens.call` retries once with another."""


class CheckUnavailable(WeChatUnavailable):
    """An optional check could not be made; its caller continues without the check."""


class StorageUnavailable(LoginError, status=503, code="storage_unavailable"):
    """DynamoDB or SSM did not answer in time, or throttled the call."""

    message = "The service is busy. Try again in a moment."
    retry_after = 2

    def __init__(self, *, receipt: str | None = None, **facts: object) -> None:
        super().__init__(**facts)
        if receipt:
            self.response_fields["receipt"] = receipt
