"""`python -m local`: the whole backend on this machine, without AWS, Docker or WeChat."""

import signal
import sys

OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Run until Ctrl-C or SIGTERM, and return the exit code."""
    if sys.version_info < OLDEST_PYTHON:  # A Mac's own python3 is older.
        return _fail(f"this is Python {sys.version.split()[0]}, and 3.11 or later is needed")
    # SIGTERM ends a run like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Not at the top: if a dependency is missing, one line has to report that.
        from local.errors import CannotRun  # noqa: PLC0415 - see above
        from local.run import run  # noqa: PLC0415 - see above
        from stack.errors import StackError  # noqa: PLC0415 - see above

        try:
            run()
        except (CannotRun, StackError) as reason:
            return _fail(str(reason))
    except ModuleNotFoundError as missing:
        return _fail(f"{missing.name} is not installed in {sys.prefix}; `make run` installs it")
    except KeyboardInterrupt:
        print("Stopped. Nothing is left running.", flush=True)
    return 0


def _fail(reason: str) -> int:
    print(f"python -m local: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
