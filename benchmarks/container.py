"""One Lambda container: AWS's runtime interface emulator with a runtime and a handler in it."""

import contextlib
import http.client
import itertools
import json
import platform
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from benchmarks.cpu_share import Group, Share
from benchmarks.places import SAM_ENVIRONMENT
from local.http_server import HOST

PATIENCE = 300
MOST_LINES = 5000
INVOKE = "/2015-03-31/functions/function/invocations"
_ports = itertools.cycle(range(20_000, 32_000))
_INIT = re.compile(r"INIT REPORT\(.*?durationMs: ([0-9.]+)")
_DONE = re.compile(r"INVOKE RTDONE\(.*?duration: ([0-9.]+)ms")


class ContainerFailed(Exception):
    """The emulator or the handler in it did not do its job; says what it printed last."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a handler is started, and what it finds in its environment."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    memory_mb: int
    timeout: int  # seconds


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came back, and how long the handler took to answer."""

    answer: Any
    ms: float

    @property
    def body(self) -> Any:
        """Return the JSON in the body of an HTTP answer."""
        return json.loads(self.answer["body"])


class Container:
    """Cold until its first invocation; one invocation at a time, or the emulator crashes."""

    def __init__(
        self, command: Command, *, group: Group | None = None, share: Share = Share.WHOLE
    ) -> None:
        """Start the emulator, in a group if given; the handler starts when it is invoked."""
        self._command = command
        self._group = group
        self._share = share
        if group is not None and share is Share.LIMITED:
            group.limit(command.memory_mb)
        self._invoking = threading.Lock()
        self._durations: queue.Queue[float | None] = queue.Queue()
        self._printed: list[str] = []
        self.init_ms = 0.0
        self._runtime_pid: int | None = None
        self._port = _new_port()
        self._process = self._started()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()

    def invoke(self, event: object) -> Invocation:
        """Send an event and wait for its answer."""
        with self._invoking:
            answer = self._post(json.dumps(event).encode())
            try:
                ms = self._durations.get(timeout=PATIENCE)
            except queue.Empty:
                ms = None
        if ms is None or (isinstance(answer, dict) and "errorType" in answer):
            raise ContainerFailed(f"{str(answer)[:500]}\n{self.printed()}")
        return Invocation(answer, ms)

    def cpu_ms(self) -> float:
        """Return the CPU time that the runtime's threads have used since it started."""
        nanoseconds = 0
        for schedule in Path(f"/proc/{self._runtime()}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                nanoseconds += int(schedule.read_text().split()[0])
        return nanoseconds / 1e6

    def peak_mb(self) -> float:
        """Return the most memory that the runtime has had."""
        status = Path(f"/proc/{self._runtime()}/status").read_text("ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def printed(self, lines: int = 12) -> str:
        """Return the last lines that the emulator and the handler printed."""
        return "\n".join(self._printed[-lines:])

    def stop(self) -> None:
        """End the emulator, which ends the runtime."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _started(self) -> "subprocess.Popen[str]":
        addresses = (
            *("--runtime-interface-emulator-address", f"{HOST}:{self._port}"),
            *("--runtime-api-address", f"{HOST}:{_new_port()}"),
        )
        process = subprocess.Popen(
            [str(_emulator()), *addresses, *self._command.arguments],
            cwd=self._command.folder,
            env=_environment(self._command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C reaches the benchmarks alone, which then end what they started.
            start_new_session=True,
        )
        if self._group is not None:
            self._group.take_in(process.pid)
        return process

    def _read(self) -> None:
        output: IO[str] = self._process.stdout  # type: ignore[assignment]  # Popen was given a pipe
        with output:
            for line in output:
                if found := _INIT.search(line):
                    self.init_ms = float(found[1])
                    if self._group is not None and self._share is Share.LIMITED_AFTER_INIT:
                        self._group.limit(self._command.memory_mb)
                elif found := _DONE.search(line):
                    self._durations.put(float(found[1]))
                else:
                    self._printed.append(line.rstrip())
                    del self._printed[:-MOST_LINES]
        self._durations.put(None)

    def _post(self, body: bytes) -> Any:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE)
        text = "no answer"
        try:
            with contextlib.closing(connection):
                connection.sock = self._connected()
                connection.request("POST", INVOKE, body)
                text = connection.getresponse().read().decode()
            return json.loads(text)
        except (http.client.HTTPException, OSError, ValueError):
            # A timeout, for one, is told in plain text.
            raise ContainerFailed(f"{text[:500]}\n{self.printed()}") from None

    def _connected(self) -> socket.socket:
        give_up_at = time.monotonic() + PATIENCE
        while True:
            try:
                connection = socket.create_connection((HOST, self._port), timeout=PATIENCE)
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.monotonic() > give_up_at:
                    raise ContainerFailed(f"did not start: {self.printed()}") from None
                time.sleep(0.002)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection

    def _runtime(self) -> int:
        if self._runtime_pid is None:
            self._runtime_pid = next(_children(self._process.pid))
        return self._runtime_pid


def _new_port() -> int:
    """Return a port that nobody has, and that the system gives to nobody by itself."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port


def _children(pid: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program, in brackets, may hold anything.
            after_name = stat.read_text().rpartition(")")[2].split()
            if int(after_name[1]) == pid:
                yield int(stat.parent.name)


def _environment(command: Command) -> dict[str, str]:
    """Return what Lambda sets, and nothing of this shell."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": str(command.folder),
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(command.memory_mb),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(command.timeout),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        # Lambda's own folders cannot be written to.
        "PYTHONDONTWRITEBYTECODE": "1",
        **command.environment,
    }


def _emulator() -> Path:
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    name = f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
    found = next(SAM_ENVIRONMENT.glob(name), None)
    if found is None:
        raise ContainerFailed("the emulator is not installed: make bench")
    return found
