"""Runs a command of `ops` in the tests' process, because a process of its own takes a second."""

import contextlib
import io
import os
import sys
from subprocess import CompletedProcess

import pytest


def run_here(main, *arguments, environment, stdin=""):
    """Run a command's `main` with this environment only, and return the same as `run`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in [*os.environ]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", [main.__module__, *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = main()
        except SystemExit as end:
            code = end.code
    return CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())
