"""Faults on request: failures that a client must handle and the rules never cause."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from simulated_wechat.answers import Answer


class Kind(StrEnum):
    ERRCODE = "errcode"
    STATUS = "status"
    DELAY = "delay"
    DROP = "drop"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    errcode: int = -1
    status: int = 502
    milliseconds: int = 1000
    after_acting: bool = False

    def spoil(self, act: Callable[[], Answer], refuse: Callable[[], Answer]) -> Answer:
        """Replace the answer by the fault, before or after WeChat acts.

        With a delay WeChat acts at once: the client may time out, but its code is used.
        """
        if self.kind is Kind.DELAY:
            return replace(act(), delay_seconds=self.milliseconds / 1000)
        if self.after_acting:
            act()
        match self.kind:
            case Kind.ERRCODE:
                return refuse()
            case Kind.STATUS:
                page = f"<html><h1>{self.status}</h1></html>".encode()
                return Answer(page, f"status {self.status}", self.status, "text/html")
            case Kind.DROP:
                when = "after" if self.after_acting else "before"
                return Answer(b"", f"dropped {when} acting", dropped=True)
            case Kind.GARBAGE:
                return Answer(b'<html>{"errcode":', "garbage")


class Faults:
    """A queue of faults for each path; faults occur in the order of their requests."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}

    def order(self, path: str, fault: Fault, times: int) -> None:
        self._waiting.setdefault(path, deque()).extend([fault] * times)

    def clear(self, path: str) -> None:
        self._waiting.pop(path, None)

    def take(self, path: str) -> Fault | None:
        waiting = self._waiting.get(path)
        return waiting.popleft() if waiting else None
