"""`python -m ops.runtime`: prints a Python of Lambda's version, with which the build compiles.

Without one the build is right all the same, and functions start slower: one line says so.
"""

# ruff: noqa: TID251, T201 - a command line's module
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION = (3, 13)
NAME = "python" + ".".join(map(str, VERSION))
SAYS_VERSION = "import sys; print(*sys.version_info[:2])"
PATIENCE = 30


def find() -> Path | None:
    """Find an interpreter of the runtime's version: on the path, or among pyenv's."""
    return next((each for each in _candidates() if _version_of(each) == VERSION), None)


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield Path(folder, NAME)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{NAME.removeprefix('python')}*/bin/python3"))


def _version_of(python: Path) -> tuple[int, ...] | None:
    # A shim of pyenv is there for every version it has, and fails for all but the chosen ones.
    if not python.is_file():
        return None
    try:
        ran = subprocess.run(
            [python, "-c", SAYS_VERSION],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return tuple(map(int, ran.stdout.split()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def main() -> int:
    """Print the interpreter, or nothing and why that matters."""
    python = find()
    if python is None:
        print(
            f"warning: no {NAME} here, so the build is not compiled: cold starts take longer",
            file=sys.stderr,
        )
    else:
        print(python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
