"""Codes a phone gets from WeChat and a server exchanges: five minutes, one use, one owner."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from simulated_wechat.aging import Aging
from simulated_wechat.answers import Refusal
from simulated_wechat.people import Person

LIFETIME = 300


@dataclass(slots=True)
class Code:
    owner: Person  # the owner, and the mini program
    made_at: float
    used: bool = False


class Codes:
    """One kind of code; login codes and phone codes are not interchangeable."""

    def __init__(self, now: Callable[[], float], *, random_bytes: int) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._codes: Aging[Code] = Aging(now, LIFETIME)

    def issue(self, owner: Person) -> str:
        text = secrets.token_hex(self._random_bytes)
        self._codes.put(text, Code(owner, self._now()))
        return text

    def find(self, text: object) -> Code:
        """Return a code that has not expired; the caller checks whether the code is used."""
        code = self._codes.get(text)
        if code is None:
            raise Refusal(40029)
        return code
