"""Cold starts: from nothing to the first answer, contestants in turn."""

import contextlib
import random
from dataclasses import dataclass

from benchmarks.cpu_share import Share
from benchmarks.people import Cast, Flows
from benchmarks.stage import FLOWS, Stage

# A cold start of ours in which nothing is prepared: every part is built by the first request.
ON_FIRST_USE = "ours, on first use"
PYTHONS = ("ours", ON_FIRST_USE, "floor", "plain", "usual", "usual, compiled")
IN_EVERY_SIZE = ("ours", "floor", "plain", "usual")
MEMORY_SIZES = (256, 512, 1024, 1769)
OUR_SIZE = 512


@dataclass(frozen=True, slots=True)
class Setup:
    """What is started."""

    contestant: str
    function: str
    memory_mb: int = OUR_SIZE
    share: Share = Share.WHOLE


@dataclass(frozen=True, slots=True)
class ColdStart:
    """One start."""

    setup: Setup
    init_ms: float
    first_ms: float
    cpu_ms: float
    peak_mb: float


def cold_starts(stage: Stage, cast: Cast, *, rounds: int) -> list[ColdStart]:
    """Start every function of ours, and its like of all others, with a whole CPU."""
    flows = FLOWS.values()
    setups = [Setup(contestant, function) for function in flows for contestant in PYTHONS]
    setups += [Setup("ours", function) for function in stage.stack.functions.keys() - flows]
    if "node" in stage.bundles:
        setups.append(Setup("node", "Login"))
    return _in_turn(stage, cast, setups, rounds)


def cold_starts_by_memory(stage: Stage, cast: Cast, *, rounds: int) -> list[ColdStart]:
    """Start logins with the CPU share of each memory size, in init too or only after it."""
    if not stage.groups.possible:
        return []
    contestants = [each for each in (*PYTHONS, "node") if each in {*stage.bundles, ON_FIRST_USE}]
    setups = [
        Setup(contestant, "Login", memory_mb, Share.LIMITED)
        for memory_mb in MEMORY_SIZES
        for contestant in (contestants if memory_mb == OUR_SIZE else IN_EVERY_SIZE)
    ]
    setups += [Setup(each, "Login", OUR_SIZE, Share.LIMITED_AFTER_INIT) for each in contestants]
    return _in_turn(stage, cast, setups, rounds)


def _in_turn(stage: Stage, cast: Cast, setups: list[Setup], rounds: int) -> list[ColdStart]:
    found = []
    for _ in range(rounds):
        random.shuffle(setups)
        found += [_start(stage, cast, setup) for setup in setups]
    return found


def _start(stage: Stage, cast: Cast, setup: Setup) -> ColdStart:
    person = cast.fit_for(setup.contestant, setup.function)
    event = Flows(stage).events[setup.function](person)
    unprepared = setup.contestant == ON_FIRST_USE
    with contextlib.ExitStack() as running:
        limited = setup.share is not Share.WHOLE
        container = running.enter_context(
            stage.container(
                "ours" if unprepared else setup.contestant,
                setup.function,
                memory_mb=setup.memory_mb,
                group=running.enter_context(stage.groups.group()) if limited else None,
                share=setup.share,
                more={"AWS_LAMBDA_INITIALIZATION_TYPE": ""} if unprepared else None,
            )
        )
        first = container.invoke(event)
        return ColdStart(
            setup,
            init_ms=container.init_ms,
            first_ms=first.ms,
            cpu_ms=container.cpu_ms(),
            peak_mb=container.peak_mb(),
        )
