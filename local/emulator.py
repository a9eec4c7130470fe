"""Starts and stops ministack, the emulator of DynamoDB, SSM, EventBridge and SQS, on loopback."""

import contextlib
import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

from local.emulator_guard import authorization
from local.errors import EmulatorFailed
from local.exclusive import Taken, held
from stack.template import ROOT

REQUIREMENTS = ROOT / "requirements" / "ministack.txt"
LOCAL_FOLDER = ROOT / ".local"

_READY_SECONDS = 30
_STOP_SECONDS = 15
_INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Emulator:
    url: str
    _process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None


@contextlib.contextmanager
def emulator(
    state_dir: Path | None = None, folder: Path = LOCAL_FOLDER, access_key: str | None = None
) -> Iterator[Emulator]:
    """Run ministack; without a folder for its state it starts empty and keeps nothing.

    Requests from web pages are always rejected. With an access key, so are requests not signed with
    that key; without one, any key is accepted, and a key of 12 digits is an AWS account.

    Raises `EmulatorFailed`: it could not be installed or did not start.
    """
    python = installed(folder)
    with tempfile.TemporaryFile() as output:
        process = _start(python, state_dir, output, access_key)
        try:
            yield Emulator(_url_when_ready(process, output, access_key), process)
        finally:
            _stop(process)


def installed(folder: Path = LOCAL_FOLDER) -> Path:
    """Return the interpreter of ministack's own environment; make it if its packages changed."""
    environment = folder / "ministack-venv"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    mark = environment / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    try:
        with held(folder / "ministack-venv.lock", _INSTALL_SECONDS):
            # The interpreter is a link, which breaks if its Python is removed.
            if not python.exists() or not mark.is_file() or mark.read_text() != wanted:
                _install(environment, python)
                mark.write_text(wanted)
    except Taken:
        raise EmulatorFailed(f"another process is still installing {environment}") from None
    return python


def _install(environment: Path, python: Path) -> None:
    print(f"Installing ministack into {environment}, once …", file=sys.stderr, flush=True)
    # Only the packages that these services load: --no-deps leaves out the rest.
    options = [
        "--no-deps",
        "--require-hashes",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
    ]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [str(python), "-m", "pip", "install", *options, "-r", str(REQUIREMENTS)],
    ):
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
        except subprocess.CalledProcessError as fault:
            said = _last_line(fault.stderr or fault.stdout)
            raise EmulatorFailed(f"ministack could not be installed: {said}") from fault
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise EmulatorFailed(f"ministack could not be installed: {fault}") from fault


def _start(
    python: Path, state_dir: Path | None, output: IO[bytes], access_key: str | None
) -> subprocess.Popen[bytes]:
    settings = {
        "BIND_HOST": "127.0.0.1",
        # Otherwise ministack also listens for MQTT, on all interfaces.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": "dynamodb,dynamodbstreams,events,sqs,ssm",
        "LOG_LEVEL": "WARNING",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PERSIST_STATE": "0",
    }
    if state_dir is not None:
        # The folder has the parameters in clear, and perhaps a real AppSecret.
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings |= {"PERSIST_STATE": "1", "STATE_DIR": str(state_dir.resolve())}
    if access_key is not None:
        # Not an argument, because every user of the machine can read arguments.
        settings["EMULATOR_ACCESS_KEY"] = access_key
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "MINISTACK"))
        and name not in ("STATE_DIR", "USE_SSL", "EMULATOR_ACCESS_KEY")
    }
    return subprocess.Popen(
        [python, "-m", "local.emulator_process"],
        cwd=ROOT,
        env=inherited | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=output,
        # In its own session (on Windows, group), so that only the runner gets Ctrl-C.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _url_when_ready(
    process: subprocess.Popen[bytes], output: IO[bytes], access_key: str | None
) -> str:
    port = next(iter(process.stdout or ()), b"")
    give_up_at = time.monotonic() + _READY_SECONDS
    while port and time.monotonic() < give_up_at and process.poll() is None:
        if _is_ready(int(port), access_key):
            return f"http://127.0.0.1:{int(port)}"
        time.sleep(0.05)
    output.seek(0)
    said = _last_line(output.read().decode(errors="replace"))
    raise EmulatorFailed(f"ministack did not start: {said}")


def _is_ready(port: int, access_key: str | None) -> bool:
    headers = {"Authorization": authorization(access_key)} if access_key else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_READY_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/_ministack/ready", headers=headers)
            return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=_STOP_SECONDS)  # Closing its input ends the process.
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
