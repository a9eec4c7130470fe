"""One history: planned from a seed, run, and described."""

import io
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TypeVar

from tests.simulation import operations
from tests.simulation.faults import Faults, Place
from tests.simulation.invariants import PHONE_API, Violation
from tests.simulation.layer import Layer
from tests.simulation.operations import ANSWERS, Operation, PhoneOperation
from tests.simulation.phone import Failed, Phone
from tests.simulation.world import APPIDS, START, Context, Line, Setting, World

Chosen = TypeVar("Chosen", bound=Callable[..., object])

# What a history is mostly about; the other operations are rare in it.
THEMES: tuple[frozenset[str], ...] = (
    frozenset(),
    frozenset(),
    frozenset({"register", "change_the_number", "send_a_phone_code_twice", "use_the_token"}),
    frozenset({"register", "change_the_number", "log_out_everywhere", "erase_account", "merge"}),
    frozenset(
        {
            "log_in_often",
            "open_page",
            "log_out_everywhere",
            "end_another_session",
            "come_back_after_a_month",
        }
    ),
    frozenset({"log_in", "block", "unblock", "block_erase_and_let_return", "use_the_token"}),
    frozenset({"log_in", "use_the_token", "register", "merge", "join_or_leave_the_open_platform"}),
    frozenset({"register", "change_the_number", "update_account", "push", "erase_account"}),
    frozenset(
        {"register", "renew_access_token", "end_the_access_token", "reject_the_access_token"}
    ),
)
FAVOUR = 8
USERS = ("alice", "bob", "carol")
CONFLICTS = ("transfer", "transfer", "link", "reject")
# Seconds between the acts of a history: some limits are minutes, some days.
PAUSES = (0.0, 0.0, 5.0, 40.0, 700.0, 90_000.0, 2_700_000.0)
QUIET = 700.0  # then all locks and limits of minutes have passed


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
        "Events": chance.choice(("true", "false")),
    }
    # A third of the histories has no faults: there, nothing may fail.
    storm = chance.choice((0.0, 0.01, 0.04, 0.1))
    setting = Setting(parameters, skew=chance.choice((0.0, 0.0, 0.2, 2.0)), storm=storm)
    starts = [0.0]
    for _ in range(chance.randrange(4)):
        starts.append(starts[-1] + chance.choice(PAUSES) + 30.0)
    phones = [
        (f"{user}.{number}", user, chance.choices(APPIDS, (2, 1))[0])
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
    theme = chance.choice(THEMES)
    on_phones = _some(chance, operations.PHONE, theme)
    of_team = _some(chance, operations.TEAM, theme)
    of_wechat = _some(chance, operations.WECHAT, theme)
    steps: list[Step] = []
    for act in range(len(starts)):
        actors: list[tuple[str, Mapping[Callable[..., object], int], int]] = [
            (actor, on_phones, chance.randrange(1, 4)) for actor, _, _ in phones
        ]
        actors.append(("team", of_team, chance.choice((0, 1, 1, 2))))
        actors.append(("wechat", of_wechat, chance.choice((0, 1, 1, 2))))
        if storm:
            actors.append(("weather", operations.WEATHER, chance.choice((0, 0, 0, 1))))
        for actor, weights, count in actors:
            for operation in chance.choices(list(weights), list(weights.values()), k=count):
                name = operation.__name__
                steps.append(Step(f"{len(steps) + 1}", act, actor, name))
    return steps


def _some(
    chance: random.Random, weights: Mapping[Chosen, int], theme: frozenset[str]
) -> dict[Chosen, int]:
    """Return some of the operations, and all of the theme, with their weights."""
    kept = {
        each: weight * (FAVOUR if each.__name__ in theme else 1)
        for each, weight in weights.items()
        if each.__name__ in theme or chance.random() < 0.6
    }
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
    _Printed.world = world
    with redirect_stdout(_Printed()):
        try:
            _live(world, planned, chosen)
        except Violation as found:
            violation = found
    return Outcome(world.lines, happening.happened, violation, len(world.lines))


class _Printed(io.TextIOBase):
    """Standard output for the layer's logger, which keeps the first output that it sees."""

    world: World

    def write(self, text: str) -> int:
        """Give a log line to the history that runs."""
        _Printed.world.invariants.log.append(text)
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
    world.faults.calm()
    context = world.context("the end")
    world.scheduler.spawn("the end", lambda: _end(world, phones), context=context)
    world.scheduler.run()


def _end(world: World, phones: Mapping[str, Phone]) -> None:
    """After a while let each person log in and register, unless they are blocked."""
    for appid in APPIDS:
        world.wechat.fault(PHONE_API, "errcode", 0, appid=appid)
    world.scheduler.wait(QUIET)
    for phone in phones.values():
        if world.invariants.may_be_refused(phone.user):
            continue
        try:
            phone.log_in()
            phone.register(phone.tap())
        except Failed as failure:
            said = failure.answer.error
            # The laws of `reject`, and of numbers whose account is blocked, look at these.
            if said not in ("phone_taken", "user_blocked"):
                world.invariants.everybody_gets_in(phone.user, said)


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
