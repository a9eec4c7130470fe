"""A bounded number of histories; `make simulate` runs more."""

import re
import subprocess
import sys

from tests.simulation.history import plan
from tests.simulation.layer import ROOT

SEEDS = 80


def simulated(*arguments):
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_no_law_is_violated_in_the_first_histories():
    ran = simulated("--seeds", str(SEEDS), "--workers", "1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{SEEDS} histories" in ran.stdout
    assert "No law is violated." in ran.stdout


def test_a_seed_gives_the_same_history_each_time():
    first, second = (simulated("--seed", "5", "--whole").stdout for _ in range(2))

    assert len(first.splitlines()) > 20
    assert first == second


def test_a_seed_is_planned_the_same_each_time_and_another_seed_otherwise():
    assert plan(7) == plan(7) != plan(8)


def test_a_history_has_times_that_no_test_waits_for():
    lines = simulated("--seed", "3", "--whole").stdout

    last = re.findall(r"^ *([0-9.]+)  ", lines, re.MULTILINE)[-1]
    assert float(last) > 86_400
