"""Warm requests: CPU, wall, calls and capacity units of each flow, contestants in turn."""

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.container import Container
from benchmarks.cpu_share import Share
from benchmarks.people import Cast, Flows, Person
from benchmarks.stage import FLOWS, Stage
from benchmarks.upstream import READS, Call

CONTESTANTS = ("ours", "floor", "usual")
LATENCY = 0.05
SERVICES = ("wechat", "dynamodb", "ssm")


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    wall_ms: float
    upstream_ms: float
    calls: dict[str, int]  # by service
    reads: float  # DynamoDB's capacity units
    writes: float


@dataclass(frozen=True, slots=True)
class Block:
    """Some requests in a row to one container; `limited` to the CPU share of 512 MB."""

    contestant: str
    flow: str
    latency: float
    limited: bool
    cpu_ms: float  # a request
    peak_mb: float
    requests: list[Request]


def warm_requests(stage: Stage, cast: Cast, *, rounds: int, requests: int) -> list[Block]:
    """Send requests from near and from afar, with a whole CPU."""
    with _containers(stage, cast, CONTESTANTS) as containers:
        near = _blocks(stage, cast, containers, rounds, requests, latency=0.0)
        far = _blocks(stage, cast, containers, rounds, max(3, requests // 8), latency=LATENCY)
    return near + far


def warm_requests_as_billed(stage: Stage, cast: Cast, *, rounds: int, requests: int) -> list[Block]:
    """Send requests from afar to containers with the CPU share of 512 MB."""
    if not stage.groups.possible:
        return []
    with _containers(stage, cast, ("ours", "usual"), limited=True) as containers:
        return _blocks(stage, cast, containers, rounds, requests, latency=LATENCY, limited=True)


def one_of_each(stage: Stage, cast: Cast, *, requests: int) -> list[Block]:
    """Send our own functions some requests, for their calls and capacity units alone."""
    with _containers(stage, cast, ("ours",)) as containers:
        return _blocks(stage, cast, containers, 1, requests, latency=0.0)


@contextlib.contextmanager
def _containers(
    stage: Stage, cast: Cast, contestants: tuple[str, ...], *, limited: bool = False
) -> Iterator[dict[tuple[str, str], Container]]:
    with contextlib.ExitStack() as running:
        containers = {}
        for contestant in contestants:
            for flow, function in FLOWS.items():
                group = running.enter_context(stage.groups.group()) if limited else None
                share = Share.LIMITED_AFTER_INIT if limited else Share.WHOLE
                container = stage.container(contestant, function, group=group, share=share)
                containers[contestant, flow] = running.enter_context(container)
                event = Flows(stage).events[function]
                for _ in range(3):
                    container.invoke(event(cast.fit_for(contestant, function)))
        yield containers


def _blocks(
    stage: Stage,
    cast: Cast,
    containers: dict[tuple[str, str], Container],
    rounds: int,
    requests: int,
    *,
    latency: float,
    limited: bool = False,
) -> list[Block]:
    turns = list(containers)
    blocks = []
    for _ in range(rounds):
        random.shuffle(turns)
        for contestant, flow in turns:
            people = [cast.fit_for(contestant, FLOWS[flow]) for _ in range(requests + 1)]
            stage.far(latency)
            container = containers[contestant, flow]
            # The first after a pause finds other people's data in the CPU's caches.
            _send(stage, container, flow, people.pop())
            before = container.cpu_ms()
            sent = [_send(stage, container, flow, person) for person in people]
            cpu_ms = (container.cpu_ms() - before) / requests
            stage.far(0.0)
            peak_mb = container.peak_mb()
            blocks.append(Block(contestant, flow, latency, limited, cpu_ms, peak_mb, sent))
    return blocks


def _send(stage: Stage, container: Container, flow: str, person: Person) -> Request:
    event = Flows(stage).events[FLOWS[flow]](person)
    stage.take_calls()
    done = container.invoke(event)
    if not done.body["success"]:
        raise RuntimeError(f"{flow}: {done.body}")
    calls = stage.take_calls()
    return Request(
        wall_ms=done.ms,
        upstream_ms=sum(call.ms for call in calls),
        calls=_by_service(calls),
        reads=sum(call.units for call in calls if call.operation in READS),
        writes=sum(call.units for call in calls if call.operation not in READS),
    )


def _by_service(calls: list[Call]) -> dict[str, int]:
    counted = Counter(call.service for call in calls)
    return {service: counted[service] for service in SERVICES}
