"""A lock over all containers: a row of the table, because SSM cannot compare and set.

pk               sk        holds
LOCK#<name>      LOCK      lockedBy, lockedUntil
"""

import time
import uuid
from collections.abc import Callable

from wechat_login.frozen import frozen
from wechat_login.storage.table import ConditionFailed, Key, Table, Update, Value


@frozen
class Lock:
    """Held by one container at a time; expires after `seconds`, in case its holder crashes."""

    table: Table
    name: str
    seconds: int
    now: Callable[[], float] = time.time

    @property
    def _key(self) -> Key:
        return f"LOCK#{self.name}", "LOCK"

    def acquire(self) -> str | None:
        """Return the name to release the lock by, or None while another holds it."""
        holder, now = uuid.uuid4().hex, int(self.now())
        values: dict[str, Value] = {":me": holder, ":until": now + self.seconds, ":now": now}
        change = "SET lockedBy = :me, lockedUntil = :until"
        free = "attribute_not_exists(lockedUntil) OR lockedUntil < :now"
        try:
            self.table.write(Update(self._key, change, free, values))
        except ConditionFailed as refused:
            # The lock is ours if botocore retried because the first answer was lost.
            found = refused.items[0] or {}
            return holder if found.get("lockedBy") == holder else None
        return holder

    def release(self, holder: str) -> None:
        """Release the lock; if it has expired meanwhile, it stays with its new holder."""
        values: dict[str, Value] = {":me": holder, ":zero": 0}
        try:
            self.table.write(Update(self._key, "SET lockedUntil = :zero", "lockedBy = :me", values))
        except ConditionFailed:
            return
