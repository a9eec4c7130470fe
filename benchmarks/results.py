"""All that one run has measured."""

from dataclasses import dataclass

from benchmarks.machine import Machine
from benchmarks.measures.cold import ColdStart
from benchmarks.measures.costs import Costs
from benchmarks.measures.gains import Undone
from benchmarks.measures.scale import Crowd, Quota
from benchmarks.measures.sizes import Size
from benchmarks.measures.warm import Block


@dataclass(frozen=True, slots=True)
class Results:
    """The raw samples, for the report."""

    machine: Machine
    compiled_as_built: bool
    shares_possible: bool
    cold: list[ColdStart]
    by_memory: list[ColdStart]
    gains: list[Undone]
    warm: list[Block]
    billed: list[Block]
    crowds: list[Crowd]
    left_out: list[int]  # crowds for which the memory did not suffice
    quota: Quota
    by_users: dict[int, list[Block]]
    sizes: list[Size]
    layer: list[Size]
    import_costs: list[Costs]
    request_costs: dict[str, Costs]
    minutes: float
