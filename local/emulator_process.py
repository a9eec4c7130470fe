"""ministack in its own process, which saves its state and ends when its parent ends.

local.emulator runs this module with the interpreter of ministack's virtual environment. The process
prints its port, serves until its standard input is closed and then stops as on SIGTERM, which
Windows does not have. The parent closes the input, or the system does if the parent is killed: so
no process is left running, and no acknowledged write is lost.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from local.asgi import Asgi, AsgiApplication
from local.emulator_guard import Guard
from local.exclusive import Taken, held
from local.http_server import HttpServer


def main() -> None:
    # Only the pipe ends this process: the parent needs it during Ctrl-C or a system's shutdown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    state_dir = os.environ.get("STATE_DIR")
    try:
        # The emulator of a killed runner may still be saving its state.
        with held(Path(state_dir, "lock"), 10) if state_dir else contextlib.nullcontext():
            run(ministack)
    except Taken:
        sys.exit(f"another local run is using {state_dir}")


def ministack() -> Asgi:
    """Return ministack, which reads its port and settings from the environment at import."""
    # mypy's environment does not have it.
    from ministack.app import app  # type: ignore[import-not-found]  # noqa: PLC0415 - see above

    application: Asgi = app
    return application


def run(load: Callable[[], Asgi]) -> None:
    """Listen on a free port, print the port, and serve until standard input is closed."""
    application = AsgiApplication(load)
    server = HttpServer(Guard(application, os.environ.get("EMULATOR_ACCESS_KEY")))
    os.environ["GATEWAY_PORT"] = str(server.server_port)
    print(server.server_port, flush=True)
    # From here on nobody reads standard output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asyncio.run(_serve(application, server))


async def _serve(application: AsgiApplication, server: HttpServer) -> None:
    async with application.started():
        server.start()
        await asyncio.to_thread(sys.stdin.buffer.read)
        await asyncio.to_thread(server.stop)


if __name__ == "__main__":
    main()
