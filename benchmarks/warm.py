"""Warm requests: time, CPU, calls, capacity units and log of each case, contestants in turn."""

import contextlib
import random
from collections import Counter
from dataclasses import dataclass

from benchmarks.bundles import FLOOR, OURS, WECHATPY
from benchmarks.container import Container
from benchmarks.people import Cast, Person, send
from benchmarks.stage import FLOWS, Stage

LATENCY = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """A request of a user with this number of sessions and, unless it registers one, a number."""

    contestant: str
    flow: str
    sessions: int = 1
    profile: bool = False  # a nickname and an avatar


KNOWN = Case(OURS, "login", 3)
NINE = Case(OURS, "login", 9)
ELEVENTH = Case(OURS, "login", 10)
THEIRS = Case(WECHATPY, "login", 3)
TIMED = [
    *(Case(each, "login", 3) for each in (OURS, FLOOR, WECHATPY)),
    *(Case(each, flow) for flow in ("look-up", "phone") for each in (OURS, FLOOR, WECHATPY)),
    NINE,
]
WEIGHED = [
    *(KNOWN, Case(OURS, "login", 3, profile=True), NINE, ELEVENTH),
    *(Case(OURS, flow) for flow in ("look-up", "phone")),
    *(THEIRS, *(Case(WECHATPY, flow) for flow in ("look-up", "phone"))),
]


@dataclass(frozen=True, slots=True)
class Block:
    case: Case
    is_far: bool
    ms: list[float]
    upstream_ms: list[float]  # in which WeChat and AWS had the request
    cpu_ms: float  # a request
    log_bytes: float  # a request


@dataclass(frozen=True, slots=True)
class Weight:
    case: Case
    calls: dict[str, int]  # by service: wechat, dynamodb, ssm
    reads: float
    writes: float


def warm_requests(
    stage: Stage, cast: Cast, *, rounds: int, requests: int
) -> tuple[list[Block], list[Weight]]:
    """Send requests with low latency, with high latency, and to count capacity units."""
    with contextlib.ExitStack() as running:
        containers = {}
        for contestant in (OURS, FLOOR, WECHATPY):
            for flow, function in FLOWS.items():
                container = running.enter_context(stage.container(contestant, function))
                containers[contestant, flow] = container
                for _ in range(5):
                    send(stage, container, flow, cast[contestant].fit_for(flow))
        blocks = []
        for is_far in (False, True):
            turns, many = list(TIMED), max(3, requests // 8) if is_far else requests
            for _ in range(rounds):
                random.shuffle(turns)
                for case in turns:
                    people = [_somebody(cast, case) for _ in range(many + 1)]
                    container = containers[case.contestant, case.flow]
                    blocks.append(_block(stage, container, case, people, is_far=is_far))
        weights = [
            weigh(stage, containers[case.contestant, case.flow], case, _somebody(cast, case))
            for case in WEIGHED
            for _ in range(3)
        ]
    return blocks, weights


def _block(
    stage: Stage, container: Container, case: Case, people: list[Person], *, is_far: bool
) -> Block:
    requests = len(people) - 1
    stage.far(LATENCY if is_far else 0.0)
    # After a pause, the first request finds other programs' data in the CPU's caches.
    send(stage, container, case.flow, people.pop())
    cpu_ms, log_bytes, ms, upstream_ms = container.cpu_ms(), container.log_bytes, [], []
    for person in people:
        stage.take_calls()
        ms.append(send(stage, container, case.flow, person))
        upstream_ms.append(sum(call.ms for call in stage.take_calls()))
    stage.far(0.0)
    cpu_ms, log_bytes = container.cpu_ms() - cpu_ms, container.log_bytes - log_bytes
    return Block(case, is_far, ms, upstream_ms, cpu_ms / requests, log_bytes / requests)


def weigh(stage: Stage, container: Container, case: Case, person: Person) -> Weight:
    """Send one request, and count its calls and their capacity units."""
    stage.take_calls()
    stage.aws.weighs = True
    send(stage, container, case.flow, person)
    stage.aws.weighs = False
    calls = stage.take_calls()
    reads, writes = sum(call.reads for call in calls), sum(call.writes for call in calls)
    return Weight(case, dict(Counter(call.service for call in calls)), reads, writes)


def _somebody(cast: Cast, case: Case) -> Person:
    registered = case.flow != "phone"
    people = cast[case.contestant]
    return people.somebody(registered=registered, sessions=case.sessions, profile=case.profile)
