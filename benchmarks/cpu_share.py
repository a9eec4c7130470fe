"""Gives a process the share of a CPU that Lambda gives a memory size, by cgroups."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-function.html
MB_OF_A_WHOLE_CPU = 1769
PERIOD = 20_000  # microseconds

V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup")
# All of a group together, against 1024 for each process outside: enough to go on, and not so much
# that hundreds of containers would leave their upstream no CPU.
WEIGHT = {"cpu.shares": "4096", "cpu.weight": "400"}


class Share(StrEnum):
    """How much of a CPU a container gets."""

    WHOLE = "whole"
    LIMITED = "limited"  # to what Lambda gives its memory size
    LIMITED_AFTER_INIT = "limited after init"  # a whole CPU until then, as is observed on Lambda


class Group:
    """A control group: what runs in it shares one quota."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take_in(self, pid: int) -> None:
        """Put a process, and what it will start, into the group."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def limit(self, memory_mb: int) -> None:
        """Keep the group to the share of a memory size from now on."""
        quota = PERIOD * memory_mb // MB_OF_A_WHOLE_CPU
        if (self._folder / "cpu.max").exists():
            (self._folder / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (self._folder / "cpu.cfs_period_us").write_text(str(PERIOD))
            (self._folder / "cpu.cfs_quota_us").write_text(str(quota))

    def weigh_as_one(self) -> None:
        """Let the group weigh no more than a few processes, however many it has."""
        for name, weight in WEIGHT.items():
            if (self._folder / name).exists():
                (self._folder / name).write_text(weight)


class Groups:
    """Makes groups below one of our own; without the right to, `possible` is false."""

    def __init__(self) -> None:
        self._names = map(str, itertools.count())
        self._top = _own_group()

    @property
    def possible(self) -> bool:
        """Tell whether CPU shares can be set here."""
        return self._top is not None

    @contextlib.contextmanager
    def group(self) -> Iterator[Group]:
        """Make a group until the end of the block, when all its processes must have ended."""
        if self._top is None:
            raise RuntimeError("CPU shares cannot be set here")
        folder = self._top / next(self._names)
        folder.mkdir()
        try:
            yield Group(folder)
        finally:
            folder.rmdir()

    def close(self) -> None:
        """Remove our own group."""
        if self._top is not None:
            self._top.rmdir()


def _own_group() -> Path | None:
    name = f"wechat-login-benchmark-{os.getpid()}"
    with contextlib.suppress(OSError):
        if (V1 / "cpu.cfs_quota_us").exists() or (V1 / "cpu.shares").exists():
            (V1 / name).mkdir()
            return V1 / name
        if "cpu" in (V2 / "cgroup.subtree_control").read_text().split():
            (V2 / name).mkdir()
            (V2 / name / "cgroup.subtree_control").write_text("+cpu")
            return V2 / name
    return None
