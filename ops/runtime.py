"""`python -m ops.runtime`: prints a Python of Lambda's version, for compiling the build.

With `--install` uv installs one if there is none (PyPI's uv, standalone CPython from GitHub or the
mirror in UV_PYTHON_INSTALL_MIRROR). Without one the build still works, but functions start slower,
and a warning is printed.
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
    """Install an interpreter of the runtime's version with uv, if possible."""
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
    # pyenv has a shim for every installed version, and all but the chosen versions fail.
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
    """Print the interpreter, or a warning if there is none."""
    parser = argparse.ArgumentParser(prog="python -m ops.runtime", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install one with uv if possible")
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
