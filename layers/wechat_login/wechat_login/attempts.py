"""Counts what a user may try only so often: whatever costs money, or could be guessed at.

pk                        sk                    holds
USER#<appid>#<openid>     ATTEMPTS#<window>     attempts, expiresAt
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wechat_login.errors import TooManyAttempts
from wechat_login.table import ConditionFailed, Table, Update

if TYPE_CHECKING:
    from wechat_login.users import User


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

    def take(self, user: "User") -> None:
        """Count one attempt before it is made, or raise `TooManyAttempts`."""
        now = int(self._now())
        window = now // self._seconds
        ends = (window + 1) * self._seconds
        one_more = Update(
            (user.key[0], f"ATTEMPTS#{window}"),
            "SET expiresAt = :ends ADD attempts :one",
            "attribute_not_exists(attempts) OR attempts < :limit",
            {":ends": ends, ":one": 1, ":limit": self._limit},
        )
        try:
            self._table.write(one_more)
        except ConditionFailed:
            raise TooManyAttempts(retry_after=ends - now) from None
