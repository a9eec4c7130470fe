"""Writes the measured tables into the documents, between their markers."""

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from statistics import mean, median, quantiles

from benchmarks import prices
from benchmarks.bundles import FLOOR, OURS, WECHATPY
from benchmarks.chinese import in_chinese
from benchmarks.cold import ColdStart
from benchmarks.scale import Crowd
from benchmarks.stage import FLOWS
from benchmarks.warm import KNOWN, NINE, THEIRS, TIMED, WEIGHED, Block, Case, Weight
from stack.template import ROOT

MARKED = re.compile(r"(<!-- measured: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
DOCUMENTS = [
    ROOT / "docs" / language / name
    for language in ("", "zh")
    for name in ("benchmarks.md", "runbook.md")
]
FEW = 4
SERVICES = ("wechat", "dynamodb", "ssm")
# SecureStrings that a cold start of a login reads.
SECRETS = {OURS: 3, WECHATPY: 2}


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a run."""

    machine: list[str]  # date, cores, load, rounds, Python, libraries
    cold: list[ColdStart]
    blocks: list[Block]
    weights: list[Weight]
    crowds: list[Crowd]
    megabytes: dict[str, float]  # by contestant, unpacked

    def starts(self, flow: str, contestant: str, figure: str) -> list[float]:
        """Return one figure, such as `init_ms`, of each cold start."""
        wanted = (flow, contestant)
        return [
            getattr(each, figure) for each in self.cold if (each.flow, each.contestant) == wanted
        ]

    def of_case(self, case: Case, *, is_far: bool = False) -> list[Block]:
        return [each for each in self.blocks if (each.case, each.is_far) == (case, is_far)]

    def cpu(self, case: Case) -> list[float]:
        return [block.cpu_ms for block in self.of_case(case)]

    def ms(self, case: Case, *, is_far: bool) -> list[float]:
        return [ms for block in self.of_case(case, is_far=is_far) for ms in block.ms]

    def beyond_upstream(self, case: Case) -> float:
        """Return the time of a distant request, as a multiple of the time of its calls."""
        blocks = self.of_case(case, is_far=True)
        pairs = [pair for each in blocks for pair in zip(each.ms, each.upstream_ms, strict=True)]
        return median(ms / upstream for ms, upstream in pairs)

    def weight(self, case: Case) -> Weight:
        """Return the calls and units of a case's most expensive request."""
        found = [each for each in self.weights if each.case == case]
        return max(found, key=lambda each: (sum(each.calls.values()), each.reads, each.writes))

    def login(self, case: Case) -> prices.Login:
        weight, who = self.weight(case), case.contestant
        return prices.Login(
            warm_ms=median(self.ms(case, is_far=True)),
            warm_cpu_ms=median(self.cpu(case)),
            init_ms=median(self.starts("login", who, "init_ms")),
            first_ms=median(self.starts("login", who, "first_ms")),
            reads=weight.reads,
            writes=weight.writes,
            secrets=SECRETS[who],
            log_bytes=mean(block.log_bytes for block in self.of_case(case)),
        )


def write_tables(tables: dict[str, str], document: Path, target: Path) -> None:
    """Copy a document with new tables, those of docs/zh in Chinese.

    Raises `KeyError`: a marker has no table.
    """
    if document.parent.name == "zh":
        tables = {name: in_chinese(each) for name, each in tables.items()}
    text = MARKED.sub(
        lambda found: found[1] + tables[found[2]] + found[3], document.read_text("utf-8")
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")


def tables_of(results: Results) -> dict[str, str]:
    """Return each table by the name in its marker."""
    return {
        "machine": table(
            ["date", "cores", "load before the run", "rounds", "Python", "libraries"],
            [results.machine],
        ),
        "goals": _goals(results),
        "cold": _cold(results),
        "warm": _warm(results),
        "calls": _calls(results),
        "scale": table(
            ["", "containers", "token calls", "SSM calls", "answered", "seconds"],
            [[*astuple(each)[:5], f"{each.seconds:.1f}"] for each in results.crowds],
        ),
        "size": table(
            ["", "MB, unpacked"],
            [[name, f"{megabytes:.1f}"] for name, megabytes in results.megabytes.items()],
        ),
        "money": _money(results),
        "costs": _costs(results.login(KNOWN)),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _goals(results: Results) -> str:
    known, nine = results.weight(KNOWN), results.weight(NINE)
    look_up, phone = (results.weight(Case(OURS, flow)) for flow in ("look-up", "phone"))
    costs = {case: sum(prices.million(results.login(case)).values()) for case in (KNOWN, THEIRS)}
    goals = [
        ("login: calls of DynamoDB", 1, known.calls.get("dynamodb", 0), 0),
        ("login: read units", 0, known.reads, 1),
        ("login: write units, with three sessions", 1, known.writes, 0),
        ("login: write units, the tenth session", 2, nine.writes, 0),
        ("look-up: read units", 1, look_up.reads, 1),
        ("phone: calls of DynamoDB", 3, phone.calls.get("dynamodb", 0), 0),
        ("each: calls of SSM", 0, max(of.calls.get("ssm", 0) for of in (known, look_up, phone)), 0),
        ("login: time, 50 ms away, ÷ that of its calls", 1.10, results.beyond_upstream(KNOWN), 3),
        ("login: cost without log ÷ wechatpy's", 0.70, costs[KNOWN] / costs[THEIRS], 2),
    ]
    for flow in FLOWS:
        for what, of in (("init", "init_ms"), ("cold start", "whole_ms")):
            found = ratio(results.starts(flow, OURS, of), results.starts(flow, FLOOR, of))
            goals.append((f"{flow}: {what} ÷ floor's", 1.15, found, 2))
        theirs = Case(FLOOR, flow, KNOWN.sessions if flow == "login" else 1)
        cpu = ratio(results.cpu(replace(theirs, contestant=OURS)), results.cpu(theirs))
        goals.append((f"{flow}: CPU of a warm request ÷ floor's", 1.3, cpu, 2))
        goals.append((f"{flow}: memory, MB", 90, max(results.starts(flow, OURS, "peak_mb")), 0))
    goals.append(("layer and function, MB unpacked", 20, results.megabytes[OURS], 1))
    rows = [
        [goal, f"{most:g}", f"{found:.{digits}f}", "yes" if found <= most else "no"]
        for goal, most, found, digits in goals
    ]
    return table(["goal", "at most", "measured", "met"], rows)


def _cold(results: Results) -> str:
    rows = []
    for flow in FLOWS:
        for who in results.megabytes:
            found = [results.starts(flow, who, of) for of in ("init_ms", "first_ms", "whole_ms")]
            floor = results.starts(flow, FLOOR, "whole_ms")
            memory = max(results.starts(flow, who, "peak_mb"))
            figures = [*map(spread, found), f"{ratio(found[2], floor):.2f}", f"{memory:.0f}"]
            rows.append([f"{flow}, {who}", *figures])
    return table(["", "init", "first answer", "together", "together ÷ floor", "MB"], rows)


def _warm(results: Results) -> str:
    rows = []
    for case in TIMED:
        cpu, floors = results.cpu(case), results.cpu(Case(FLOOR, case.flow, min(case.sessions, 3)))
        times = [spread(results.ms(case, is_far=is_far), 1) for is_far in (False, True)]
        against = f"{results.beyond_upstream(case):.3f}"
        rows.append([_named(case), spread(cpu, 2), f"{ratio(cpu, floors):.2f}", *times, against])
    return table(["", "CPU", "CPU ÷ floor", "time, near", "time, far", "far ÷ calls"], rows)


def _calls(results: Results) -> str:
    rows = []
    for case in WEIGHED:
        weight = results.weight(case)
        calls = [weight.calls.get(service, 0) for service in SERVICES]
        rows.append([_named(case), *calls, f"{weight.reads:g}", f"{weight.writes:g}"])
    return table(["", "WeChat", "DynamoDB", "SSM", "read units", "write units"], rows)


def _named(case: Case) -> str:
    named = f"{case.flow}, {case.contestant}"
    if case.flow == "login":
        named += f", {case.sessions} sessions before"
    return named + (", with nickname and avatar" if case.profile else "")


def _money(results: Results) -> str:
    rows = []
    for case in (KNOWN, NINE, THEIRS):
        login = results.login(case)
        cost, log = prices.million(login), prices.log(login)
        parts = [*cost.values(), sum(cost.values()), log, sum(cost.values()) + log]
        rows.append([_named(case), *(f"{part:.2f}" for part in parts)])
    kinds = prices.million(results.login(KNOWN))
    return table(["USD a million", *kinds, "without log", "log", "together"], rows)


def _costs(login: prices.Login) -> str:
    parts = prices.million(login) | {"CloudWatch, log": prices.log(login)}
    rows = [[kind, f"{part:.2f}"] for kind, part in parts.items()]
    return table(["what", "USD"], [*rows, ["**together**", f"**{sum(parts.values()):.2f}**"]])


def spread(samples: Sequence[float], digits: int = 0) -> str:
    """Return `251 (244-262)`: the median and the quartiles; of few samples, least and most."""
    low, high = min(samples), max(samples)
    if len(samples) >= FEW:
        low, _, high = quantiles(samples, n=4, method="inclusive")
    return f"{median(samples):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours as a multiple of the median of theirs."""
    return median(ours) / median(theirs)
