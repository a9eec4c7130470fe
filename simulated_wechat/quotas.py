"""WeChat's call quotas, per minute, day and month of its own calendar."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from simulated_wechat import answers
from simulated_wechat.answers import Refusal

BEIJING = timezone(timedelta(hours=8))


def minute_of(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, BEIJING):%Y-%m-%d %H:%M}"


def day_of(moment: float) -> str:
    return minute_of(moment)[:10]


def month_of(moment: float) -> str:
    return minute_of(moment)[:7]


@dataclass(frozen=True, slots=True)
class Quota:
    calls: int
    window: Callable[[float], str]
    errcode: int


# From the page of each API; 100 per minute and user is from an older page, the current has none.
OFFICIAL: Mapping[str, tuple[Quota, ...]] = {
    answers.LOGIN: (Quota(100, minute_of, 45011),),
    answers.STABLE_TOKENS: (Quota(10_000, minute_of, 45011), Quota(500_000, day_of, 45009)),
    answers.PLAIN_TOKENS: (Quota(2_000, day_of, 45009),),
    answers.RESET_SESSION_KEY: (Quota(60_000, minute_of, 45011),),
    answers.CONTENT_CHECK: (Quota(4_000, minute_of, 44991), Quota(2_000_000, day_of, 45009)),
    answers.CLEAR_QUOTA: (Quota(10, month_of, 48006),),
}


class Usage:
    """Counts calls by path, and by user if the quota is per user."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._used: dict[tuple[str, str, Quota], tuple[str, int]] = {}

    def spend(self, path: str, quotas: Iterable[Quota], user: str = "") -> None:
        """Count one call, or reject it if a quota is used up."""
        spent = {}
        for quota in quotas:
            key, window = (path, user, quota), quota.window(self._now())
            last_window, calls = self._used.get(key, (window, 0))
            calls = calls if last_window == window else 0
            if calls >= quota.calls:
                raise Refusal(quota.errcode)
            spent[key] = (window, calls + 1)
        self._used.update(spent)

    def clear_days(self) -> None:
        """Reset the daily counts, as clear_quota does."""
        self._used = {key: used for key, used in self._used.items() if key[2].window is not day_of}
