"""ministack, with a place for those resources of the template that it has no service for.

These are made and deleted in name only. So an alias shifts at once, without CodeDeploy.

An archive is unpacked once. ministack would unpack two thousand files of the layer at each cold
start, and Python would compile them again.
"""

import functools
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from local.emulator_process import ministack, run

NAMES_ALONE = (
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Logs::QueryDefinition",
)


def _make(logical_id, _properties, stack_name):
    return f"{stack_name}-{logical_id}", {}


def _change(physical_id, _former, _properties, _stack_name):
    return physical_id, {}


_unpacking = threading.Lock()
_unpack = zipfile.ZipFile.extractall


@functools.cache
def _folder_of(_content):
    return Path(tempfile.mkdtemp())


def _unpack_once(archive, path, *given):
    """Unpack an archive into an empty folder by a link to what the first one unpacked."""
    place = Path(path)
    if not place.is_dir() or any(place.iterdir()):
        _unpack(archive, path, *given)
        return
    with _unpacking:
        folder = _folder_of(tuple((each.filename, each.CRC) for each in archive.infolist()))
        if not any(folder.iterdir()):
            _unpack(archive, folder, *given)
    place.rmdir()
    place.symlink_to(folder)


def _account():
    """Return ministack with more kinds of resources."""
    unpack: Any = _unpack_once
    zipfile.ZipFile.extractall = unpack  # type: ignore[method-assign]  # ministack has no setting
    # It reads its port from the environment when it is imported, and mypy does not see it.
    from ministack.services.cloudformation import (  # type: ignore[import-not-found]  # noqa: PLC0415 - see above
        provisioners,
    )

    for kind in NAMES_ALONE:
        provisioners._RESOURCE_HANDLERS.setdefault(  # noqa: SLF001 - there is no public interface
            kind, {"create": _make, "update": _change, "delete": lambda *_: None}
        )
    return ministack()


if __name__ == "__main__":
    run(_account)
