"""Runs a command of `ops` in the tests' process, because a process of its own takes a second."""

import contextlib
import io
import os
import sys
import threading
from subprocess import CompletedProcess

import pytest


class _Screen(io.StringIO):
    """What this thread prints; other threads, such as a local function's, print where they did."""

    def __init__(self, others):
        super().__init__()
        self._others, self._thread = others, threading.get_ident()

    def write(self, text):
        is_mine = threading.get_ident() == self._thread
        return super().write(text) if is_mine else self._others.write(text)


def run_here(main, *arguments, environment, stdin=""):
    """Run a command's `main` with this environment only, and return the same as `run`."""
    out, err = _Screen(sys.stdout), _Screen(sys.stderr)
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in os.environ.keys() - environment.keys():
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
