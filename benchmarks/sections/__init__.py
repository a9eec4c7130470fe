"""The report's sections, in order; each makes parts that an empty line separates."""

from benchmarks.sections.cold import cold
from benchmarks.sections.costs import costs, gained, kept_out
from benchmarks.sections.goals import goals
from benchmarks.sections.opening import opening
from benchmarks.sections.paid import money, size
from benchmarks.sections.scale import scale
from benchmarks.sections.warm import warm

SECTIONS = (opening, goals, cold, warm, scale, size, money, costs, gained, kept_out)
