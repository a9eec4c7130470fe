"""Makes a history that violates a law as short as it can, by leaving out steps and faults."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tests.simulation.faults import Place
from tests.simulation.history import Outcome, Plan, Step, run
from tests.simulation.layer import Layer

Part = TypeVar("Part")

MOST_RUNS = 400


def minimised(planned: Plan, layer: Layer, found: Outcome) -> Outcome:
    """Return a shorter history in which the same law is violated."""
    if found.violation is None:
        raise ValueError("this history violates no law")
    law, best = found.violation.law, found
    runs = 0

    def fails(steps: Sequence[Step], faults: Mapping[Place, str]) -> bool:
        nonlocal best, runs
        runs += 1
        if runs > MOST_RUNS:
            return False
        outcome = run(planned, layer, steps=steps, faults=faults)
        if outcome.violation is None or outcome.violation.law != law:
            return False
        best = outcome
        return True

    steps: Sequence[Step] = planned.steps
    faults = list(found.faults.items())
    if not fails(steps, dict(faults)):
        return found  # It fails only with the faults by chance.
    steps = _fewest(steps, lambda fewer: fails(fewer, dict(faults)))
    faults = list(_fewest(faults, lambda fewer: fails(steps, dict(fewer))))
    _fewest(steps, lambda fewer: fails(fewer, dict(faults)))
    return best


def _fewest(parts: Sequence[Part], fails: Callable[[Sequence[Part]], bool]) -> Sequence[Part]:
    """Return the parts without those that can be left out: first halves, then smaller pieces."""
    piece = max(1, len(parts) // 2)
    while True:
        at = 0
        while at < len(parts):
            fewer = [*parts[:at], *parts[at + piece :]]
            if fails(fewer):
                parts = fewer
            else:
                at += piece
        if piece == 1:
            return parts
        piece //= 2
