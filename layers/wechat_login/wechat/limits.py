"""Limits how often one network or one user makes us ask WeChat, in the memory of each container.

A count that all containers share would cost a write for each request.
"""

import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from wechat_login.errors import CodeRejected, TooManyAttempts


class Limit:
    """Allows each name `most` questions within `seconds`; forgets the oldest of `names` names."""

    def __init__(
        self, most: int, seconds: int, *, names: int = 10_000, now: Callable[[], float] = time.time
    ) -> None:
        self._most, self._seconds, self._names, self._now = most, seconds, names, now
        self._counts: dict[str, tuple[float, int]] = {}  # name -> (end of the count, questions)

    def take(self, name: str) -> None:
        """Count one question. Raises `TooManyAttempts` if the name has none left."""
        self._check(name)
        self._add(name, 1)

    @contextmanager
    def rejections(self, address: str) -> Iterator[None]:
        """Count only a code that WeChat rejects; an accepted one takes one off. Raises as `take`.

        Carriers put many phones behind one IPv4 address, and give each phone an IPv6 /64.
        """
        network = _network(address)
        self._check(network)
        try:
            yield
        except CodeRejected:
            self._add(network, 1)
            raise
        self._add(network, -1)

    def _check(self, name: str) -> None:
        ends_at, count = self._counts.get(name, (0.0, 0))
        left = ends_at - self._now()
        if left > 0 and count >= self._most:
            raise TooManyAttempts(retry_after=math.ceil(left), why="limit of a container")

    def _add(self, name: str, more: int) -> None:
        now = self._now()
        ends_at, count = self._counts.pop(name, (0.0, 0))
        if ends_at <= now:
            ends_at, count = now + self._seconds, 0
        if count + more > 0:
            self._counts[name] = ends_at, count + more
        if len(self._counts) > self._names:
            self._counts.pop(next(iter(self._counts)), None)


def _network(address: str) -> str:
    # Read by the socket module, which is loaded anyway, and not by ipaddress.
    with suppress(OSError):
        return socket.inet_pton(socket.AF_INET6, address)[:8].hex()
    return address
