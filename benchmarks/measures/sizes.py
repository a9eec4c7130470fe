"""What is shipped, in megabytes of a million bytes, unpacked and packed."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bundles import Bundle
from benchmarks.places import BUILD, WORK

MEGABYTE = 1e6
# Parts of the layer that are worth a line of their own.
LARGE = 0.3


@dataclass(frozen=True, slots=True)
class Size:
    """One folder."""

    name: str
    unpacked: float
    packed: float
    compiled: float  # of the unpacked, .pyc files


def sizes(bundles: Mapping[str, Bundle]) -> list[Size]:
    """Measure what `make build` has built, and what the others would ship."""
    found = [
        _size("layer, as built", BUILD / "Layer"),
        _size("a function, as built", BUILD / "Login"),
    ]
    others = {"usual": "the usual way", "node": "Node, bundled"}
    return found + [
        _size(said, bundles[name].task) for name, said in others.items() if name in bundles
    ]


def parts_of_the_layer() -> list[Size]:
    """Measure the larger packages of the layer, the largest first."""
    parts = [_size(part.name, part) for part in (BUILD / "Layer" / "python").iterdir()]
    return sorted(
        (part for part in parts if part.unpacked > LARGE), key=lambda part: -part.unpacked
    )


def _size(name: str, folder: Path) -> Size:
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    target = WORK / "size.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder.parent))
    unpacked = sum(file.stat().st_size for file in files)
    compiled = sum(file.stat().st_size for file in files if file.suffix == ".pyc")
    return Size(name, unpacked / MEGABYTE, target.stat().st_size / MEGABYTE, compiled / MEGABYTE)
