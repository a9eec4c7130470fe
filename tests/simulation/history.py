"""One history: planned from a seed, run, and described."""

import io
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TypeVar

from tests.simulation import operations
from tests.simulation.faults import Faults, Place
from tests.simulation.invariants import Violation
from tests.simulation.layer import Layer
from tests.simulation.operations import ANSWERS, Operation, PhoneOperation
from tests.simulation.phone import Phone
from tests.simulation.world import APPIDS, START, Context, Line, Setting, World

Chosen = TypeVar("Chosen")

USERS = ("alice", "bob", "carol")
CONFLICTS = ("transfer", "transfer", "link", "reject")
# Seconds between the acts of a history: some limits are minutes, some days.
PAUSES = (0.0, 0.0, 5.0, 40.0, 700.0, 90_000.0, 2_700_000.0)
MOST_STEPS = 5  # of one actor in one act


@dataclass(frozen=True)
class Step:
    """One operation of one actor in an act of the history."""

    id: str
    act: int
    actor: str
    operation: str


@dataclass(frozen=True)
class Plan:
    """Everything in a history that is decided before it runs."""

    seed: int
    setting: Setting
    starts: tuple[float, ...]  # of each act, in seconds
    phones: tuple[tuple[str, str, str], ...]  # actor, user, AppID
    numbers: Mapping[str, str]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Outcome:
    """How a history ended."""

    lines: Sequence[Line]
    faults: Mapping[Place, str]
    violation: Violation | None
    calls: int


def plan(seed: int) -> Plan:
    """Plan the history of a seed."""
    chance = random.Random(f"plan {seed}")  # noqa: S311 - a seed decides
    parameters = {
        "PhoneConflict": chance.choice(CONFLICTS),
        "PhoneRequired": chance.choice(("true", "true", "true", "false")),
    }
    # A third of the histories has no faults: there, nothing may fail.
    storm = chance.choice((0.0, 0.01, 0.04, 0.1))
    setting = Setting(parameters, skew=chance.choice((0.0, 0.0, 0.2, 2.0)), storm=storm)
    starts = [0.0]
    for _ in range(chance.randrange(4)):
        starts.append(starts[-1] + chance.choice(PAUSES) + 30.0)
    phones = [
        (f"{user}.{number}", user, chance.choices(APPIDS, (3, 1))[0])
        for user in USERS[: chance.choice((1, 2, 2, 3))]
        for number in range(1, chance.choice((2, 3, 3)))
    ]
    numbers = {user: chance.choice(operations.NUMBERS[:2]) for user in USERS}
    return Plan(
        seed,
        setting,
        tuple(starts),
        tuple(phones),
        numbers,
        tuple(_steps(chance, starts, phones, storm)),
    )


def _steps(
    chance: random.Random,
    starts: Sequence[float],
    phones: Sequence[tuple[str, str, str]],
    storm: float,
) -> list[Step]:
    # Each history uses a part of the operations, so that rare ones meet often.
    on_phones = _some(chance, operations.PHONE)
    of_team = _some(chance, operations.TEAM)
    of_wechat = _some(chance, operations.WECHAT)
    steps: list[Step] = []
    for act in range(len(starts)):
        actors: list[tuple[str, Mapping[Callable[..., object], int], int]] = [
            (actor, on_phones, chance.randrange(1, 4)) for actor, _, _ in phones
        ]
        actors.append(("team", of_team, chance.choice((0, 0, 1, 2))))
        actors.append(("wechat", of_wechat, chance.choice((0, 0, 1, 2))))
        if storm:
            actors.append(("weather", operations.WEATHER, chance.choice((0, 0, 0, 1))))
        for actor, weights, count in actors:
            for operation in chance.choices(list(weights), list(weights.values()), k=count):
                name = operation.__name__
                steps.append(Step(f"{len(steps) + 1}", act, actor, name))
    return steps


def _some(chance: random.Random, weights: Mapping[Chosen, int]) -> dict[Chosen, int]:
    kept = {each: weight for each, weight in weights.items() if chance.random() < 0.6}
    return kept or dict(weights)


def run(
    planned: Plan,
    layer: Layer,
    *,
    steps: Collection[Step] | None = None,
    faults: Mapping[Place, str] | None = None,
) -> Outcome:
    """Run a history, or only some of its steps and faults, until it ends or a law is violated."""
    chosen = planned.steps if steps is None else [each for each in planned.steps if each in steps]
    happening = Faults(planned.seed, planned.setting.storm, faults)
    violation: Violation | None = None
    world = World(layer, planned.setting, happening, planned.seed)
    with redirect_stdout(_Printed(layer)):
        try:
            _live(world, planned, chosen)
        except Violation as found:
            violation = found
    return Outcome(world.lines, happening.happened, violation, len(world.lines))


class _Printed(io.TextIOBase):
    """Standard output for the layer's logger, which keeps the first output that it sees."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def write(self, text: str) -> int:
        """Give a log line to the history that runs."""
        self._layer.here.invariants.log.append(text)
        return len(text)


def _live(world: World, planned: Plan, steps: Sequence[Step]) -> None:
    for user, number in planned.numbers.items():
        world.wechat.set_phone(user, number)
    phones = {actor: Phone(world, user, appid) for actor, user, appid in planned.phones}
    actors = dict.fromkeys(step.actor for step in steps)
    for actor in actors:
        own = [step for step in steps if step.actor == actor]

        def act(own: Sequence[Step] = own, actor: str = actor) -> None:
            for step in own:
                _act(world, planned, step, phones, phones.get(actor))

        world.scheduler.spawn(actor, act, context=Context(actor, random.Random(actor)))  # noqa: S311 - not used
    world.scheduler.run()
    world.scheduler.spawn("the end", world.invariants.ended, context=world.context("the end"))
    world.scheduler.run()


def _act(
    world: World,
    planned: Plan,
    step: Step,
    phones: Mapping[str, Phone],
    phone: Phone | None,
) -> None:
    context = world.context(f"{step.id} {step.actor}")
    world.scheduler.running.context = context
    starts_in = world.time() - (planned.starts[step.act] + START)
    hesitation = context.chance.choice((0.0, 0.01, 0.05, 0.3, 2.0)) * context.chance.random()
    world.scheduler.wait(max(0.0, -starts_in) + hesitation)
    world.note(f"{step.actor}: {step.operation.replace('_', ' ')}")
    try:
        if phone is not None:
            of_phone: PhoneOperation = getattr(operations, step.operation)
            of_phone(phone)
        else:
            operation: Operation = getattr(operations, step.operation)
            operation(world, list(phones.values()))
    except ANSWERS as answer:
        world.note(f"{step.actor}: {step.operation.replace('_', ' ')} failed", answer)
