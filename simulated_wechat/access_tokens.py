"""WeChat's two kinds of access_token, which are independent of each other.

https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken
https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from simulated_wechat.answers import Refusal
from simulated_wechat.quotas import day_of

LIFETIME = 7200
OVERLAP = 300
FORCED_A_DAY = 20
SECONDS_BETWEEN_FORCED = 30

_SHAPE = re.compile(r"[0-9]{1,4}_[A-Za-z0-9_-]{100,507}")


@dataclass(slots=True)
class _Token:
    stable: bool
    expires_at: float
    ends_at: float
    text: str = field(default_factory=lambda: f"92_{secrets.token_urlsafe(100)}", repr=False)


class AccessTokens:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._issued: dict[str, _Token] = {}
        self._stable: _Token | None = None
        self._plain: _Token | None = None
        self._forced_at: list[float] = []

    def stable(self, *, force: bool) -> dict[str, object]:
        """Return the same token until its last five minutes, or a new one if force is allowed."""
        if force and self._may_force():
            self._forced_at.append(self._now())
            self._end_stable_tokens()
        moment = self._now()
        if self._stable is None or self._stable.ends_at - moment < OVERLAP:
            # The former token stays valid until its own end, so both work for these minutes.
            self._stable = self._issue(moment, stable=True)
        return _as_answered(self._stable, moment)

    def plain(self) -> dict[str, object]:
        """Return a new token each time; the one before it works for five more minutes."""
        moment = self._now()
        if self._plain is not None:
            self._plain.ends_at = min(self._plain.ends_at, moment + OVERLAP)
        self._plain = self._issue(moment, stable=False)
        return _as_answered(self._plain, moment)

    def issued(self, text: str) -> bool:
        """Return whether a token is this mini program's, valid or expired."""
        return text in self._issued

    def check(self, text: str) -> None:
        """Reject a token that WeChat would reject in a business call."""
        if not text:
            raise Refusal(41001)
        if not _SHAPE.fullmatch(text):
            raise Refusal(40014)
        token = self._issued.get(text)
        if token is None:
            raise Refusal(40001)
        if self._now() >= token.expires_at:
            raise Refusal(42001)
        if self._now() >= token.ends_at:
            raise Refusal(40001)

    def _may_force(self) -> bool:
        # https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken
        # WeChat does not reject forced refreshes that come too often; the token stays the same.
        rested = all(self._now() - at >= SECONDS_BETWEEN_FORCED for at in self._forced_at[-1:])
        today = sum(day_of(at) == day_of(self._now()) for at in self._forced_at)
        return rested and today < FORCED_A_DAY

    def _end_stable_tokens(self) -> None:
        for token in self._issued.values():
            if token.stable:
                token.ends_at = min(token.ends_at, self._now())

    def _issue(self, moment: float, *, stable: bool) -> _Token:
        end = moment + LIFETIME
        token = _Token(stable=stable, expires_at=end, ends_at=end)
        self._issued[token.text] = token
        return token


def _as_answered(token: _Token, moment: float) -> dict[str, object]:
    return {"access_token": token.text, "expires_in": int(token.expires_at - moment)}
