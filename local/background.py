"""Threads that work beside the servers of a local run."""

import threading

_LAST_RUN_SECONDS = 5


class Background:
    """Threads between `start` and `stop`; each ends soon after `_stopped` is set."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_LAST_RUN_SECONDS)
