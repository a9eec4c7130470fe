"""Sessions: opaque credentials of a user, stored in the user's item by hash only.

A session is the text `<appid>.<openid>.<secret>`; its sid is the SHA-256 of the secret. The user's
item has `sessions`, a map from sid to `createdAt` and `usedAt`: no session outlives its user.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from wechat_login.accounts.users import User, Users
from wechat_login.errors import SessionInvalid, SessionMismatch, UserBlocked
from wechat_login.frozen import frozen
from wechat_login.storage.table import ConditionFailed, Table, Update

SECRET_BYTES = 32
DAY = 86_400
# The longest life, however often the session is used: a stolen session ends too.
LONGEST_LIFE = 180 * DAY
# WeChat documents neither length nor alphabet of an openid, so this pattern is lenient.
SHAPE = re.compile(r"(wx[0-9a-f]{16})\.([A-Za-z0-9_-]{1,128})\.([A-Za-z0-9_-]{43})")


@frozen
class Session:
    """A valid session and its user."""

    sid: str
    user: User
    created_at: int
    used_at: int
    expires_at: int

    @property
    def id(self) -> str:
        """Return the session's id in the API: not the sid, because tokens contain the sid."""
        return _base64url(hashlib.sha256(self.sid.encode()).digest()[:12])

    def shown(self, current: "Session") -> dict[str, object]:
        """Return the session as the API shows it; `lastUsedAt` is exact to the day."""
        return {
            "id": self.id,
            "createdAt": self.created_at,
            "lastUsedAt": self.used_at,
            "expiresAt": self.expires_at,
            "current": self.sid == current.sid,
        }


@frozen
class Credential:
    """A new session: its text, which only the client gets, and its sid."""

    text: str
    sid: str

    @classmethod
    def new(cls, appid: str, openid: str) -> "Credential":
        secret = _base64url(secrets.token_bytes(SECRET_BYTES))
        return cls(f"{appid}.{openid}.{secret}", _sid(secret))


@frozen
class Sessions:
    """The sessions; each ends `days` after its last use."""

    table: Table
    users: Users
    days: int
    now: Callable[[], float] = time.time

    @property
    def lifetime(self) -> int:
        """Return the seconds that a session is valid after its last use."""
        return min(self.days * DAY, LONGEST_LIFE)

    def authenticate(self, presented: str, openid: str | None = None) -> Session:
        """Return the session that a client sent, and extend it at most once a day.

        Raises `SessionInvalid` if it is forged, revoked or expired, `UserBlocked` if a block ended
        it, and `SessionMismatch` if it belongs to another user than `openid`.
        """
        parts = SHAPE.fullmatch(presented)
        if parts is None:
            raise SessionInvalid(why="shape")
        appid, owner, secret = parts.groups()
        # An openid is no secret, so comparing it first reveals nothing.
        if openid is not None and owner != openid:
            raise SessionMismatch
        session = self._find(appid, owner, _sid(secret))
        if int(self.now()) - session.used_at >= min(DAY, self.lifetime // 2):
            self._extend(session)
        return session

    def resume(self, appid: str, openid: str, sid: str, user_id: str) -> Session:
        """Return the session that a token names, without extending it.

        Raises `SessionInvalid` if it was revoked or has expired, or its user has another userId,
        and `UserBlocked` if a block ended it.
        """
        session = self._find(appid, openid, sid)
        if session.user.user_id != user_id:
            raise SessionInvalid(why="another user")
        return session

    def of_account(self, session: Session) -> list[Session]:
        """Return the valid sessions of the account, newest first, those of linked openids too."""
        found = [each for user in self._linked(session.user) for each in self.of_user(user)]
        return sorted(found, key=lambda each: -each.created_at)

    def of_user(self, user: User) -> list[Session]:
        """Return the valid sessions of one openid, most recently used first."""
        found = [self._read(user, sid, times) for sid, times in user.sessions.items()]
        valid = [each for each in found if each.expires_at > self.now()]
        return sorted(valid, key=lambda each: (-each.used_at, -each.created_at, each.sid))

    def end(self, session: Session) -> None:
        """End one session, if it has not ended yet."""
        change = Update(
            session.user.key,
            "REMOVE sessions.#sid",
            "attribute_exists(sessions)",
            names={"#sid": session.sid},
        )
        # The user was erased together with the session.
        with suppress(ConditionFailed):
            self.table.write(change)

    def end_named(self, session: Session, id_: str) -> None:
        """End the session of the same account that has this id, if there is one."""
        for each in self.of_account(session):
            if each.id == id_:
                self.end(each)

    def end_all(self, user: User) -> None:
        """End every session of the account, those of linked openids too."""
        # The user may have left the account since they were read.
        own = {user.key: user} | {each.key: each for each in self._linked(user)}
        for key in own:
            change = Update(key, "SET sessions = :none", "attribute_exists(pk)", {":none": {}})
            with suppress(ConditionFailed):
                self.table.write(change)

    def _linked(self, user: User) -> list[User]:
        """Return the users of this mini program that share the userId, read now."""
        return [each for each in self.users.with_id(user.user_id) if each.appid == user.appid]

    def _find(self, appid: str, openid: str, sid: str) -> Session:
        user = self.users.find(appid, openid)
        times = user.sessions.get(sid) if user else None
        if user and user.is_blocked(self.now()) and sid in user.blocked.get("sids", ()):
            raise UserBlocked(why="by the team")
        if user is None or times is None:
            raise SessionInvalid(why="unknown or revoked")
        session = self._read(user, sid, times)
        if session.expires_at <= self.now():
            raise SessionInvalid(why="expired")
        return session

    def _read(self, user: User, sid: str, times: Mapping[str, int]) -> Session:
        created_at, used_at = times["createdAt"], times["usedAt"]
        expires_at = min(used_at + self.lifetime, created_at + LONGEST_LIFE)
        return Session(sid, user, created_at, used_at, expires_at)

    def _extend(self, session: Session) -> None:
        change = Update(
            session.user.key,
            "SET sessions.#sid.usedAt = :now",
            "attribute_exists(sessions.#sid)",
            {":now": int(self.now())},
            {"#sid": session.sid},
        )
        try:
            self.table.write(change)
        except ConditionFailed:
            # The session was revoked after it was read: this write must not restore it.
            raise SessionInvalid(why="revoked meanwhile") from None


def _sid(secret: str) -> str:
    return _base64url(hashlib.sha256(secret.encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
