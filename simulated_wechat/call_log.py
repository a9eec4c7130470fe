"""What WeChat has been asked so far and what it costs, without a single secret."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import TypedDict

REMEMBERED = 50


class CallsOfOnePath(TypedDict):
    count: int
    outcomes: dict[str, int]


class OneCall(TypedDict):
    at: float
    path: str
    user: str | None
    outcome: str
    ms: int


class CallLog:
    def __init__(self, paths: Iterable[str]) -> None:
        self._outcomes: dict[str, Counter[str]] = {path: Counter() for path in paths}
        self._last: deque[OneCall] = deque(maxlen=REMEMBERED)

    def add(self, call: OneCall) -> None:
        # Only paths that exist are counted: a stranger's paths must not fill the memory.
        if call["path"] in self._outcomes:
            self._outcomes[call["path"]][call["outcome"]] += 1
        self._last.append(call)

    def paths(self) -> dict[str, CallsOfOnePath]:
        return {
            path: {"count": outcomes.total(), "outcomes": dict(outcomes)}
            for path, outcomes in self._outcomes.items()
        }

    def last(self) -> list[OneCall]:
        return list(self._last)
