"""One Lambda container: a process with a runtime and a handler, and the Runtime API it calls.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import contextlib
import json
import queue
import re
import subprocess
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from benchmarks.prices import MEMORY_MB
from benchmarks.server import Headers, Server
from local.http_server import HOST

PATIENCE = 300
# The variables that Lambda sets, without those of this shell.
OF_LAMBDA = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    # Lambda's own folders are read-only.
    "PYTHONDONTWRITEBYTECODE": "1",
}


class ContainerFailed(Exception):
    """The container has failed; the text ends with the last printed lines."""


class Container:
    """Cold until its first invocation; one invocation at a time."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment
        self._api = Server(self._runtime_api)
        self._events: queue.Queue[bytes] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._printed: deque[str] = deque(maxlen=12)
        self._process: subprocess.Popen[str] | None = None
        self._started = self._ready_at = self._sent_at = 0.0
        self.log_bytes = 0  # of the JSON lines that the handler has printed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the runtime."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._events.put(b"")
        self._api.stop()

    @property
    def init_ms(self) -> float:
        """Return the time from the start of the process until it asked for the first event."""
        return (self._ready_at - self._started) * 1000

    def invoke(self, event: object) -> tuple[Any, float]:
        """Return the JSON of the answer, of its body if it is HTTP's, and the milliseconds.

        The first event starts the process. Raises `ContainerFailed`.
        """
        if self._process is None:
            self._start()
        self._events.put(json.dumps(event).encode())
        try:
            path, body, ms = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            path, body, ms = "no answer", b"", 0.0
        if not path.endswith("/response"):
            printed = "".join(self._printed)
            raise ContainerFailed(f"{path}: {body.decode()[:500]}\n{printed}")
        answer = json.loads(body)
        return json.loads(answer["body"]) if "body" in (answer or {}) else answer, ms

    def cpu_ms(self) -> float:
        """Return the CPU time that the runtime's threads have used since it started."""
        nanoseconds = 0
        for schedule in self._proc().glob("task/*/schedstat"):
            with contextlib.suppress(OSError):
                nanoseconds += int(schedule.read_text().split()[0])
        return nanoseconds / 1e6

    def peak_mb(self) -> float:
        found = re.search(r"VmHWM:\s+(\d+) kB", (self._proc() / "status").read_text("ascii"))
        return int(found[1]) / 1024 if found else 0.0

    def _proc(self) -> Path:
        return Path(f"/proc/{self._process.pid if self._process else 'self'}")

    def _start(self) -> None:
        self._started = time.perf_counter()
        address = {"AWS_LAMBDA_RUNTIME_API": f"{HOST}:{self._api.server_port}"}
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env={**OF_LAMBDA, **self._environment, **address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Only the benchmarks get Ctrl-C; they then end their containers.
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.log_bytes += len(line.encode()) if line.startswith("{") else 0
                self._printed.append(line)
        self._answers.put(("the process has ended", b"", 0.0))

    def _runtime_api(
        self, method: str, path: str, _headers: Headers, body: bytes
    ) -> tuple[int, Headers, bytes]:
        if method == "POST":
            ms = (time.perf_counter() - self._sent_at) * 1000
            self._answers.put((path, body, ms))
            return 202, {}, b""
        self._ready_at = self._ready_at or time.perf_counter()
        event = self._events.get()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + PATIENCE) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:0:function:benchmark",
            "Lambda-Runtime-Trace-Id": "Root=1-0;Parent=0;Sampled=0",
        }
        self._sent_at = time.perf_counter()
        return 200, headers, event
