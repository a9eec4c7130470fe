"""Limits how many phone codes a user may try, and allows one request at a time to try a code.

    pk                               sk       holds
    ATTEMPTS#<appid>#<keyed hash>    PHONE    since, proofs, expiresAt

The key is a keyed hash of the openid, so the count survives an erasure without naming anybody.
`proofs` maps the hash of a code to the Unix time until which a request may be using the code.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from wechat_login.accounts.transaction import TRIES
from wechat_login.accounts.users import User
from wechat_login.errors import CodeRejected, StorageUnavailable, TooManyAttempts
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.storage.table import ConditionFailed, Item, Key, Put, Table, Update

# Longer than RegisterPhone's timeout: after that, a crashed request no longer blocks its code.
BUSY_SECONDS = 30
# Retry-After for a client whose code another request is using.
BUSY_RETRY_SECONDS = 2
# The value in `proofs`, in place of a time, for a code that WeChat has rejected.
REJECTED = -1


@frozen
class Attempts:
    """Allows `limit` different codes per user within `seconds`, exact under concurrency."""

    table: Table
    keyring: Callable[[], Keyring]
    limit: int = 5
    seconds: int = 600
    now: Callable[[], float] = time.time

    def begin(self, user: User, proof: str) -> None:
        """Count a code once, and reserve it for this request.

        Raises `TooManyAttempts` if too many codes were tried, or another request is using this
        code, and `CodeRejected` if WeChat has rejected this code before.
        """
        key = self._key(user)
        found: Item = {}
        for _ in range(TRIES):
            now = int(self.now())
            over = now - self.seconds
            if not found or found["since"] <= over:
                found = {"since": now, "proofs": {}}
                same, values = "attribute_not_exists(pk) OR since <= :over", {":over": over}
            else:
                self._check(found, proof, now)
                same = "since = :since AND proofs = :proofs"
                values = {":since": found["since"], ":proofs": found["proofs"]}
            item = {
                "pk": key[0],
                "sk": key[1],
                "since": found["since"],
                "proofs": {**found["proofs"], proof: now + BUSY_SECONDS},
                "expiresAt": found["since"] + self.seconds,
            }
            try:
                self.table.write(Put(item, same, values))
            except ConditionFailed as refused:
                found = refused.items[0] or {}
            else:
                return
        raise StorageUnavailable(operation="begin_attempt", tries=TRIES)

    def end(self, user: User, proof: str, *, rejected: bool = False) -> None:
        """Allow other requests to try a code again, unless WeChat has rejected the code."""
        until = REJECTED if rejected else 0
        update = Update(
            self._key(user),
            "SET proofs.#proof = :until",
            "attribute_exists(proofs.#proof)",
            {":until": until},
            {"#proof": proof},
        )
        # If this write fails, the code is free again after the longest time that a request can run.
        with suppress(ConditionFailed, StorageUnavailable):
            self.table.write(update)

    def _check(self, found: Item, proof: str, now: int) -> None:
        """Raise the reason why a code may not be tried, if any."""
        until = found["proofs"].get(proof)
        if until == REJECTED:
            raise CodeRejected(why="rejected before")
        if until is not None and until > now:
            raise TooManyAttempts(retry_after=BUSY_RETRY_SECONDS, why="another request is busy")
        if until is None and len(found["proofs"]) >= self.limit:
            raise TooManyAttempts(retry_after=found["since"] + self.seconds - now)

    def _key(self, user: User) -> Key:
        index = self.keyring().blind_index(f"attempts {user.openid}")
        return f"ATTEMPTS#{user.appid}#{index}", "PHONE"
