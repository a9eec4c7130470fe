"""Blocks: users whom the team does not let in.

The user's item says so in `blocked`, which each request reads with the user. A second item keeps
the openid out after an erasure, until the block ends, or for three years if it has no end:

    pk                            sk        holds
    BLOCK#<appid>#<keyed hash>    OPENID    expiresAt

It names nobody, and is looked at only where a user is created.
"""

from collections.abc import Callable

from wechat_login.accounts.transaction import Transaction
from wechat_login.accounts.users import User
from wechat_login.errors import UserBlocked
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.storage.table import Item, Key

LONGEST_AFTER_ERASURE = 3 * 365 * 86_400  # seconds


@frozen
class Blocks:
    """Sets, lifts and checks blocks as part of a transaction."""

    keyring: Callable[[], Keyring]

    def key(self, appid: str, openid: str) -> Key:
        """Return the key of the item that outlives the user."""
        index = self.keyring().blind_index(f"block {openid}")
        return f"BLOCK#{appid}#{index}", "OPENID"

    def check_new(self, transaction: Transaction, user: User) -> None:
        """Raise `UserBlocked` if the openid of a user to be created is blocked."""
        if not transaction.require_expired(self.key(user.appid, user.openid)):
            raise UserBlocked(why="by the team, before an erasure")

    def set(
        self, transaction: Transaction, user: User, reason: str, ends_at: int | None = None
    ) -> None:
        """Block a user and end the sessions. `ends_at` is a Unix time; None: without end."""
        now = int(transaction.now)
        # Only who had a session learns that the openid is blocked.
        sids = frozenset(user.sessions) | user.blocked.get("sids", frozenset())
        blocked: Item = {"blockedAt": now, "reason": reason}
        blocked |= {"endsAt": ends_at} if ends_at else {}
        blocked |= {"sids": sids} if sids else {}
        transaction.end_sessions(user)
        transaction.change(user, {"blocked": blocked, "sessions": {}})
        expires_at = ends_at or now + LONGEST_AFTER_ERASURE
        transaction.put(self.key(user.appid, user.openid), {"expiresAt": expires_at})

    def lift(self, transaction: Transaction, appid: str, openid: str) -> None:
        """Unblock an openid, whether its user is still there or not."""
        user = transaction.find(appid, openid)
        if user is not None and user.blocked:
            transaction.change(user, {"blocked": None})
        transaction.put(self.key(appid, openid), {})
