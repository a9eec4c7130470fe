"""Opens, checks and revokes sessions: opaque, several a user, known to the table by hash only.

    pk                        sk               holds
    USER#<appid>#<openid>     SESSION#<sid>    createdAt, slidAt, expiresAt

The session is `<openid>.<secret>`; its sid is the secret's SHA-256. It lies under its user's key,
so erasing the user takes it along.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from wechat_login.accounts.users import User, user_key
from wechat_login.errors import SessionInvalid, SessionMismatch
from wechat_login.storage.table import ConditionFailed, Delete, Key, Put, Table, Update

PREFIX = "SESSION#"
SECRET_BYTES = 32
DAY = 86_400
# An openid's length and alphabet are observed, not promised, so this is lenient.
SHAPE = re.compile(r"([A-Za-z0-9_-]{1,128})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as it is made: `text` goes to the client once, `record` to the table."""

    sid: str
    text: str = field(repr=False)
    expires_in: int
    record: Put = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was presented and holds, with the user it belongs to."""

    sid: str
    user: User

    @property
    def key(self) -> Key:
        """Where the session lies in the table."""
        return self.user.key[0], PREFIX + self.sid


class Sessions:
    """The sessions of one mini program; each ends `days` after its last use."""

    def __init__(
        self, table: Table, *, appid: str, days: int, now: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._appid = appid
        self._lifetime = days * DAY
        self._now = now

    def open(self, openid: str) -> NewSession:
        """Make a session; it holds once its record is written, with the user's own."""
        secret = _base64url(secrets.token_bytes(SECRET_BYTES))
        sid, now = _sid(secret), int(self._now())
        pk, _ = user_key(self._appid, openid)
        record = Put(
            {
                "pk": pk,
                "sk": PREFIX + sid,
                "createdAt": now,
                "slidAt": now,
                "expiresAt": now + self._lifetime,
            }
        )
        return NewSession(sid, f"{openid}.{secret}", self._lifetime, record)

    def authenticate(self, presented: str, openid: str | None = None) -> Session:
        """Return the session that was presented, and slide it at most once a day.

        Raises `SessionInvalid` for what is forged, revoked or expired, `SessionMismatch` when it
        belongs to somebody else than `openid`.
        """
        parts = SHAPE.fullmatch(presented)
        if parts is None:
            raise SessionInvalid(why="shape")
        owner, secret = parts.groups()
        # An openid is no secret, so nothing is lost by comparing it first.
        if openid is not None and owner != openid:
            raise SessionMismatch
        session, slid_at = self._check(owner, _sid(secret))
        if int(self._now()) - slid_at >= DAY:
            self._slide(session.key)
        return session

    def resume(self, openid: str, sid: str, user_id: str) -> Session:
        """Return the session that a token names, without sliding it.

        Raises `SessionInvalid` where it was revoked, has expired, or its user is another by now.
        """
        session, _ = self._check(openid, sid)
        if session.user.user_id != user_id:
            raise SessionInvalid(why="another user")
        return session

    def of(self, session: Session) -> list[dict[str, object]]:
        """Return the sessions of the same user that still hold, as shown to them, newest first."""
        items = self._table.query(session.user.key[0], PREFIX)
        held = [item for item in items if item["expiresAt"] > self._now()]
        return [
            {
                "createdAt": item["createdAt"],
                "lastUsedAt": item["slidAt"],  # to the day
                "expiresAt": item["expiresAt"],
                "current": item["sk"] == session.key[1],
            }
            for item in sorted(held, key=lambda item: -item["createdAt"])
        ]

    def revoke(self, session: Session) -> None:
        """End this session. Ending it twice is no error."""
        self._table.write(Delete(session.key))

    def revoke_all(self, user: User) -> None:
        """End every session of the user."""
        for item in self._table.query(user.key[0], PREFIX):
            self._table.write(Delete((item["pk"], item["sk"])))

    def _check(self, openid: str, sid: str) -> tuple[Session, int]:
        profile_key = user_key(self._appid, openid)
        key = (profile_key[0], PREFIX + sid)
        profile, session = self._table.get_both(profile_key, key)
        if profile is None or session is None:
            raise SessionInvalid(why="unknown or revoked")
        # DynamoDB deletes expired items late, by days at times.
        if session["expiresAt"] <= self._now():
            raise SessionInvalid(why="expired")
        return Session(sid, User.from_item(profile)), session["slidAt"]

    def _slide(self, key: Key) -> None:
        now = int(self._now())
        values = {":end": now + self._lifetime, ":now": now}
        change = "SET expiresAt = :end, slidAt = :now"
        try:
            self._table.write(Update(key, change, "attribute_exists(pk)", values))
        except ConditionFailed:
            # Revoked since it was read: sliding must not bring it back.
            raise SessionInvalid(why="revoked meanwhile") from None


def _sid(secret: str) -> str:
    return _base64url(hashlib.sha256(secret.encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
