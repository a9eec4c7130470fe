"""One clock for all tasks, and the order in which they run.

Each task is a thread, but only the thread that holds the baton runs. A task gives the baton away
only in `wait`: it names a time, and the task with the earliest time goes on. Nothing sleeps in real
time. The waits come from the seed, so a seed always gives the same order.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn


class Stopped(BaseException):
    """The history has ended: the task unwinds and does nothing more."""


@dataclass(eq=False)
class Task:
    """A thread, and the lock that it waits for while another task has the baton."""

    name: str
    baton: threading.Lock = field(default_factory=threading.Lock)
    context: Any = None  # what the simulation knows about the task


class Scheduler:
    """Runs tasks one at a time on a virtual clock."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.running = Task("start")
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Task | Callable[[], None]]] = []
        self._ended = threading.Event()
        self._failure: BaseException | None = None

    def spawn(
        self, name: str, run: Callable[[], None], *, context: Any = None, after: float = 0.0
    ) -> None:
        """Add a task that begins `after` seconds from now."""
        task = Task(name, context=context)
        task.baton.acquire()
        threading.Thread(target=self._live, args=(task, run), daemon=True).start()
        self._push(self.now + after, task)

    def call_later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act`, which must not wait, `seconds` from now."""
        self._push(self.now + seconds, act)

    def wait(self, seconds: float) -> None:
        """Let the other tasks run until `seconds` have passed. Raises `Stopped`."""
        me = self.running
        self._push(self.now + seconds, me)
        self._hand_over(me)
        if self._failure is not None:
            raise Stopped

    def fail(self, failure: BaseException) -> NoReturn:
        """End all tasks; `run` raises this failure."""
        self._failure = self._failure or failure
        raise Stopped

    def run(self) -> None:
        """Run until all tasks have ended; raise the first failure of a task."""
        first = self._next()
        if first is None:
            return
        self._ended.clear()
        self.running = first
        first.baton.release()
        self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def _live(self, task: Task, run: Callable[[], None]) -> None:
        task.baton.acquire()
        try:
            if self._failure is None:
                run()
        except Stopped:
            pass
        except BaseException as failure:  # noqa: BLE001 - `run` raises it in the main thread
            self._failure = self._failure or failure
        self._hand_over(None)

    def _hand_over(self, me: Task | None) -> None:
        following = self._next()
        if following is None:
            self._ended.set()
            return
        if following is me:
            return
        self.running = following
        following.baton.release()
        if me is not None:
            me.baton.acquire()

    def _next(self) -> Task | None:
        """Return the task that goes on; on the way make the calls that come first."""
        while self._waiting:
            at, _, following = heapq.heappop(self._waiting)
            self.now = max(self.now, at)
            if isinstance(following, Task):
                return following
            if self._failure is None:
                try:
                    following()
                except Stopped:
                    continue
                except BaseException as failure:  # noqa: BLE001 - `run` raises it
                    self._failure = failure
        return None

    def _push(self, at: float, what: Task | Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (at, next(self._order), what))
