"""Runs the backend in the foreground: prints a banner, and one line per request."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import demo
from local import api_docs
from local.backend import Backend, backend
from local.errors import EmulatorFailed, PortTaken
from local.http_server import Request, Response, require_free
from local.running import announced
from stack.parameters import parse_parameters
from stack.template import ROOT

# The demo page requests its own files, and polls the table, all the time.
DEMO_PATHS = ("/docs", "/local/", "/phone/")
BANNER = """\
wechat-login is running. Ctrl-C stops it; the data stays for the next start.

  a phone to try    {api}/
  the API           {api}, described at {api}/docs
  simulated WeChat  {wechat}
  functions' log    {log}{events}

Paste this into another terminal: alice logs in, has no token, registers her phone, has one.

API={api}; WECHAT={wechat}
{session}"""


EVENTS = """
  events            {api}/local/events; in the emulator's EventBridge, bus {bus}"""


def run() -> NoReturn:
    """Run until Ctrl-C.

    Raises `KeyboardInterrupt`: after everything has been stopped.
    Raises `CannotRun`: a prerequisite is missing, in use or wrong.
    """
    parameters = parse_parameters(_arguments().parameters)
    port, wechat_port = _port("PORT", 3000), _port("WECHAT_PORT", 3001)
    folder = Path(os.environ.get("LOCAL_DIR", ROOT / ".local"))
    terminal = sys.stdout

    def report(request: Request, response: Response, seconds: float) -> None:
        if request.path.startswith(DEMO_PATHS):
            return
        # Only the path: a query may contain secrets.
        line = f"{request.method} {request.path!a} {response.status} {seconds * 1000:.0f} ms"
        print(time.strftime("%H:%M:%S"), line, file=terminal, flush=True)

    with backend(
        parameters,
        port=port,
        wechat_port=wechat_port,
        state_dir=folder / "state",
        log_file=folder / "api.log",
        report=report,
        pages={**demo.PAGES, **api_docs.pages()},
    ) as running:
        running.api.start_schedules()
        print(_banner(running, folder / "api.log"), file=terminal, flush=True)
        with announced(running, folder):
            _wait(running)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Runs the whole backend on this machine. The variables PORT and WECHAT_PORT "
        "choose the ports, LOCAL_DIR the folder for state and log.",
    )
    parser.add_argument(
        "--parameters",
        metavar="'NAME=VALUE …'",
        default=os.environ.get("PARAMETERS", ""),
        help="parameters of template.yaml; also the variable PARAMETERS",
    )
    return parser.parse_args()


def _port(setting: str, default: int) -> int:
    text = os.environ.get(setting) or str(default)
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise PortTaken(f"{setting} is {text} and must be a port's number")
    require_free(int(text), setting)
    return int(text)


def _banner(running: Backend, log: Path) -> str:
    session = Path(__file__).with_name("session.sh").read_text("utf-8")
    api, parameters = running.api.url, running.api.stack.parameters
    has_events = parameters["Events"] == "true"
    events = EVENTS.format(api=api, bus=parameters["EventBusName"]) if has_events else ""
    return BANNER.format(
        api=api, wechat=running.wechat_url, log=log, session=session, events=events
    )


def _wait(running: Backend) -> NoReturn:
    try:
        while running.aws.is_running():
            time.sleep(0.5)
    finally:
        # A second Ctrl-C must not interrupt the cleanup.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise EmulatorFailed("ministack has ended by itself")
