"""Many containers cold at once, and many users in the table."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wechat_login import wiring
from wechat_login.errors import StorageUnavailable
from wechat_login.storage.parameters import Parameters

from benchmarks.container import PATIENCE, Container, ContainerFailed
from benchmarks.measures.warm import Block, one_of_each
from benchmarks.people import Cast, Flows
from benchmarks.places import WORK
from benchmarks.stage import PREFIX, Stage, aws_client

MB_OF_A_CONTAINER = 90
ITEMS_OF_A_BATCH = 25


class NotEnoughMemory(Exception):
    """So many containers do not fit into this machine."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many containers, cold at once, each with one phone to register."""

    contestant: str
    containers: int
    token_calls: int
    ssm_calls: int
    answered: int
    errors: dict[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """So many readers of SSM at once, while SSM answers 40 calls a second."""

    readers: int
    calls: int
    answered: int
    seconds: list[float]  # until the answer, sorted


def crowd(stage: Stage, cast: Cast, contestant: str, containers: int) -> Crowd:
    """Start containers that all need WeChat's access token, which nobody has yet.

    Raises `NotEnoughMemory`.
    """
    if _free_mb() < containers * MB_OF_A_CONTAINER:
        raise NotEnoughMemory
    people = [cast.fit_for(contestant, "RegisterPhone") for _ in range(containers)]
    events = [Flows(stage).events["RegisterPhone"](person) for person in people]
    stage.forget_access_token()
    stage.take_calls()
    with contextlib.ExitStack() as running:
        group = running.enter_context(stage.groups.group()) if stage.groups.possible else None
        if group is not None:
            group.weigh_as_one()
        started = [
            running.enter_context(
                # Two cores do in minutes what as many containers do in a second.
                stage.container(contestant, "RegisterPhone", group=group, timeout=PATIENCE)
            )
            for _ in range(containers)
        ]
        began = time.monotonic()
        outcomes = _all_at_once(started, events)
        seconds = time.monotonic() - began
    calls = stage.take_calls()
    errors = Counter(outcomes)
    answered = errors.pop("answered", 0)
    return Crowd(
        contestant,
        containers,
        token_calls=sum("token" in call.operation for call in calls if call.service == "wechat"),
        ssm_calls=sum(call.service == "ssm" for call in calls),
        answered=answered,
        errors=dict(errors),
        seconds=seconds,
    )


def _all_at_once(containers: Sequence[Container], events: Sequence[Any]) -> list[str]:
    ready = threading.Barrier(len(containers))

    def send(container: Container, event: Any) -> str:
        ready.wait()
        try:
            done = container.invoke(event)
        except ContainerFailed as failure:
            return str(failure).partition("\n")[0][:100]
        body = done.body
        return "answered" if body["success"] else str(body.get("error", {}).get("code", "refused"))

    with ThreadPoolExecutor(len(containers)) as pool:
        return list(pool.map(send, containers, events))


def reads_under_quota(stage: Stage, readers: int) -> Quota:
    """Let so many readers of parameters, each as in a container of its own, read at once.

    SSM keeps to AWS's default quota. A container tries in its init, and again in its first request.
    """
    clients = [
        aws_client(
            "ssm",
            stage.aws_server.url,
            verify=str(WORK / "certificate.pem"),
            config=wiring._config("ssm"),  # noqa: SLF001 - as in a container.
        )
        for _ in range(readers)
    ]
    ready = threading.Barrier(readers)

    def read(client: Any) -> float | None:
        parameters = Parameters(client, {"app-secret": f"{PREFIX}/app-secret"})
        ready.wait()
        began = time.monotonic()
        for _ in ("in init", "in the first request"):
            with contextlib.suppress(StorageUnavailable):
                parameters.load()
                return time.monotonic() - began
        return None

    stage.take_calls()
    stage.aws.throttled = True
    with ThreadPoolExecutor(readers) as pool:
        waited = list(pool.map(read, clients))
    stage.aws.throttled = False
    answered = sorted(seconds for seconds in waited if seconds is not None)
    return Quota(readers, len(stage.take_calls()), len(answered), answered)


def units_by_users(
    stage: Stage, cast: Cast, *, users: Sequence[int], requests: int
) -> dict[int, list[Block]]:
    """Measure our flows with so many users in the table, in growing order."""
    found = {}
    written = 0
    for many in users:
        _write_users(stage, written, many)
        written = many
        found[many] = one_of_each(stage, cast, requests=requests)
    return found


def _write_users(stage: Stage, first: int, end: int) -> None:
    appid = stage.wechat.appid
    puts = [{"PutRequest": {"Item": _user(appid, number)}} for number in range(first, end)]
    for start in range(0, len(puts), ITEMS_OF_A_BATCH):
        batch = puts[start : start + ITEMS_OF_A_BATCH]
        stage.dynamodb.batch_write_item(RequestItems={stage.table: batch})


def _user(appid: str, number: int) -> dict[str, Any]:
    texts = {
        "pk": f"USER#{appid}#o-crowd-{number:020d}",
        "sk": "PROFILE",
        "userId": f"00000000-0000-7000-8000-{number:012d}",
        "phone": "k1." + "x" * 60,
        "phoneIndex": f"{number:064x}",
    }
    numbers = {"createdAt": 1, "lastLoginAt": 1, "logins": 1, "registeredAt": 1}
    return {
        **{name: {"S": text} for name, text in texts.items()},
        **{name: {"N": str(value)} for name, value in numbers.items()},
    }


def _free_mb() -> float:
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    found = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return found["MemAvailable"] / 1024
