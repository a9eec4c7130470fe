"""Tells other programs, such as `make doctor STAGE=local`, where the local run is."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from local.backend import Backend
from stack.cloudformation import REGION


@contextlib.contextmanager
def announced(running: Backend, folder: Path) -> Iterator[None]:
    """Keep `running.json` in the folder until the end of the block."""
    file = folder / "running.json"
    where = {
        "pid": os.getpid(),
        "region": REGION,
        "api": running.api.url,
        "aws": running.aws.url,
        "table": running.api.stack.tables[0].name,
        "parameters": dict(running.api.stack.parameters),
    }
    file.write_text(json.dumps(where), "utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
