"""`make run` as processes of their own, with an empty table, for long runs against them."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import requests

from local.http_server import free_port
from stack.template import ROOT

READY_SECONDS = 120
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Processes:
    api: str
    wechat: str
    pid: int  # of the gateway, the handlers and the simulated WeChat


@contextlib.contextmanager
def local_processes(**settings: str):
    """Run `python -m local` until the end of the block; its emulator is its child."""
    port, wechat_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        ports = {"PORT": f"{port}", "WECHAT_PORT": f"{wechat_port}", "LOCAL_DIR": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "local"],
            cwd=ROOT,
            env={**os.environ, **ports, **settings},
            stdout=subprocess.DEVNULL,
        )
        try:
            api = f"http://127.0.0.1:{port}"
            _wait_for(api)
            yield Processes(api, f"http://127.0.0.1:{wechat_port}", process.pid)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _wait_for(api: str) -> None:
    give_up_at = time.monotonic() + READY_SECONDS
    while True:
        try:
            requests.get(f"{api}/.well-known/jwks.json", timeout=5).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.5)
        else:
            return
