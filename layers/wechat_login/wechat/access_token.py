"""WeChat's access token: from memory, else the one all containers share in SSM, else from WeChat.

`renew` runs on a schedule, so SSM nearly always has a valid token. If not, one container asks
WeChat and the others wait for the token. WeChat's page:
https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken
"""

import json
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from wechat_login.errors import (
    AccessTokenRejected,
    BadRequest,
    LoginError,
    Misconfigured,
    StorageUnavailable,
    WeChatUnavailable,
)
from wechat_login.frozen import frozen
from wechat_login.storage.lock import Lock
from wechat_login.storage.parameters import Parameters
from wechat_login.storage.table import ConditionFailed, Table, Update, Value
from wechat_login.wechat.client import NewAccessToken
from wechat_login.wechat.mini_programs import MiniPrograms

T = TypeVar("T")
log = logging.getLogger(__name__)

# WeChat advises workers to cache the token for about a minute.
MEMORY_SECONDS = 60.0
# A token is not used in its last seconds: it could expire in transit.
MARGIN = 30
# Longer than a renewal takes; then the lock of a crashed container expires.
LOCK_SECONDS = 15
# WeChat takes 20 forced refreshes a day, at least 30 seconds apart; its day is Beijing's.
FORCED_A_DAY = 20
FORCED_APART = 30
BEIJING = 8 * 3600
DAY = 86_400


@frozen
class SharedToken:
    """The access token as stored in SSM, with the Unix time at which it expires."""

    value: str
    expires_at: int

    def to_json(self) -> str:
        return json.dumps({"token": self.value, "expires_at": self.expires_at})

    @classmethod
    def from_json(cls, text: str) -> "SharedToken | None":
        """Read the stored text; return None if it is no token (yet)."""
        try:
            shared = json.loads(text)
            return cls(str(shared["token"]), int(shared["expires_at"]))
        except (KeyError, OverflowError, TypeError, ValueError):
            return None


@frozen
class ForcedRefreshes:
    """Counts forced refreshes, which revoke the former token, over all containers.

    pk                 sk                holds
    WECHAT#<appid>     ACCESS_TOKEN      forcedAt, forcedDay, forcedCount
    """

    table: Table
    appid: str
    now: Callable[[], float] = time.time

    def take(self) -> bool:
        """Count a forced refresh, or return False if WeChat would reject it."""
        key, now = (f"WECHAT#{self.appid}", "ACCESS_TOKEN"), int(self.now())
        day, found = (now + BEIJING) // DAY, self.table.get(key) or {}
        count, former = found.get("forcedCount", 0), found.get("forcedAt", 0)
        count = count if found.get("forcedDay") == day else 0
        if count >= FORCED_A_DAY or former > now - FORCED_APART:
            return False
        change = "SET forcedAt = :now, forcedDay = :day, forcedCount = :count"
        values: dict[str, Value] = {":now": now, ":day": day, ":count": count + 1}
        same = "attribute_not_exists(forcedAt) OR forcedAt = :former"
        # If the condition fails, another container has just forced a refresh.
        try:
            self.table.write(Update(key, change, same, {**values, ":former": former}))
        except ConditionFailed:
            return False
        return True


