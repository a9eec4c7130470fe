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
import socket
import sys
from pathlib import Path

from local.emulator_guard import Guard
from local.emulator_server import serve
from local.exclusive import Taken, held


def main() -> None:
    # Only the pipe ends this process: the parent needs it during Ctrl-C or a system's shutdown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    state_dir = os.environ.get("STATE_DIR")
    try:
        # The emulator of a killed runner may still be saving its state.
        with held(Path(state_dir, "lock"), 10) if state_dir else contextlib.nullcontext():
            run(listen())
    except Taken:
        sys.exit(f"another local run is using {state_dir}")


def listen() -> socket.socket:
    """Listen on a free port, and print it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)
    print(port, flush=True)
    # From here on nobody reads standard output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return listener


def run(listener: socket.socket) -> None:
    """Serve ministack until standard input is closed."""
    # ministack reads its settings from the environment at import, so it is not imported above. It
    # is not in mypy's environment.
    from ministack.app import app  # type: ignore[import-not-found]  # noqa: PLC0415 - see above

    async def parent_has_gone() -> None:
        await asyncio.to_thread(sys.stdin.buffer.read)

    guarded = Guard(app, os.environ.get("EMULATOR_ACCESS_KEY"))
    asyncio.run(serve(guarded, listener, parent_has_gone()))


if __name__ == "__main__":
    main()
