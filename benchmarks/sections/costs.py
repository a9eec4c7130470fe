"""Where the time goes, and what each gain is worth."""

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import figure
from benchmarks.measures.gains import ALL, UNDONE, Undone
from benchmarks.samples import Samples
from benchmarks.sections.table import table

MOST_ROWS = 12
# What the floor does too; a handler cannot do without it.
OF_THE_FLOOR = frozenset(
    {"botocore", "boto3", "urllib3", "requests", "TLS", "awslambdaric", "s3transfer", "dateutil"}
    | {"certifi", "idna", "charset_normalizer"}
)
SHARED = frozenset({"standard library", "built-in functions", "Python"})
EXPLAINED = {
    "garbage collection": "No garbage collection while parts are built, and none of them later",
    "one TLS context": "One TLS context for WeChat: authorities are read in init, and only once",
    "two services": "botocore looks for two services instead of all 400",
    "no boto3": "botocore without boto3 over it",
    "short calls": "botocore's parameter check off, and a fixed user agent",
}
LEFT_OUT = """Tried and left out:

- Opening DynamoDB's connection in init, by a read that finds nothing: it would take reading the
  authorities, about 20 ms of CPU, out of the first answer, for a paid read and a permission more.
- Opening WeChat's connection in init: a request more, to an address that WeChat does not document.
- SSM called without botocore's model, signed by hand: about 20 ms less init, for a client of our
  own.
- cryptography instead of pycryptodome: a signature takes a quarter, the layer another 16 MB, and
  each cold start another 30 ms.
- Turning endpoint discovery off: it is off already."""


def costs(samples: Samples) -> Iterator[str]:
    """Tell where the CPU goes."""
    yield "## What bounds it"
    runs = samples.results.import_costs
    packages = {package for run in runs for package in run}
    imports = {each: median(run.get(each, 0.0) for run in runs) for each in packages}
    total = sum(imports.values())
    yield (
        f"Of a login's init, {total:.0f} ms are imports (by Python's `-X importtime`, whose own "
        "cost is in it); the rest is making two clients from botocore's models, reading the "
        f"authorities for TLS, and one call of SSM. {_largest(imports, set())}"
    )
    yield table(
        ["imports of a login's init", "ms"],
        [[package, f"{ms:.1f}"] for package, ms in _sorted(imports)[:MOST_ROWS]],
    )
    flows = samples.results.request_costs
    every = {
        package: max(each.get(package, 0.0) for each in flows.values())
        for each in flows.values()
        for package in each
    }
    yield (
        "CPU of a warm request by package, the profiler's own cost included, so for comparison "
        "only:"
    )
    yield table(
        ["a warm request", *flows],
        [
            [package, *(f"{each.get(package, 0.0):.2f}" for each in flows.values())]
            for package, _ in _sorted(every)[:MOST_ROWS]
        ],
    )
    for flow, each in flows.items():
        ours = {package: ms for package, ms in each.items() if package not in SHARED}
        yield f"{flow}: {_largest(ours, set(OF_THE_FLOOR), beyond=True)}"


def gained(samples: Samples) -> Iterator[str]:
    """Tell what each gain is worth, measured by undoing it."""
    yield "## Gains"
    yield "Logins with all gains, and with one at a time undone, with a whole CPU:"
    yield table(
        ["undone", "init", "first answer", "together", "CPU of a warm request"],
        [_undone(samples, gain) for gain in (ALL, *UNDONE)],
    )
    yield (
        "Preparing in init is measured above, as ours against ours with nothing prepared; `.pyc` "
        "files as ours against a plain sam build."
    )


def kept_out(_: Samples) -> Iterator[str]:
    """Tell what was tried and left out."""
    yield LEFT_OUT


def _undone(samples: Samples, gain: str) -> list[str]:
    found: list[Undone] = [each for each in samples.results.gains if each.gain == gain]
    return [
        EXPLAINED.get(gain, "nothing"),
        figure([each.init_ms for each in found]).text(),
        figure([each.first_ms for each in found]).text(),
        figure([each.init_ms + each.first_ms for each in found]).text(),
        figure([each.warm_cpu_ms for each in found]).text(2),
    ]


def _largest(costs_of: dict[str, float], without: set[str], *, beyond: bool = False) -> str:
    three = [each for each in _sorted(costs_of) if each[0] not in without][:3]
    named = ", ".join(f"{package} ({ms:.1f} ms)" for package, ms in three)
    what = "The three largest costs beyond the floor's" if beyond else "The three largest"
    return f"{what}: {named}."


def _sorted(costs_of: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(costs_of.items(), key=lambda each: -each[1])