@frozen
class AccessTokens:
    """The access token of one mini program; safe for threads.

    `fetch(force_refresh=…)` asks WeChat for it. A renewal begins only while `reserve` of
    `time_left()`, both in seconds, is left.
    """

    parameters: Parameters
    lock: Lock
    forced: ForcedRefreshes
    fetch: Callable[..., NewAccessToken]
    time_left: Callable[[], float]
    reserve: float
    appid: str
    count: Callable[..., None]
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @property
    def _parameter(self) -> str:
        return f"access-token/{self.appid}"

    def call(self, call: Callable[[str], T]) -> T:
        """Make a call that takes the access token, and retry once if WeChat rejects the token.

        Raises `WeChatUnavailable` if there is no token, and the errors of `call`.
        """
        token = self._usable(None, MEMORY_SECONDS) or self._renewed(None)
        try:
            return call(token.value)
        except AccessTokenRejected:
            log.warning("access_token_rejected", extra={"appid": self.appid})
        # Another container may have noticed first; so look before asking.
        return call((self._usable(token.value, 0) or self._renewed(token.value)).value)

    def renew(self) -> int:
        """Ask WeChat, share the token if it is new, and return the seconds that it is valid.

        WeChat hands out the same token until five minutes are left, so asking often is right.
        """
        shared = self._shared(0)
        token = self._ask_wechat(force_refresh=False)
        if shared is None or shared.value != token.value:
            self.parameters.put(self._parameter, token.to_json())
        return token.expires_at - int(self.now())

    def _usable(self, rejected: str | None, max_age: float) -> SharedToken | None:
        """Return the shared token, if it is valid and not the token that WeChat rejected."""
        token = self._shared(max_age)
        if token is None or token.value == rejected or token.expires_at - MARGIN <= self.now():
            return None
        return token

    def _shared(self, max_age: float) -> SharedToken | None:
        return SharedToken.from_json(self.parameters.find(self._parameter, max_age=max_age) or "")

    def _renewed(self, rejected: str | None) -> SharedToken:
        """Renew the token, or wait until another thread or container has renewed it."""
        holder = self._acquire()
        try:
            # The last holder of the lock has probably renewed the token.
            return self._usable(rejected, 0) or self._share(self._new(rejected))
        finally:
            self.lock.release(holder)

    def _acquire(self) -> str:
        pause = 0.05
        while self.time_left() >= self.reserve:
            holder = self.lock.acquire()
            if holder is not None:
                return holder
            self.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            pause = min(0.5, pause * 1.5)
        raise WeChatUnavailable(why="no time left for a renewal", appid=self.appid)

    def _new(self, rejected: str | None) -> SharedToken:
        token = self._ask_wechat(force_refresh=False)
        if token.value != rejected:
            return token
        # WeChat returned the same token that it rejects. Forcing revokes that token for everybody.
        if not self.forced.take():
            raise WeChatUnavailable(why="forced refreshes used up", appid=self.appid)
        log.warning("access_token_forced", extra={"appid": self.appid})
        self.count(ForcedRefreshes=1)
        return self._ask_wechat(force_refresh=True)

    def _share(self, token: SharedToken) -> SharedToken:
        try:
            self.parameters.put(self._parameter, token.to_json())
        except StorageUnavailable as failure:
            # The token is valid, but not shared; the next container asks WeChat again.
            log.warning("access_token_not_shared", extra=failure.facts)
        return token

    def _ask_wechat(self, *, force_refresh: bool) -> SharedToken:
        new = self.fetch(force_refresh=force_refresh)
        return SharedToken(new.value, int(self.now()) + new.expires_in)


@frozen
class Renewal:
    """Renews the access tokens of all mini programs; the failure of one stops no other."""

    mini_programs: MiniPrograms
    tokens: Callable[[str], AccessTokens]
    count: Callable[..., None]

    def renew(self, only: object = None) -> dict[str, int]:
        """Renew each token, or `only` one mini program's; return the seconds that each is valid.

        A failure is raised at the end, a `Misconfigured` first. `count(AccessTokenRenewals=1)`
        counts a run without a failure. Raises `BadRequest` if `only` is not an AppID of ours.
        """
        if only is not None and not (isinstance(only, str) and self.mini_programs.has(only)):
            raise BadRequest("appid is not one of ours.")
        valid: dict[str, int] = {}
        failures: list[LoginError] = []
        for appid in self.mini_programs.appids() if only is None else [only]:
            try:
                valid[appid] = self.tokens(appid).renew()
            except LoginError as failure:
                failure.facts.setdefault("appid", appid)
                log.warning("renewal_failed", extra={"code": failure.code, "facts": failure.facts})
                failures.append(failure)
        failures.sort(key=lambda each: not isinstance(each, Misconfigured))
        if failures:
            raise failures[0]
        self.count(AccessTokenRenewals=1)
        return valid
