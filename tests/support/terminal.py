"""Runs a command at a terminal, and answers its questions as a person would."""

import os
import pty
import select
import subprocess
import time

from stack.template import ROOT


def at_a_terminal(command, environment, answers, seconds=60):
    """Return the exit code and the screen; `answers` are pairs of a question's text and an answer.

    Each question is answered once, in this order.
    """
    main, side = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment,
        cwd=ROOT,
        # Without a terminal of its own it would ask at the one that the tests run in.
        start_new_session=True,
    )
    os.close(side)
    shown, left = "", list(answers)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([main], [], [], 0.1)[0]:
            try:
                shown += os.read(main, 4096).decode(errors="replace")
            except OSError:
                break  # The command has ended.
            if left and left[0][0] in shown:
                os.write(main, f"{left.pop(0)[1]}\n".encode())
    os.close(main)
    return process.wait(30), shown
