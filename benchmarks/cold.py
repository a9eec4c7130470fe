"""Cold starts: from the start of a process to its first answer, contestants in turn."""

import random
from dataclasses import dataclass

from benchmarks.people import Cast, send
from benchmarks.stage import FLOWS, Stage


@dataclass(frozen=True, slots=True)
class ColdStart:
    contestant: str
    flow: str
    init_ms: float
    first_ms: float
    peak_mb: float

    @property
    def whole_ms(self) -> float:
        return self.init_ms + self.first_ms


def cold_starts(stage: Stage, cast: Cast, *, rounds: int) -> list[ColdStart]:
    """Start each contestant's function of each flow, so many times."""
    turns = [(contestant, flow) for contestant in stage.bundles for flow in FLOWS]
    found = []
    for _ in range(rounds):
        random.shuffle(turns)
        found += [_start(stage, cast, *turn) for turn in turns]
    return found


def _start(stage: Stage, cast: Cast, contestant: str, flow: str) -> ColdStart:
    # "ours, plain sam build" knows the people of "ours".
    person = cast[contestant.partition(",")[0]].fit_for(flow)
    with stage.container(contestant, FLOWS[flow]) as container:
        first_ms = send(stage, container, flow, person)
        return ColdStart(contestant, flow, container.init_ms, first_ms, container.peak_mb())
