"""`python -m benchmarks`: measures everything in one run, and writes docs/benchmarks.md."""

import argparse
import signal
import sys
import time
from dataclasses import dataclass

from benchmarks.bundles import compiled_as_built
from benchmarks.machine import this_machine
from benchmarks.measures import cold, costs, gains, scale, sizes, warm
from benchmarks.people import Cast, cast
from benchmarks.places import DOCS, TRIAL
from benchmarks.report import write_report
from benchmarks.results import Results
from benchmarks.stage import Stage, stage

CROWDS = [("ours", 1), ("ours", 10), ("ours", 50), ("ours", 200), ("usual", 1), ("usual", 10)]


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is measured."""

    rounds: int
    requests: int
    largest_crowd: int
    readers: int
    users: tuple[int, int]


USUAL = Effort(rounds=6, requests=40, largest_crowd=200, readers=200, users=(100, 100_000))
QUICK = Effort(rounds=2, requests=8, largest_crowd=10, readers=20, users=(100, 1000))


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a trial: few samples, no document")
    quick = parser.parse_args().quick
    # SIGTERM shall end all that was started, just as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = measure(QUICK if quick else USUAL)
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing is left running.")
    folder = TRIAL if quick else DOCS
    write_report(results, folder)
    print(f"Written: {folder / 'benchmarks.md'}")


def measure(effort: Effort) -> Results:
    """Measure everything, one thing after another."""
    began = time.monotonic()
    machine = this_machine()
    _say("setting the stage")
    with stage() as on, cast(on) as people:
        fewer = max(1, effort.rounds // 2)
        _say("cold starts")
        cold_starts = cold.cold_starts(on, people, rounds=effort.rounds)
        _say("cold starts by memory size")
        by_memory = cold.cold_starts_by_memory(on, people, rounds=fewer)
        _say("gains")
        undone = gains.gains(on, people, rounds=effort.rounds, requests=effort.requests)
        _say("warm requests")
        many, some = effort.requests, max(4, effort.requests // 4)
        blocks = warm.warm_requests(on, people, rounds=effort.rounds, requests=many)
        billed = warm.warm_requests_as_billed(on, people, rounds=2, requests=some)
        _say("where the time goes")
        import_costs = costs.import_costs(on, people, rounds=fewer)
        request_costs = costs.request_costs(on, people, requests=many)
        _say("many containers at once")
        crowds, left_out = _crowds(on, people, effort)
        quota = scale.reads_under_quota(on, effort.readers)
        _say("many users")
        by_users = scale.units_by_users(on, people, users=effort.users, requests=some)
        return Results(
            machine,
            compiled_as_built(),
            on.groups.possible,
            cold_starts,
            by_memory,
            undone,
            blocks,
            billed,
            crowds,
            left_out,
            quota,
            by_users,
            sizes.sizes(on.bundles),
            sizes.parts_of_the_layer(),
            import_costs,
            request_costs,
            minutes=(time.monotonic() - began) / 60,
        )


def _crowds(on: Stage, people: Cast, effort: Effort) -> tuple[list[scale.Crowd], list[int]]:
    crowds, left_out = [], []
    for contestant, containers in CROWDS:
        if containers > effort.largest_crowd:
            continue
        try:
            crowds.append(scale.crowd(on, people, contestant, containers))
        except scale.NotEnoughMemory:
            left_out.append(containers)
    on.share_access_token()
    return crowds, left_out


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    main()
