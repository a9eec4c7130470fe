"""`make simulate`: runs histories on all processors; a violated law prints the shortest history."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import repeat

from tests.simulation.history import plan, run
from tests.simulation.layer import Layer
from tests.simulation.minimise import minimised
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.printing import printed

BATCH = 100
PROGRESS = 10  # batches
SHOWN = 120  # lines


def main() -> int:
    """Run the seeds that the command line names; return how many violate a law."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run one seed, and print its history")
    parser.add_argument("--whole", action="store_true", help="print it whole, not minimised")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutants", action="store_true", help="break the layer on purpose")
    parser.add_argument("--only", default="", help="only mutants with this text in their names")
    chosen = parser.parse_args()
    if chosen.mutants:
        return _run_mutants(chosen.only, chosen.seeds, chosen.workers)
    if chosen.seed is not None:
        return _show(chosen.seed, whole=chosen.whole)
    return _run_all(chosen.first, chosen.seeds, chosen.workers)


def _run_all(first: int, seeds: int, workers: int) -> int:
    started, violated = time.monotonic(), dict[int, str]()
    totals: Counter[str] = Counter()
    with _pool(workers) as pool:
        batches = [
            pool.submit(run_batch, at, min(at + BATCH, first + seeds))
            for at in range(first, first + seeds, BATCH)
        ]
        for done, batch in enumerate(as_completed(batches), start=1):
            found, counted = batch.result()
            violated |= found
            for seed, law in found.items():
                print(f"seed {seed} violates {law}", flush=True)
            if done % PROGRESS == 0:
                print(f"{done * BATCH} histories …", file=sys.stderr, flush=True)
            totals += counted
    seconds = time.monotonic() - started
    rate = seeds / seconds
    print(f"{seeds} histories in {seconds:.0f} s ({rate:.0f} a second, {workers} processes)")
    print(", ".join(f"{number} {what}" for what, number in sorted(totals.items())))
    for law, number in Counter(violated.values()).most_common():
        print(f"{number} histories violate {law}")
    if violated:
        _show(min(violated), whole=False)
    else:
        print("No law is violated.")
    return min(len(violated), 1)


def _run_mutants(only: str, seeds: int, workers: int) -> int:
    """Run histories of each mutant until one violates a law; return 1 if one violates none."""
    started, caught = time.monotonic(), 0
    chosen = [mutant for mutant in MUTANTS if only in mutant.what]
    print("| broken on purpose | first seed that sees it | law |\n| --- | --- | --- |")
    with _pool(workers) as pool:
        for mutant, found in zip(chosen, pool.map(catch, chosen, repeat(seeds)), strict=True):
            seed, law = found or ("-", "not seen")
            print(f"| {mutant.what} | {seed} | {law} |", flush=True)
            caught += found is not None
    seconds = time.monotonic() - started
    print(f"\n{caught} of {len(chosen)} mutants are seen within {seeds} seeds, in {seconds:.0f} s.")
    return int(caught < len(chosen))


def catch(mutant: Mutant, seeds: int) -> tuple[int, str] | None:
    """Return the first seed in which a law is violated by a mutant, and the law."""
    layer = Layer(mutant.reading())
    for seed in range(seeds):
        violation = run(plan(seed), layer).violation
        if violation is not None:
            return seed, violation.law
    return None


def run_batch(first: int, end: int) -> tuple[dict[int, str], Counter[str]]:
    """Run the seeds from `first` up to `end`; return the laws violated, and what was counted."""
    layer, violated, counted = _layer(), dict[int, str](), Counter[str]()
    for seed in range(first, end):
        outcome = run(plan(seed), layer)
        counted["lines"] += outcome.calls
        counted["faults"] += len(outcome.faults)
        counted["histories with faults"] += bool(outcome.faults)
        if outcome.violation is not None:
            violated[seed] = outcome.violation.law
    return violated, counted


def _layer() -> Layer:
    """Return this process's copy of the layer."""
    if not _layers:
        _layers.append(Layer())
    return _layers[0]


_layers: list[Layer] = []


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(workers) as pool:
        yield pool


def _show(seed: int, *, whole: bool) -> int:
    layer, planned = Layer(), plan(seed)
    outcome = run(planned, layer)
    if outcome.violation is not None and not whole:
        outcome = minimised(planned, layer, outcome)
    setting = planned.setting
    choices = ", ".join(f"{name}={value}" for name, value in setting.parameters.items())
    print(f"\nSeed {seed}: {choices}, clocks wrong by up to {setting.skew} s")
    print(printed(outcome.lines if whole else outcome.lines[-SHOWN:]))
    if outcome.violation is None:
        print("No law is violated.")
        return 0
    print(f"\nViolated ({outcome.violation.law}): {outcome.violation}")
    print(f"Again: PYTHONHASHSEED=0 python -m tests.simulation --seed {seed}")
    return 1


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set must be the same in each run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606 - this program
    sys.exit(main())
