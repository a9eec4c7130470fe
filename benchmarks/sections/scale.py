"""Many containers at once, many users in the table."""

from collections.abc import Iterator
from statistics import median

from benchmarks.measures.scale import Crowd
from benchmarks.samples import NAMES, Samples
from benchmarks.sections.table import table
from benchmarks.stage import FLOWS


def scale(samples: Samples) -> Iterator[str]:
    """Tell of many containers at once, and of many users."""
    results = samples.results
    yield "## Scale"
    yield (
        "So many containers of `register_phone` start cold at once, each with one registration, "
        "while nobody has WeChat's access token yet. WeChat hands out 2,000 plain tokens a day; "
        "one stable token does for all. A container reads SSM once, and again while it waits for "
        "the token that another one fetches."
    )
    yield table(
        ["", "containers", "token calls", "SSM calls", "answers", "errors", "seconds"],
        [_crowd(each) for each in results.crowds],
    )
    if results.left_out:
        left_out = ", ".join(map(str, results.left_out))
        yield f"For {left_out} containers at once this machine has not the memory."
    quota = results.quota
    slowest = quota.seconds[-1] if quota.seconds else 0.0
    yield (
        "Two cores start these one after another, more or less, which Lambda would not. So this "
        f"too: {quota.readers} containers' readers of SSM at the same moment, with SSM kept to its "
        f"default quota of 40 calls a second: {quota.answered} were answered, in {quota.calls} "
        f"calls, half of them within {median(quota.seconds):.1f} s, the last after {slowest:.1f} s."
    )
    yield "The cost of a request does not grow with the table (capacity units, read + write):"
    yield table(
        ["users in the table", *FLOWS],
        [
            [f"{users:,}", *(_units(samples, users, flow) for flow in FLOWS)]
            for users in results.by_users
        ],
    )


def _crowd(crowd: Crowd) -> list[str]:
    errors = ", ".join(f"{count} × {what}" for what, count in crowd.errors.items())
    return [
        NAMES[crowd.contestant],
        str(crowd.containers),
        str(crowd.token_calls),
        str(crowd.ssm_calls),
        str(crowd.answered),
        errors or "0",
        f"{crowd.seconds:.1f}",
    ]


def _units(samples: Samples, users: int, flow: str) -> str:
    requests = [
        request
        for block in samples.results.by_users[users]
        if block.flow == flow
        for request in block.requests
    ]
    reads, writes = (
        sorted({getattr(request, kind) for request in requests}) for kind in ("reads", "writes")
    )
    return " + ".join("–".join(f"{each:g}" for each in kind) for kind in (reads, writes))
