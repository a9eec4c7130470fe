"""Records logins. The login of a known user is one write, which adds the session."""

import logging
import time
from collections.abc import Callable

from wechat_login.accounts.blocks import Blocks
from wechat_login.accounts.sessions import Credential, Sessions
from wechat_login.accounts.transaction import TRIES, UNBLOCKED, Transaction, Transactions
from wechat_login.accounts.users import User, id_key, union_key, user_key, uuid7
from wechat_login.errors import StorageUnavailable, UserBlocked
from wechat_login.frozen import frozen
from wechat_login.storage.table import ConditionFailed, Item, Key, Table, Update, Value
from wechat_login.wechat.client import Identity

log = logging.getLogger(__name__)

MOST_SESSIONS = 10
# A login that exceeds the limit removes sessions down to this number, so its extra write is rare.
SESSIONS_LEFT = 5
# Attributes that earlier versions wrote.
FORMER = ("logins", "attemptsWindow", "attempts", "proofs")


@frozen
class Login:
    """A login: the user, and the session for the client."""

    user: User
    sid: str
    session: str
    expires_in: int  # seconds
    is_new: bool  # whether this login made the user
    is_conflict: bool  # whether the unionid appeared, and another userId has it: merge_users

    def shown(self) -> dict[str, object]:
        """Return the login as the API shows it."""
        return {
            "openid": self.user.openid,
            "unionid": self.user.unionid,
            "session": self.session,
            "sessionExpiresIn": self.expires_in,
            "registered": self.user.registered,
        }


@frozen
class Logins:
    """Logs users in; without `seal_session_key(openid, session_key)` no session_key is kept."""

    table: Table
    transactions: Transactions
    sessions: Sessions
    blocks: Blocks
    seal_session_key: Callable[[str, str], str] | None = None
    now: Callable[[], float] = time.time

    def log_in(self, identity: Identity) -> Login:
        """Open a session for a user, and create the user at the first login.

        Raises `UserBlocked` and `StorageUnavailable`.
        """
        is_conflict = False
        credential = Credential.new(identity.appid, identity.openid)
        for _ in range(TRIES):
            is_new = False
            try:
                user = self.table.update(self._note(identity, credential.sid))
            except ConditionFailed as refused:
                created, conflict = self._prepare(identity, credential.sid, refused.items[0])
                is_conflict |= conflict
                if created is None:
                    continue
                user, is_new = created, True
            logged_in = User.from_item(user)
            self._limit_sessions(logged_in, credential.sid)
            lifetime = self.sessions.lifetime
            return Login(logged_in, credential.sid, credential.text, lifetime, is_new, is_conflict)
        raise StorageUnavailable(operation="log_in", tries=TRIES)

    def _note(self, identity: Identity, sid: str) -> Update:
        """Return the write that logs a user in; its condition fails if there is more to do."""
        now = int(self.now())
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
        if self.seal_session_key is None:
            # Stored while LegacyPhone was on.
            expression += " REMOVE sessionKey"
        key = user_key(identity.appid, identity.openid)
        return Update(key, expression, condition, values, {"#sid": sid})

    def _prepare(
        self, identity: Identity, sid: str, found: Item | None
    ) -> tuple[Item | None, bool]:
        """Create the user and return the item, or make an existing user ready for `_note`.

        Also returns whether another userId has the unionid. A new user gets the userId that their
        unionid has in other mini programs.

        An existing user is not ready if WeChat gives a unionid for the first time (the mini program
        has joined an Open Platform account), or if an earlier version wrote the item.
        """
        new, unionid = User.from_item(self._new_item(identity, sid)), identity.unionid

        def plan(transaction: Transaction) -> tuple[Item | None, bool]:
            user = transaction.find(identity.appid, identity.openid)
            person = transaction.person(unionid) if unionid else None
            if user is None:
                self.blocks.check_new(transaction, new)
                if unionid and person:
                    # A person who is blocked in one mini program is blocked in the others too.
                    for each in transaction.owners(union_key(unionid)):
                        transaction.require_unblocked(each)
                added = User.from_item({**new.item, "userId": person or new.user_id})
                transaction.add(added)
                return added.item, False
            if user.is_blocked(transaction.now):
                raise UserBlocked(why="by the team")
            changes: dict[str, Value | None] = dict.fromkeys(FORMER)
            user = transaction.change(user, {**changes, "sessions": user.sessions})
            if unionid:
                user = transaction.join_union(user, unionid)
            is_conflict = person not in (None, user.user_id) and not user.linked
            if is_conflict:
                log.warning("union_conflict", extra={"user_ids": [person, user.user_id]})
            return None, is_conflict

        usual: dict[Key, Item | None] = {new.key: found, id_key(new.user_id): None}
        if unionid:
            usual[union_key(unionid)] = None
        if not found:
            usual[self.blocks.key(new.appid, new.openid)] = None
        return self.transactions.run(plan, usual)

    def _new_item(self, identity: Identity, sid: str) -> Item:
        pk, sk = user_key(identity.appid, identity.openid)
        now = self.now()
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
        others = [each.sid for each in self.sessions.of_user(user) if each.sid != sid]
        kept = {sid, *others[: SESSIONS_LEFT - 1]}
        removed = [each for each in user.sessions if each not in kept]
        names = {f"#s{at}": each for at, each in enumerate(removed)}
        expression = f"REMOVE {', '.join(f'sessions.{name}' for name in names)}"
        update = Update(user.key, expression, "attribute_exists(sessions)", names=names)
        try:
            self.table.write(update)
        except (ConditionFailed, StorageUnavailable) as failure:
            # The login has succeeded; the next login removes them.
            log.warning("sessions_not_limited", extra={"why": type(failure).__name__})

    def _sealed_session_key(self, identity: Identity) -> str | None:
        if self.seal_session_key is None or identity.session_key is None:
            return None
        return self.seal_session_key(identity.openid, identity.session_key)
