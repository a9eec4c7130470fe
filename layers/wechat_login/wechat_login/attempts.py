"""Counts what a user may try only so often, because it costs money or could be guessed at.

pk                        sk                    holds
USER#<appid>#<openid>     ATTEMPTS#<window>     attempts, proofs (hashes), expiresAt
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wechat_login.errors import TooManyAttempts
from wechat_login.table import ConditionFailed, Item, Table, Update, Value

if TYPE_CHECKING:
    from wechat_login.users import User

BELOW_LIMIT = "(attribute_not_exists(attempts) OR attempts < :limit)"
NEW_PROOF = "(attribute_not_exists(proofs) OR NOT contains(proofs, :proof))"


class Attempts:
    """At most `limit` attempts a user in each window of `seconds`, exact under concurrency."""

    def __init__(
        self,
        table: Table,
        *,
        limit: int = 5,
        seconds: int = 600,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._limit = limit
        self._seconds = seconds
        self._now = now

    def begin(self, user: "User", proof: str) -> bool:
        """Count an attempt with this proof, or return False if another has begun with the same.

        Raises `TooManyAttempts`.
        """
        values: dict[str, Value] = {":proof": proof, ":proofs": frozenset({proof})}
        change = "SET expiresAt = :ends ADD attempts :one, proofs :proofs"
        found = self._count(user, change, f"{BELOW_LIMIT} AND {NEW_PROOF}", values)
        if found is None:
            return True
        if proof in found.get("proofs", ()):
            return False
        raise self._too_many()

    def begin_again(self, user: "User") -> None:
        """Count an attempt with a proof that was begun with before. Raises `TooManyAttempts`."""
        change = "SET expiresAt = :ends ADD attempts :one"
        if self._count(user, change, BELOW_LIMIT, {}) is not None:
            raise self._too_many()

    def _count(
        self, user: "User", change: str, condition: str, values: dict[str, Value]
    ) -> Item | None:
        """Make the change, or return what was found where its condition did not hold."""
        window = int(self._now()) // self._seconds
        values = {**values, ":one": 1, ":limit": self._limit, ":ends": self._ends()}
        key = (user.key[0], f"ATTEMPTS#{window}")
        try:
            self._table.write(Update(key, change, condition, values))
        except ConditionFailed as refused:
            return refused.items[0] or {}
        return None

    def _ends(self) -> int:
        return (int(self._now()) // self._seconds + 1) * self._seconds

    def _too_many(self) -> TooManyAttempts:
        return TooManyAttempts(retry_after=max(1, self._ends() - int(self._now())))
