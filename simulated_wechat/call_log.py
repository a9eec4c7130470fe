"""The calls that WeChat has got, and their costs, without secrets."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import TypedDict

REMEMBERED = 50


class CallsOfOnePath(TypedDict):
    count: int
    outcomes: dict[str, int]


class OneCall(TypedDict):
    at: float  # arrival, in Unix seconds, before any delay
    appid: str
    path: str
    user: str | None
    outcome: str
    ms: int  # from arrival to the answer


class CallLog:
    """Counts by mini program and path, and the last calls of all in the order they came."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._outcomes: dict[tuple[str, str], Counter[str]] = {}
        self._last: deque[OneCall] = deque(maxlen=REMEMBERED)

    def add(self, call: OneCall) -> None:
        # Only known paths are counted, so that unknown paths cannot fill the memory.
        if call["path"] in self._paths:
            key = call["appid"], call["path"]
            self._outcomes.setdefault(key, Counter())[call["outcome"]] += 1
        self._last.append(call)

    def paths(self, appid: str) -> dict[str, CallsOfOnePath]:
        counted = {path: self._outcomes.get((appid, path), Counter()) for path in self._paths}
        return {
            path: {"count": outcomes.total(), "outcomes": dict(outcomes)}
            for path, outcomes in counted.items()
        }

    def last(self, appid: str | None = None) -> list[OneCall]:
        """Return the last calls, of one mini program or of all."""
        return [call for call in self._last if appid in {None, call["appid"]}]
