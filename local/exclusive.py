"""A file lock that one process at a time can hold; the system releases it with the process."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class Taken(Exception):
    """Another process has the lock."""


@contextlib.contextmanager
def held(path: Path, patience_seconds: float) -> Iterator[None]:
    """Hold the lock until the end of the block, or raise `Taken` if it is not released in time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        give_up_at = time.monotonic() + patience_seconds
        while not _lock(descriptor):
            if time.monotonic() > give_up_at:
                raise Taken(path)
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
