"""Counts what a user may try only so often, because it costs money or could be guessed at.

The count lies in the user's own record, so that it is erased with it: `attemptsWindow`, `attempts`
and `proofs`, the hashes of what was tried.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wechat_login.errors import SessionInvalid, TooManyAttempts
from wechat_login.storage.table import ConditionFailed, Item, Table, Update, Value

if TYPE_CHECKING:
    from wechat_login.accounts.users import User


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

        Raises `TooManyAttempts`, and `SessionInvalid` when the user was erased meanwhile.
        """
        window = self._window()
        new: dict[str, Value] = {":window": window, ":one": 1, ":proofs": frozenset({proof})}
        if user.attempts_window != window:
            first = Update(
                user.key,
                "SET attemptsWindow = :window, attempts = :one, proofs = :proofs",
                "attribute_exists(pk) AND"
                " (attribute_not_exists(attemptsWindow) OR attemptsWindow < :window)",
                new,
            )
            if self._refused(first) is None:
                return True
        another = Update(
            user.key,
            "ADD attempts :one, proofs :proofs",
            "attemptsWindow = :window AND attempts < :limit AND NOT contains(proofs, :proof)",
            {**new, ":limit": self._limit, ":proof": proof},
        )
        found = self._refused(another)
        if found is None:
            return True
        if proof in found.get("proofs", ()):
            return False
        raise self._too_many()

    def begin_again(self, user: "User") -> None:
        """Count an attempt with a proof that was begun with before. Raises like `begin`."""
        again = Update(
            user.key,
            "ADD attempts :one",
            "attemptsWindow = :window AND attempts < :limit",
            {":window": self._window(), ":one": 1, ":limit": self._limit},
        )
        if self._refused(again) is not None:
            raise self._too_many()

    def _refused(self, change: Update) -> Item | None:
        """Make a change and return None, or what was found where its condition did not hold."""
        try:
            self._table.write(change)
        except ConditionFailed as refused:
            found = refused.items[0]
        else:
            return None
        if not found:
            raise SessionInvalid(why="erased meanwhile")
        return found

    def _window(self) -> int:
        return int(self._now()) // self._seconds

    def _too_many(self) -> TooManyAttempts:
        ends = (self._window() + 1) * self._seconds
        return TooManyAttempts(retry_after=max(1, ends - int(self._now())))
