"""Warm requests, and their calls."""

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import figure, ratio
from benchmarks.samples import NAMES, Samples
from benchmarks.sections.table import table
from benchmarks.stage import FLOWS

CONTESTANTS = ("ours", "floor", "usual")


def warm(samples: Samples) -> Iterator[str]:
    """Tell of warm requests near and far from their upstream, and of what they call."""
    yield "## Warm requests"
    yield (
        "Returning, registered users log in and look up their token; new ones register a number. "
        "CPU with upstream near; time with 50 ms before each answer, against the time that "
        "upstream took. The floor signs no token."
    )
    rows = [_row(samples, flow, each) for flow in FLOWS for each in CONTESTANTS]
    header = ["", "CPU", "CPU ÷ floor", "time, near", "time, far", "far ÷ upstream"]
    yield table(header, rows)
    yield "![CPU of a warm request](images/benchmarks/warm.svg)"
    yield "### Calls and capacity units"
    yield (
        "Counted in the proxy. DynamoDB's units are those that ministack says a call consumed, in "
        "strongly consistent reads and in writes; a write in a transaction takes two."
    )
    yield table(
        ["a warm request", "WeChat", "DynamoDB", "SSM", "read units", "write units"],
        [_counted(samples, flow, each) for flow in FLOWS for each in ("ours", "usual")],
    )


def _row(samples: Samples, flow: str, contestant: str) -> list[str]:
    cpu = samples.warm_cpu(flow, contestant)
    near = [each.wall_ms for each in samples.requests(flow, contestant)]
    far = samples.requests(flow, contestant, far=True)
    return [
        f"{flow}, {NAMES[contestant]}",
        figure(cpu).text(2),
        f"{ratio(cpu, samples.warm_cpu(flow, 'floor')).text(2)} ×",
        figure(near).text(1),
        figure([each.wall_ms for each in far]).text(1),
        f"{figure([each.wall_ms / each.upstream_ms for each in far]).text(3)} ×",
    ]


def _counted(samples: Samples, flow: str, contestant: str) -> list[str]:
    requests = samples.requests(flow, contestant)
    units = [median(each.reads for each in requests), median(each.writes for each in requests)]
    return [
        f"{flow}, {NAMES[contestant]}",
        *(f"{number:g}" for number in (*samples.calls(flow, contestant), *units)),
    ]
