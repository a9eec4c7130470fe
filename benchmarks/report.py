"""Writes benchmarks.md and its pictures from what a run has measured."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import plots
from benchmarks.figures import figure
from benchmarks.measures.cold import IN_EVERY_SIZE, MEMORY_SIZES
from benchmarks.results import Results
from benchmarks.samples import NAMES, Samples
from benchmarks.sections import SECTIONS
from benchmarks.stage import FLOWS


def write_report(results: Results, folder: Path) -> None:
    """Write benchmarks.md and its pictures into a folder of documents."""
    samples = Samples(results)
    images = folder / "images" / "benchmarks"
    images.mkdir(parents=True, exist_ok=True)
    for name, picture in _pictures(samples):
        (images / f"{name}.svg").write_text(picture, "utf-8")
    text = "\n\n".join(_wrapped(part) for section in SECTIONS for part in section(samples))
    (folder / "benchmarks.md").write_text(f"{text}\n", "utf-8")


def _wrapped(part: str) -> str:
    """Break the lines of a paragraph; a table, a list or a picture stays as it is."""
    if "\n" in part or part.startswith(("|", "#", "!")):
        return part
    return textwrap.fill(part, 100, break_long_words=False, break_on_hyphens=False)


def _pictures(samples: Samples) -> Iterator[tuple[str, str]]:
    logins = {
        NAMES[contestant]: (
            _middle(samples.init("Login", contestant)),
            _middle(samples.first("Login", contestant)),
        )
        for contestant in samples.contestants("Login")
    }
    yield "cold", plots.bars("Cold start of login", "ms", ("init", "first answer"), logins)
    if samples.results.by_memory:
        by_size = {
            NAMES[contestant]: [
                _middle(samples.limited(contestant, memory_mb)) for memory_mb in MEMORY_SIZES
            ]
            for contestant in IN_EVERY_SIZE
        }
        title = "Cold start of login, first answer included, by memory size"
        yield "memory", plots.lines(title, "ms", MEMORY_SIZES, by_size)
    warm = {
        f"{flow}, {NAMES[contestant]}": [_middle(samples.warm_cpu(flow, contestant))]
        for flow in FLOWS
        for contestant in ("ours", "floor", "usual")
    }
    yield "warm", plots.bars("CPU of a warm request", "ms", ("CPU",), warm)


def _middle(values: Sequence[float]) -> float:
    return figure(values).median
