"""Where the CPU time goes: of init by imported package, of a warm request by package."""

import re
from collections import Counter

from benchmarks.container import MOST_LINES
from benchmarks.people import Cast, Flows
from benchmarks.stage import FLOWS, Stage

Costs = dict[str, float]  # package -> milliseconds

_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
# Whatever else is imported is Python's own, or Lambda's.
PACKAGES = frozenset(
    {"wechat_login", "Crypto", "jwt", "requests", "aws_lambda_powertools", "boto3", "botocore"}
    | {"urllib3", "certifi", "charset_normalizer", "idna", "jmespath", "s3transfer", "dateutil"}
    | {"typing_extensions"}
)


def import_costs(stage: Stage, cast: Cast, *, rounds: int) -> list[Costs]:
    """Return what importing each package takes in the init of a login."""
    found = []
    for _ in range(rounds):
        event = Flows(stage).events["Login"](cast.known("ours"))
        with stage.container("ours", "Login", more={"PYTHONPROFILEIMPORTTIME": "1"}) as container:
            container.invoke(event)
            printed = container.printed(MOST_LINES)
        costs: Counter[str] = Counter()
        for microseconds, module in _IMPORT.findall(printed):
            package = module.partition(".")[0]
            costs[package if package in PACKAGES else "Python"] += int(microseconds)
        found.append({package: cost / 1000 for package, cost in costs.items()})
    return found


def request_costs(stage: Stage, cast: Cast, *, requests: int) -> dict[str, Costs]:
    """Return what each package takes of a warm request, the profiler's own cost included."""
    found = {}
    for flow, function in FLOWS.items():
        event = Flows(stage).events[function]
        profiled = {"PROFILED": stage.handler("ours", function)}
        with stage.container(
            "profiled", function, handler="profiled.handler", more=profiled
        ) as container:
            for _ in range(3):
                container.invoke({"event": event(cast.fit_for("ours", function))})
            container.invoke({"tell": True})
            for _ in range(requests):
                container.invoke({"event": event(cast.fit_for("ours", function))})
            told = container.invoke({"tell": True}).answer
        found[flow] = {package: cost / requests for package, cost in told.items()}
    return found
