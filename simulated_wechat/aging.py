"""Data that WeChat remembers for a while; expired entries count as absent."""

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Aging(Generic[Item]):
    def __init__(
        self, now: Callable[[], float], lifetime: float, *, most: float = float("inf")
    ) -> None:
        self._now = now
        self._lifetime = lifetime
        self._most = most
        self._items: dict[object, tuple[float, Item]] = {}

    def put(self, key: str, item: Item) -> None:
        self._items[key] = (self._now(), item)
        self._forget_old()

    def get(self, key: object) -> Item | None:
        self._forget_old()
        _, item = self._items.get(key, (0, None))
        return item

    def _forget_old(self) -> None:
        # A dictionary keeps the order of insertion, so the oldest come first.
        while self._items:
            oldest, (put_at, _) = next(iter(self._items.items()))
            if self._now() - put_at <= self._lifetime and len(self._items) <= self._most:
                return
            del self._items[oldest]
