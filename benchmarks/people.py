"""People with phones, and the API Gateway events of their requests."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.bundles import FLOOR, OURS, WECHATPY
from benchmarks.container import Container
from benchmarks.stage import FLOWS, Stage
from local.http_server import Request
from local.payload import Event, event_for
from stack.template import Route

ROUTES = {"login": "POST /login", "look-up": "POST /token", "phone": "POST /phone"}
NICKNAME, AVATAR = "阿明的小店", "https://cdn.example.com/avatars/0193a1b2c3d4/96.png"
_numbers = itertools.count(1)


@dataclass(slots=True)
class Person:
    name: str
    openid: str
    session: str = ""


class People:
    """Makes people, who log in and register with one contestant's functions."""

    def __init__(self, stage: Stage, containers: dict[str, Container]) -> None:
        self._stage = stage
        self._containers = containers

    def somebody(
        self, *, registered: bool = True, sessions: int = 1, profile: bool = False
    ) -> Person:
        """Make a person with this number of sessions, with or without a phone number."""
        name, number = f"person-{next(_numbers)}", f"13{next(_numbers):09d}"
        self._stage.wechat.set_phone(name, number)
        person = Person(name, self._stage.wechat.openid(name))
        self._send("login", person)
        if registered:
            self._send("phone", person)
        if profile:
            self._send("profile", person)
        for _ in range(sessions - 1):
            self._send("login", person)
        return person

    def fit_for(self, flow: str) -> Person:
        """Return a new person who can send a flow's request."""
        return self.somebody(registered=flow != "phone")

    def _send(self, flow: str, person: Person) -> None:
        send(self._stage, self._containers[flow], flow, person)


Cast = dict[str, People]  # by contestant


@contextlib.contextmanager
def cast(stage: Stage) -> Iterator[Cast]:
    """Keep the containers for log-ins and registrations until the end of the block."""
    stage.share_access_token()
    with contextlib.ExitStack() as running:

        def people(bundle: str) -> People:
            functions = FLOWS | ({"profile": "UpdateAccount"} if bundle == OURS else {})
            containers = {
                flow: running.enter_context(stage.container(bundle, function))
                for flow, function in functions.items()
            }
            return People(stage, containers)

        yield {bundle: people(bundle) for bundle in (OURS, FLOOR, WECHATPY)}


def send(stage: Stage, container: Container, flow: str, person: Person) -> float:
    """Send a person's request, keep the session of a login, and return the milliseconds."""
    body, ms = container.invoke(event_of(flow, person, stage))
    if not body["success"]:
        raise RuntimeError(f"{flow}: {body}")
    if flow == "login":
        person.session = body["data"]["session"]
    return ms


def event_of(flow: str, person: Person, stage: Stage) -> Event:
    """Make the event that API Gateway sends for a request of a mini program, with a new code."""
    match flow:
        case "login":
            sent: dict[str, Any] = {"code": stage.wechat.login_code(person.name)}
        case "look-up":
            sent = {"openid": person.openid}
        case "phone":
            code = stage.wechat.phone_code(person.name)["code"]
            sent = {"openid": person.openid, "code": code}
        case _:
            sent = {"nickname": NICKNAME, "avatarUrl": AVATAR}
    method, path = ROUTES.get(flow, "PUT /account").split()
    headers = [
        ("host", "login.example"),
        ("content-type", "application/json"),
        ("user-agent", "Mozilla/5.0 (iPhone) MicroMessenger/8.0.60 NetType/WIFI Language/zh_CN"),
        ("referer", f"https://servicewechat.com/{stage.wechat.appid}/12/page-frame.html"),
    ]
    if flow != "login":
        headers.append(("authorization", f"Bearer {person.session}"))
    request = Request(method, path, tuple(headers), json.dumps(sent).encode())
    return event_for(request, Route(method, path, "Any"), {}, None)
