"""The goals, and whether they are met."""

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.figures import ratio
from benchmarks.samples import Samples
from benchmarks.sections.table import table
from benchmarks.stage import FLOWS

CALLS = {"login": (1, 2, 0), "look-up": (0, 1, 0), "phone": (1, 3, 0)}


def goals(samples: Samples) -> Iterator[str]:
    """Compare what was measured with what was wanted."""
    yield "## Goals"
    rows = [
        _against("Init, against the floor's", 1.15, _inits(samples, "floor")),
        _against("Init, against a plain sam build's", 0.6, _inits(samples, "plain")),
        _against("Init, against wechatpy's", 0.6, _inits(samples, "usual")),
        _against("Whole cold start, against the floor's", 1.15, _starts(samples)),
        _against("CPU of a warm request, against the floor's", 1.3, _warm(samples)),
        _against("Time of a warm request, against upstream's 50 ms a call", 1.05, _far(samples)),
        _calls(samples),
        _limit("Layer, unpacked", 20, samples.results.sizes[0].unpacked),
        _limit("Most memory", 90, samples.peak_mb()),
    ]
    yield table(["goal", "at most", "login", "look-up", "phone", "met"], rows)
    bare = [f"{each:.2f}" for each in _far(samples, "floor")]
    yield (
        "What bounds them: of a look-up's init most is botocore, which is Lambda's own and "
        "compiled in a plain sam build too; the floor signs no token and writes no log, and a "
        f"look-up has little else to do; the floor itself takes {', '.join(bare)} × the time of "
        "upstream, because the emulator and the proxy stand in between. The profile is at the end."
    )


def _inits(samples: Samples, other: str) -> list[float]:
    return [
        ratio(
            samples.init(function),
            samples.floors_init() if other == "floor" else samples.init(function, other),
        ).median
        for function in FLOWS.values()
    ]


def _starts(samples: Samples) -> list[float]:
    return [
        ratio(samples.whole(function), samples.whole(function, "floor")).median
        for function in FLOWS.values()
    ]


def _warm(samples: Samples) -> list[float]:
    return [ratio(samples.warm_cpu(flow), samples.warm_cpu(flow, "floor")).median for flow in FLOWS]


def _far(samples: Samples, contestant: str = "ours") -> list[float]:
    return [
        median(
            each.wall_ms / each.upstream_ms for each in samples.requests(flow, contestant, far=True)
        )
        for flow in FLOWS
    ]


def _against(goal: str, most: float, found: Sequence[float]) -> list[str]:
    missed = max(found) - most
    met = "yes" if missed <= 0 else f"no, by {missed:.2f}"
    return [goal, f"{most} ×", *(f"{each:.2f} ×" for each in found), met]


def _calls(samples: Samples) -> list[str]:
    found = [samples.calls(flow) for flow in FLOWS]
    met = all(
        all(one <= most for one, most in zip(each, CALLS[flow], strict=True))
        for flow, each in zip(FLOWS, found, strict=True)
    )
    wanted = ", ".join(" + ".join(map(str, each)) for each in CALLS.values())
    told = [" + ".join(f"{one:g}" for one in each) for each in found]
    return [
        "Calls of a warm request: WeChat + DynamoDB + SSM",
        wanted,
        *told,
        "yes" if met else "no",
    ]


def _limit(goal: str, most: float, found: float) -> list[str]:
    met = "yes" if found <= most else f"no, by {found - most:.1f} MB"
    return [goal, f"{most} MB", f"{found:.1f} MB", "", "", met]
