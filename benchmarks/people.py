"""People with phones, and the events that API Gateway makes of what they send."""

import base64
import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.container import Container
from benchmarks.stage import FLOWS, Stage
from local.payload import Event, Request, event_for
from stack.template import Route

_numbers = itertools.count(1)


@dataclass(slots=True)
class Person:
    """Somebody with a phone; logged in after `People.log_in`."""

    name: str
    openid: str
    session: str = ""
    token: str | None = None

    @property
    def sid(self) -> str:
        """Return the session's id, under which it lies in the table."""
        secret = self.session.rpartition(".")[2]
        digest = hashlib.sha256(secret.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Flows:
    """The events of the three flows for one person, and of all other functions."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.events: dict[str, Callable[[Person], Any]] = {
            "Login": self._login,
            "LookUpToken": self._look_up,
            "RegisterPhone": self._phone,
            "LogOut": lambda person: http_event("POST /logout", person, {}),
            "ShowAccount": lambda person: http_event("GET /account", person),
            "UpdateAccount": lambda person: http_event(
                "PUT /account", person, {"nickname": "阿明"}
            ),
            "EraseAccount": lambda person: http_event("DELETE /account", person),
            "ListSessions": lambda person: http_event("GET /account/sessions", person),
            "PublishKeys": lambda person: http_event("GET /.well-known/jwks.json", person),
            "Authorize": self._authorize,
            "ShowUserinfo": self._userinfo,
            "RotateSigningKeys": lambda _: {},
            "ReceiveEvent": self._push,
            "RenewAccessToken": lambda _: {},
            "FindUser": lambda person: {"openid": person.openid},
            "EraseUser": lambda person: {"openid": person.openid},
        }

    def _login(self, person: Person) -> Event:
        code = self._stage.wechat.login_code(person.name)
        return http_event("POST /login", person, {"code": code})

    def _look_up(self, person: Person) -> Event:
        # The sid is for the floor, which does not compute it.
        sent = {"openid": person.openid, "sid": person.sid}
        return http_event("POST /token", person, sent)

    def _phone(self, person: Person) -> Event:
        code = self._stage.wechat.phone_code(person.name)["code"]
        sent = {"openid": person.openid, "sid": person.sid, "code": code}
        return http_event("POST /phone", person, sent)

    def _authorize(self, person: Person) -> Event:
        event = http_event("GET /userinfo", person)
        event["headers"]["authorization"] = f"Bearer {person.token}"
        return {**event, "type": "REQUEST"}

    def _userinfo(self, person: Person) -> Event:
        payload = str(person.token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        context = {"openid": person.openid, "sid": claims["sid"], "userId": claims["sub"]}
        return http_event("GET /userinfo", person, authorized=context)

    def _push(self, person: Person) -> Event:
        token, timestamp = self._stage.parameters["event-token"], str(int(time.time()))
        parts = "".join(sorted([token, timestamp, "nonce"]))
        signature = hashlib.sha1(parts.encode()).hexdigest()  # noqa: S324 - WeChat's choice
        query = f"signature={signature}&timestamp={timestamp}&nonce=nonce&echostr=echo"
        return http_event("GET /wechat/events", person, query=query)


class People:
    """Makes people, who log in and register by one contestant's own functions."""

    def __init__(self, stage: Stage, containers: Mapping[str, Container]) -> None:
        """Wire it: `containers` has one for each flow."""
        self._stage = stage
        self._containers = containers
        self._flows = Flows(stage)

    def logged_in(self, *, registered: bool) -> Person:
        """Make somebody who has a session, and a number if registered."""
        name = f"person-{next(_numbers)}"
        number = f"13{next(_numbers):09d}"
        self._stage.wechat.set_phone(name, number)
        person = Person(name, self._stage.wechat.openid(name))
        self.log_in(person)
        if registered:
            self.send("phone", person)
            self.log_in(person)
        return person

    def log_in(self, person: Person) -> None:
        """Let a person log in, and keep session and token."""
        data = self.send("login", person)["data"]
        person.session, person.token = data["session"], data.get("token")

    def send(self, flow: str, person: Person) -> Any:
        """Send a person's request to the function of a flow, and return the body of the answer."""
        event = self._flows.events[FLOWS[flow]](person)
        body = self._containers[flow].invoke(event).body
        if not body["success"]:
            raise RuntimeError(f"{flow}: {body}")
        return body


class Cast:
    """People for each contestant: ours serve all but the usual way, which keeps them otherwise."""

    def __init__(self, ours: People, usual: People) -> None:
        self._people = {"ours": ours, "usual": usual}
        self._known = {
            name: people.logged_in(registered=True) for name, people in self._people.items()
        }

    def people(self, contestant: str) -> People:
        """Return those whom a contestant knows."""
        return self._people["usual" if contestant.startswith("usual") else "ours"]

    def known(self, contestant: str) -> Person:
        """Return somebody who is logged in and registered with a contestant."""
        return self._known["usual" if contestant.startswith("usual") else "ours"]

    def fit_for(self, contestant: str, function: str) -> Person:
        """Return somebody who can send a function its request, made anew where it uses them up."""
        if function in {"RegisterPhone", "LogOut", "EraseAccount", "EraseUser"}:
            return self.people(contestant).logged_in(registered=False)
        return self.known(contestant)


@contextlib.contextmanager
def cast(stage: Stage) -> Iterator[Cast]:
    """Keep containers by which people log in and register, until the end of the block."""
    with contextlib.ExitStack() as running:

        def trio(bundle: str) -> dict[str, Container]:
            return {
                flow: running.enter_context(stage.container(bundle, function))
                for flow, function in FLOWS.items()
            }

        stage.share_access_token()
        yield Cast(People(stage, trio("ours")), People(stage, trio("usual")))


def http_event(
    route: str,
    person: Person,
    body: object = None,
    *,
    query: str = "",
    authorized: Mapping[str, str] | None = None,
) -> Event:
    """Make the event that API Gateway sends for a request of a mini program."""
    method, path = route.split()
    headers = [
        ("host", "login.example"),
        ("user-agent", "Mozilla/5.0 (iPhone) MicroMessenger/8.0.60 NetType/WIFI Language/zh_CN"),
        ("referer", "https://servicewechat.com/wx1234567890abcdef/12/page-frame.html"),
    ]
    if person.session:
        headers.append(("authorization", f"Bearer {person.session}"))
    if body is not None:
        headers.append(("content-type", "application/json"))
    request = Request(
        method=method,
        target=f"{path}?{query}",
        headers=tuple(headers),
        body=b"" if body is None else json.dumps(body).encode(),
    )
    context = None if authorized is None else dict(authorized)
    return event_for(request, Route(method, path, "Any"), {}, context)
