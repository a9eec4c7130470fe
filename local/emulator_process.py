"""ministack in a process of its own, which ends, and saves its state, when its parent does.

Run by local.emulator with the interpreter of ministack's own virtual environment. It prints its
port, serves until its standard input is closed and then stops as it would on SIGTERM, which
Windows does not have. The input is closed by the parent, or by the system when the parent dies,
be it of kill -9: so nothing outlives the runner, and nothing that was acknowledged is lost.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from local.exclusive import Taken, held


def main() -> None:
    # Its end comes by the pipe alone: on Ctrl-C or a system's shutdown the parent still needs it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    state_dir = os.environ.get("STATE_DIR")
    try:
        # A runner that was just killed leaves its emulator saving for a moment.
        with held(Path(state_dir, "lock"), 10) if state_dir else contextlib.nullcontext():
            _listen_and_serve()
    except Taken:
        sys.exit(f"another local run is using {state_dir}")


def _listen_and_serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)
    print(port, flush=True)
    # From here on nobody reads what is printed.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _serve(listener)


def _serve(listener: socket.socket) -> None:
    # Here and not above: ministack reads its settings from the environment when it is imported.
    from hypercorn.asyncio import serve  # type: ignore[import-not-found]  # noqa: PLC0415 - only in the environment of ministack
    from hypercorn.config import Config  # type: ignore[import-not-found]  # noqa: PLC0415 - only in the environment of ministack
    from ministack.app import app  # type: ignore[import-not-found]  # noqa: PLC0415 - only in the environment of ministack

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"

    async def parent_has_gone() -> None:
        await asyncio.to_thread(sys.stdin.buffer.read)

    asyncio.run(serve(app, config, shutdown_trigger=parent_has_gone))


if __name__ == "__main__":
    main()
