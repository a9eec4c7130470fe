"""`python -m ops.runtime`: prints a Python of Lambda's version, with which the build compiles.

With `--install` uv brings one where there is none (PyPI's uv, standalone CPython from GitHub or
the mirror in UV_PYTHON_INSTALL_MIRROR). Without one the build is right all the same, and functions
start slower: one line says so.
"""

# ruff: noqa: TID251, T201 - a command line's module
import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION = (3, 13)
NAME = "python" + ".".join(map(str, VERSION))
SAYS_VERSION = "import sys; print(*sys.version_info[:2])"
PATIENCE = 30
INSTALL_PATIENCE = 300
ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv-sam" / "bin" / "uv"
INSTALLED = ROOT / ".local" / "python"


def find() -> Path | None:
    """Return an interpreter of the runtime's version: on the path, pyenv's, or one of uv's."""
    return next((each for each in _candidates() if _version_of(each) == VERSION), None)


def install(uv: Path = UV, folder: Path = INSTALLED) -> None:
    """Let uv install an interpreter of the runtime's version, if it can."""
    try:
        ran = subprocess.run(
            [uv, "python", "install", NAME.removeprefix("python"), "--no-bin", "-i", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError) as failed:
        print(f"warning: uv could not install {NAME}: {type(failed).__name__}", file=sys.stderr)
        return
    if ran.returncode:
        reason = ran.stderr.strip().rpartition("\n")[2].strip().removeprefix("cause: ")
        print(f"warning: uv could not install {NAME}: {reason}", file=sys.stderr)


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield Path(folder, NAME)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{NAME.removeprefix('python')}*/bin/python3"))
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    for installed in (INSTALLED, data / "uv" / "python"):
        yield from sorted(installed.glob(f"cpython-{NAME.removeprefix('python')}*/bin/python3"))


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
    parser = argparse.ArgumentParser(prog="python -m ops.runtime", description=__doc__)
    parser.add_argument("--install", action="store_true", help="let uv bring one if it can")
    arguments = parser.parse_args()
    python = find()
    if python is None and arguments.install:
        install()
        python = find()
    if python is None:
        print(
            f"warning: no {NAME} here, so the build is not compiled: cold starts take 1.8 times "
            "as long",
            file=sys.stderr,
        )
    else:
        print(python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
