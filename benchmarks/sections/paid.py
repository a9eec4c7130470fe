"""What is shipped, and what a million requests cost."""

from collections.abc import Iterator
from statistics import median

from benchmarks import money as prices
from benchmarks.measures.cold import OUR_SIZE
from benchmarks.samples import NAMES, Samples
from benchmarks.sections.table import table

# SecureStrings that a cold start reads: by flow, ours and the usual way's.
SECRETS = {"login": {"ours": 3, "usual": 2}, "phone": {"ours": 4, "usual": 2}}


def size(samples: Samples) -> Iterator[str]:
    """Tell what is shipped."""
    yield "## Size"
    yield "In MB of a million bytes; Lambda takes 250 unpacked, 50 in a direct upload."
    header = ["", "unpacked", "packed", "of it .pyc, unpacked"]
    rows = [
        [each.name, f"{each.unpacked:.2f}", f"{each.packed:.2f}", f"{each.compiled:.2f}"]
        for each in samples.results.sizes
    ]
    yield table(header, rows)
    largest = ", ".join(f"{part.name} {part.unpacked:.1f}" for part in samples.results.layer[:6])
    yield (
        f"The largest parts of the layer: {largest}. The most memory that any function of ours "
        f"had, cold or warm, is {samples.peak_mb():.0f} MB."
    )


def money(samples: Samples) -> Iterator[str]:
    """Tell what a million requests cost, beside the usual way."""
    if not samples.results.billed:
        return
    yield "## Money"
    yield (
        "US dollars for a million requests at us-east-1's public prices of November 2026, with "
        f"{OUR_SIZE} MB, 50 ms before each upstream answer, the CPU share of that size, and one "
        f"request in {1 / prices.COLD_SHARE:.0f} cold (init is billed). Standard SSM parameters "
        "cost nothing; what WeChat takes for a phone number, and logs, are the same for both."
    )
    rows = []
    for flow in SECRETS:
        costs = {each: prices.million(_use(samples, flow, each)) for each in ("ours", "usual")}
        rows += [
            [
                f"{flow}, {NAMES[contestant]}",
                f"{median(each.wall_ms for each in samples.billed(flow, contestant)):.0f}",
                *(f"{value:.2f}" for value in cost.values()),
                f"{sum(cost.values()):.2f}",
            ]
            for contestant, cost in costs.items()
        ]
    kinds = list(prices.million(_use(samples, "login", "ours")))
    yield table(["a million", "ms, warm", *kinds, "together"], rows)
    yield (
        "Where ours pays more for DynamoDB, it buys what the usual way lacks: user and session are "
        "written together or not at all, and a number has one owner whatever happens at once."
    )


def _use(samples: Samples, flow: str, contestant: str) -> prices.Use:
    warm = samples.billed(flow, contestant)
    # Measured for logins only; a registration starts as slowly.
    cold = samples.limited(contestant, OUR_SIZE)
    return prices.Use(
        OUR_SIZE,
        warm_ms=median(each.wall_ms for each in warm),
        cold_ms=median(cold),
        reads=median(each.reads for each in warm),
        writes=median(each.writes for each in warm),
        secrets=SECRETS[flow][contestant],
    )
