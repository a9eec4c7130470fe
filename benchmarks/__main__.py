"""`python -m benchmarks`: measures everything in one run, and writes the documents' tables."""

import argparse
import os
import platform
import signal
import sys
import time
from importlib.metadata import version

from benchmarks.bundles import WORK, make_bundles
from benchmarks.cold import cold_starts
from benchmarks.people import cast
from benchmarks.scale import crowds
from benchmarks.stage import stage
from benchmarks.tables import DOCUMENTS, Results, tables_of, write_tables
from benchmarks.warm import warm_requests
from local.emulator import emulator
from stack.template import ROOT

PACKAGES = ("awslambdaric", "boto3", "requests", "pycryptodome", "pyjwt", "wechatpy")


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a trial: few samples, copies of docs")
    quick = parser.parse_args().quick
    # SIGTERM ends everything, like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = measure(2, 6, 10) if quick else measure(6, 40, 50)
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing is left running.")
    for document in DOCUMENTS:
        target = WORK / "trial" / document.relative_to(ROOT / "docs") if quick else document
        write_tables(tables_of(results), document, target)
        print(f"Written: {target}")


def measure(rounds: int, requests: int, largest_crowd: int) -> Results:
    """Measure one thing after another."""
    load = os.getloadavg()[0]
    WORK.mkdir(parents=True, exist_ok=True)
    with emulator() as aws, stage(aws.url, WORK, make_bundles) as on, cast(on) as people:
        return Results(
            _machine(load, rounds),
            cold_starts(on, people, rounds=rounds),
            *warm_requests(on, people, rounds=rounds, requests=requests),
            crowds(on, people, largest=largest_crowd),
            {name: bundle.megabytes() for name, bundle in on.bundles.items()},
        )


def _machine(load: float, rounds: int) -> list[str]:
    return [
        time.strftime("%Y-%m-%d"),
        f"{os.cpu_count()} ({platform.machine()})",
        f"{load:.2f}",
        f"{rounds}",
        platform.python_version(),
        ", ".join(f"{package} {version(package)}" for package in PACKAGES),
    ]


if __name__ == "__main__":
    main()
