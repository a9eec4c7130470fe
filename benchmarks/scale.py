"""Many cold starts at once, without an access token of WeChat's."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.bundles import OURS, WECHATPY
from benchmarks.container import Container, ContainerFailed
from benchmarks.people import Cast, event_of
from benchmarks.stage import FLOWS, Stage

CROWDS = [(OURS, 1), (OURS, 10), (OURS, 50), (WECHATPY, 1), (WECHATPY, 10)]
# Two cores start them one after another; meanwhile the servers must keep answering.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Crowd:
    contestant: str
    containers: int
    token_calls: int
    ssm_calls: int
    answered: int
    seconds: float


def crowds(stage: Stage, cast: Cast, *, largest: int) -> list[Crowd]:
    """Start each number of containers up to the largest."""
    found = [_crowd(stage, cast, *each) for each in CROWDS if each[1] <= largest]
    stage.share_access_token()
    return found


def _crowd(stage: Stage, cast: Cast, contestant: str, containers: int) -> Crowd:
    people = [cast[contestant].fit_for("phone") for _ in range(containers)]
    events = [event_of("phone", person, stage) for person in people]
    stage.forget_access_token()
    stage.take_calls()
    ready = threading.Barrier(containers)

    def is_answered(container: Container, event: Any) -> bool:
        ready.wait()
        try:
            return bool(container.invoke(event)[0]["success"])
        except ContainerFailed:
            return False

    with contextlib.ExitStack() as running, ThreadPoolExecutor(containers) as pool:
        started = [
            running.enter_context(stage.container(contestant, FLOWS["phone"], niceness=NICENESS))
            for _ in range(containers)
        ]
        began = time.monotonic()
        answered = sum(pool.map(is_answered, started, events))
        seconds = time.monotonic() - began
    calls = stage.take_calls()
    token_calls = sum("token" in call.operation for call in calls if call.service == "wechat")
    ssm_calls = sum(call.service == "ssm" for call in calls)
    return Crowd(contestant, containers, token_calls, ssm_calls, answered, seconds)
