"""What the team decides about accounts: blocks and roles.

An account is every openid that shares a userId. A change is one transaction for all of them.
"""

import re
import time
from collections.abc import Callable, Mapping

from wechat_login.accounts.blocks import Blocks
from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User, id_key
from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen

MOST_ROLES = 16
ROLE = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
LONGEST_REASON = 200


@frozen
class Change:
    """A change of an account; None leaves a thing as it is."""

    blocked: bool | None
    ends_at: int | None  # of the block, Unix seconds; None: without end
    reason: str
    roles: frozenset[str] | None

    @classmethod
    def read(cls, event: Mapping[str, object], now: float) -> "Change":
        """Read `blocked`, `endsAt`, `reason` and `roles`. Raises `BadRequest`."""
        blocked, ends_at, roles = (event.get(name) for name in ("blocked", "endsAt", "roles"))
        if blocked is None and roles is None:
            raise BadRequest("Send blocked, roles or both.")
        if blocked not in (None, True, False):
            raise BadRequest("blocked is neither true nor false.")
        if ends_at is not None and not (blocked is True and type(ends_at) is int and ends_at > now):
            raise BadRequest("endsAt is the end of a block: Unix seconds, in the future.")
        reason = event.get("reason", "")
        if not isinstance(reason, str) or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise BadRequest(f"reason is not a line of at most {LONGEST_REASON} characters.")
        if blocked and not reason:
            raise BadRequest("A block needs a reason.")
        return cls(
            None if blocked is None else bool(blocked),
            ends_at if isinstance(ends_at, int) else None,
            reason,
            None if roles is None else _read_roles(roles),
        )


@frozen
class Operators:
    """Carries out what the team decides."""

    transactions: Transactions
    blocks: Blocks
    appid: str
    now: Callable[[], float] = time.time

    def update(self, users: list[User], event: Mapping[str, object]) -> list[User]:
        """Change the accounts of users who were looked up, and return all users of these.

        A block ends all sessions in the same write. `blocked: false` also lifts the block that the
        erased user of an `openid` has left. Raises `BadRequest` and `StorageUnavailable`.
        """
        change, openid = Change.read(event, self.now()), event.get("openid")
        if not users and change.blocked is False and isinstance(openid, str):
            appid = str(event.get("appid") or self.appid)
            self.transactions.run(lambda plan: self.blocks.lift(plan, appid, openid))
        accounts = sorted({user.user_id for user in users})
        return [user for each in accounts for user in self._update(each, change)]

    def _update(self, user_id: str, change: Change) -> list[User]:
        def plan(transaction: Transaction) -> list[User]:
            owners = transaction.all_owners(id_key(user_id))
            return [self._change(transaction, each, change) for each in owners]

        return self.transactions.run(plan)

    def _change(self, transaction: Transaction, user: User, change: Change) -> User:
        if change.roles is not None:
            # DynamoDB knows no empty set.
            user = transaction.change(user, {"roles": change.roles or None})
        if change.blocked is True:
            self.blocks.set(transaction, user, change.reason, change.ends_at)
        elif change.blocked is False:
            self.blocks.lift(transaction, user.appid, user.openid)
        return transaction.find(user.appid, user.openid) or user


def _read_roles(roles: object) -> frozenset[str]:
    if not isinstance(roles, list) or len(roles) > MOST_ROLES:
        raise BadRequest(f"roles is not a list of at most {MOST_ROLES} texts.")
    if not all(isinstance(role, str) and ROLE.fullmatch(role) for role in roles):
        raise BadRequest("A role is 1 to 64 letters, digits and . _ : / - of ASCII.")
    return frozenset(roles)
