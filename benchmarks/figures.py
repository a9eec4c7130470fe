"""Medians and how far the middle half of the samples lies around them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEW = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with the quartiles on both sides."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 0) -> str:
        """Return it as it stands in a table: `251 (244–262)`."""
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} ({low}–{high})"


def figure(samples: Sequence[float]) -> Figure:
    """Return the median and the quartiles; of few samples, the smallest and the largest."""
    if len(samples) < FEW:
        return Figure(statistics.median(samples), min(samples), max(samples))
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Figure(median, low, high)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Return ours as a multiple of theirs: of the medians, spread by the rounds they share."""
    pairs = figure([mine / other for mine, other in zip(ours, theirs, strict=True)])
    of_medians = statistics.median(ours) / statistics.median(theirs)
    return Figure(of_medians, min(pairs.low, of_medians), max(pairs.high, of_medians))
