"""Publishes the local run's addresses to other programs, such as `make doctor STAGE=local`."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from local.backend import Backend
from stack.cloudformation import REGION


@contextlib.contextmanager
def announced(running: Backend, folder: Path) -> Iterator[None]:
    """Keep `running.json` in the folder until the end of the block.

    The file has the emulator's access key, so only its owner may read it.
    """
    file = folder / "running.json"
    where = {
        "pid": os.getpid(),
        "region": REGION,
        "api": running.api.url,
        "aws": running.aws.url,
        "accessKey": running.access_key,
        "table": running.api.stack.tables[0].name,
        "parameters": dict(running.api.stack.parameters),
    }
    # An existing file, left by a killed run, would keep its mode.
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(json.dumps(where), "utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
