"""Records logins. The login of a known user is one write, which adds the session."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wechat_login.accounts.sessions import Credential, Sessions
from wechat_login.accounts.transaction import TRIES, UNBLOCKED, Transaction, Transactions
from wechat_login.accounts.users import User, id_key, user_key, uuid7
from wechat_login.errors import StorageUnavailable, UserBlocked
from wechat_login.storage.table import ConditionFailed, Item, Table, Update, Value

if TYPE_CHECKING:
    from wechat_login.accounts.blocks import Blocks
    from wechat_login.wechat.client import Identity

log = logging.getLogger(__name__)

MOST_SESSIONS = 10
# A login that exceeds the limit removes sessions down to this number, so its extra write is rare.
SESSIONS_LEFT = 5
# Attributes that earlier versions wrote.
FORMER = ("logins", "attemptsWindow", "attempts", "proofs")


@dataclass(frozen=True, slots=True)
class Login:
    """A login: the user, and the session for the client."""

    user: User
    sid: str
    session: str = field(repr=False)
    expires_in: int  # seconds
    is_new: bool  # whether this login made the user


class Logins:
    """Logs users of one mini program in."""

    def __init__(
        self,
        table: Table,
        transactions: Transactions,
        sessions: Sessions,
        blocks: "Blocks",
        *,
        appid: str,
        seal_session_key: Callable[[str, str], str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Wire the parts; without `seal_session_key(openid, session_key)` no key is kept."""
        self._table = table
        self._transactions = transactions
        self._sessions = sessions
        self._blocks = blocks
        self._appid = appid
        self._seal_session_key = seal_session_key
        self._now = now

    def log_in(self, identity: "Identity") -> Login:
        """Open a session for a user, and create the user at the first login.

        Raises `UserBlocked` and `StorageUnavailable`.
        """
        credential = Credential.new(identity.openid)
        for _ in range(TRIES):
            is_new = False
            try:
                user = self._table.update(self._note(identity, credential.sid))
            except ConditionFailed as refused:
                created = self._prepare(identity, credential.sid, refused.items[0])
                if created is None:
                    continue
                user, is_new = created, True
            logged_in = User.from_item(user)
            self._limit_sessions(logged_in, credential.sid)
            lifetime = self._sessions.lifetime
            return Login(logged_in, credential.sid, credential.text, lifetime, is_new)
        raise StorageUnavailable(operation="log_in", tries=TRIES)

    def _note(self, identity: "Identity", sid: str) -> Update:
        """Return the write that logs a user in; its condition fails if there is more to do."""
        now = int(self._now())
        sets = ["lastLoginAt = :now", "sessions.#sid = :session"]
        condition = f"attribute_exists(sessions) AND ({UNBLOCKED})"
        values: dict[str, Value] = {":now": now, ":session": {"createdAt": now, "usedAt": now}}
        if identity.unionid:
            condition += " AND unionid = :unionid"
            values[":unionid"] = identity.unionid
        session_key = self._sealed_session_key(identity)
        if session_key:
            sets.append("sessionKey = :session_key")
            values[":session_key"] = session_key
        expression = f"SET {', '.join(sets)}"
        if self._seal_session_key is None:
            # Stored while LegacyPhone was on.
            expression += " REMOVE sessionKey"
        key = user_key(self._appid, identity.openid)
        return Update(key, expression, condition, values, {"#sid": sid})

    def _prepare(self, identity: "Identity", sid: str, found: Item | None) -> Item | None:
        """Create the user and return the item, or make an existing user ready for `_note`.

        An existing user is not ready if WeChat gives a unionid for the first time (the mini program
        has joined an Open Platform account), or if an earlier version wrote the item.
        """
        new = User.from_item(self._new_item(identity, sid))

        def plan(transaction: Transaction) -> Item | None:
            user = transaction.find(self._appid, identity.openid)
            if user is None:
                self._blocks.check_new(transaction, new)
                transaction.add(new)
                return new.item
            if user.is_blocked(transaction.now):
                raise UserBlocked(why="by the team")
            changes: dict[str, Value | None] = dict.fromkeys(FORMER)
            changes["sessions"] = user.sessions
            changes["unionid"] = identity.unionid or user.unionid
            transaction.change(user, changes)
            return None

        assumed = {new.key: found, id_key(new.user_id): None}
        if found is None:
            assumed[self._blocks.key(new.appid, new.openid)] = None
        return self._transactions.run(plan, assumed)

    def _new_item(self, identity: "Identity", sid: str) -> Item:
        pk, sk = user_key(self._appid, identity.openid)
        now = self._now()
        item = {
            "pk": pk,
            "sk": sk,
            "userId": uuid7(now),
            "unionid": identity.unionid,
            "createdAt": int(now),
            "lastLoginAt": int(now),
            "sessions": {sid: {"createdAt": int(now), "usedAt": int(now)}},
            "sessionKey": self._sealed_session_key(identity),
        }
        return {name: each for name, each in item.items() if each is not None}

    def _limit_sessions(self, user: User, sid: str) -> None:
        """Remove expired and least recently used sessions if there are too many of them."""
        if len(user.sessions) <= MOST_SESSIONS:
            return
        others = [each.sid for each in self._sessions.of_user(user) if each.sid != sid]
        kept = {sid, *others[: SESSIONS_LEFT - 1]}
        removed = [each for each in user.sessions if each not in kept]
        names = {f"#s{at}": each for at, each in enumerate(removed)}
        expression = f"REMOVE {', '.join(f'sessions.{name}' for name in names)}"
        update = Update(user.key, expression, "attribute_exists(sessions)", names=names)
        try:
            self._table.write(update)
        except (ConditionFailed, StorageUnavailable) as failure:
            # The login has succeeded; the next login removes them.
            log.warning("sessions_not_limited", extra={"why": type(failure).__name__})

    def _sealed_session_key(self, identity: "Identity") -> str | None:
        if self._seal_session_key is None or identity.session_key is None:
            return None
        return self._seal_session_key(identity.openid, identity.session_key)
