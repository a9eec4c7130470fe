"""What each gain is worth: our login with all of them, and with one at a time undone."""

import random
from dataclasses import dataclass

from benchmarks.people import Cast, Flows
from benchmarks.stage import Stage

ALL = ""
UNDONE = ("garbage collection", "one TLS context", "two services", "no boto3", "short calls")
WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Undone:
    """A cold start, and warm requests after it, without the gain (`ALL`: with every gain)."""

    gain: str
    init_ms: float
    first_ms: float
    warm_cpu_ms: float  # a request


def gains(stage: Stage, cast: Cast, *, rounds: int, requests: int) -> list[Undone]:
    """Measure logins, whole CPU, in turn."""
    turns = [ALL, *UNDONE]
    found = []
    for _ in range(rounds):
        random.shuffle(turns)
        found += [_measure(stage, cast, gain, requests) for gain in turns]
    return found


def _measure(stage: Stage, cast: Cast, gain: str, requests: int) -> Undone:
    person, event = cast.known("ours"), Flows(stage).events["Login"]
    with stage.container(
        "undone", "Login", handler="undone.handler", more={"UNDONE": gain}
    ) as container:
        first = container.invoke(event(person))
        for _ in range(WARM_UP):
            container.invoke(event(person))
        before = container.cpu_ms()
        for _ in range(requests):
            container.invoke(event(person))
        warm = (container.cpu_ms() - before) / requests
        return Undone(gain, container.init_ms, first.ms, warm)
