"""One history's world: AWS, WeChat, the containers, and the internet before the phones."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn, Self
from urllib.parse import urlencode, urlsplit

import requests
from botocore.exceptions import ClientError
from urllib3.exceptions import NewConnectionError

from simulated_wechat import SimulatedWeChat
from simulated_wechat.answers import Answer as WeChatAnswer
from simulated_wechat.rules import Request as WeChatRequest
from simulated_wechat.wechat import BUILT_IN
from stack.template import Stack, read_stack
from tests.simulation.aws import Aws
from tests.simulation.faults import Faults
from tests.simulation.invariants import Invariants
from tests.simulation.layer import Layer
from tests.simulation.scheduler import Scheduler
from tests.simulation.ssm import SSM
from tests.support.dynamodb import DynamoDB, Key
from tests.support.expressions import Item
from wechat_login.settings import PARAMETERS

START = 1_800_000_000.0
APPIDS = tuple(BUILT_IN)
DOMAIN = "login.example.com"
FOLDER = "/wechat-login/test"
EVENT_TOKEN, EVENT_AES_KEY = "event-token-of-the-simulation", "k" * 43
OK = 200
WARM = 3600.0  # Lambda ends a container that was idle for so long, more or less.


class Killed(BaseException):
    """The container was killed: nothing that its code still does has any effect."""


class FunctionFailed(Exception):
    """A function that was invoked directly raised an error, or its container was killed."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Setting:
    """What a history's deployment and its circumstances are like."""

    parameters: Mapping[str, str]  # of the template
    skew: float  # seconds by which a container's clock is wrong at most
    storm: float  # the probability of a fault at each call


@dataclass
class Container:
    """A container of one function, with its own memory and its own clock."""

    function: str
    number: int
    handler: Callable[[Any, Any], Any]
    skew: float
    timeout: float
    used_at: float = 0.0
    busy: bool = False


@dataclass
class Sender:
    """An invocation: who sends a call, what for, and what happened to it."""

    step: str
    container: Container
    event: Mapping[str, Any] = field(repr=False)
    started_at: float
    mark: int  # the number of writes of the table before it
    calls: list[str] = field(default_factory=list)  # "dynamodb GetItem"
    faults: list[str] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)  # codes that WeChat may have got
    outcomes: list[str] = field(default_factory=list)  # of WeChat's calls
    identity: Mapping[str, Any] = field(default_factory=dict)  # that WeChat gave for a login code
    paid: bool = False  # WeChat gave a number
    ended_at: float = float("inf")
    killed: bool = False

    @property
    def function(self) -> str:
        return self.container.function

    @property
    def deadline(self) -> float:
        return self.started_at + self.container.timeout


@dataclass
class Context:
    """What belongs to one step of a history, whichever other steps there are."""

    step: str
    chance: random.Random
    sender: Sender | None = None


@dataclass(frozen=True)
class Answer:
    """An HTTP response; status 0: none."""

    status: int
    body: Any = None
    retry_after: int | None = None

    @property
    def error(self) -> str:
        """Return the error's code, or an empty text."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error["code"]) if isinstance(error, dict) else ""

    @property
    def data(self) -> Any:
        return self.body.get("data")


@dataclass(frozen=True)
class Line:
    """One line of a history: when, in which step, and what."""

    at: float
    step: str
    what: str
    details: tuple[Any, ...] = ()


class World:
    """Everything around the functions."""

    def __init__(self, layer: Layer, setting: Setting, faults: Faults, seed: int) -> None:
        self.seed = seed
        self.setting = setting
        self.faults = faults
        self.scheduler = Scheduler(START)
        self.scheduler.running.context = self.context("start")
        self.layer = layer
        layer.begin(self)
        self.stack = stack(tuple(sorted(setting.parameters.items())))
        self.wechat = SimulatedWeChat(now=lambda: self.scheduler.now)
        self.lines: list[Line] = []
        self.outages: dict[str, float] = {}
        self.outage_after_exchange = 0.0  # seconds of DynamoDB's, when WeChat gives a number
        self.receipts: list[str] = []
        self.tokens_are_rejected = False  # by WeChat, though they are valid
        self.ssm = SSM()
        self.dynamodb = DynamoDB(
            self.stack.tables[0].name, lambda: self.scheduler.now, self._observe
        )
        self.invariants = Invariants(self)
        self._writer: Sender | None = None
        self._containers: dict[str, list[Container]] = {}
        self._routes = {route.key: route for route in self.stack.routes}
        self._put_secrets()

    def _put_secrets(self) -> None:
        sealing = self.layer.module("wechat_login.storage.sealing")
        signing = self.layer.module("wechat_login.tokens.signing_keys")
        private, public = signing.new_signing_keys(START)
        values = {
            "app-secrets": json.dumps(dict(BUILT_IN)),
            "signing-keys": private,
            "public-keys": public,
            "sealing-key": sealing.new_keyring(),
            "event-token": EVENT_TOKEN,
            "event-aes-key": EVENT_AES_KEY,
        }
        for name in sorted({*PARAMETERS.values()} - {"access-token"}):
            self.put_parameter(f"{FOLDER}/{name}", values[name])
        self.invariants.keys_published(public, since=0.0)

    def put_parameter(self, name: str, value: str) -> None:
        """Do what `make secrets` does."""
        request = {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True}
        self.note("ssm PutParameter", request, self.ssm.act("PutParameter", request))

    # What a task sees.

    def context(self, step: str) -> Context:
        """Return the context of a step, with its own chance."""
        return Context(step, random.Random(f"{self.seed} {step}"))  # noqa: S311 - a seed decides

    @property
    def here(self) -> Context:
        """Return the context of the task that runs."""
        context: Context = self.scheduler.running.context
        return context

    @property
    def sender(self) -> Sender:
        """Return the invocation that runs."""
        if self.here.sender is None:
            raise RuntimeError("a call outside an invocation")
        return self.here.sender

    @property
    def chance(self) -> random.Random:
        return self.here.chance

    def time(self) -> float:
        """Return the time as the present container's clock shows it."""
        sender = self.here.sender
        return self.scheduler.now + (sender.container.skew if sender else 0.0)

    def latency(self) -> float:
        """Return how long a message takes: mostly milliseconds, sometimes much longer."""
        return self.chance.choice((0.002, 0.005, 0.01, 0.03, 0.08)) * self.chance.random()

    def wait(self, seconds: float) -> None:
        """Let others run; in a container that is killed meanwhile, raise `Killed`."""
        sender = self.here.sender
        if sender is None:
            self.scheduler.wait(seconds)
            return
        if sender.killed:
            raise Killed
        self.scheduler.wait(min(seconds, sender.deadline - self.scheduler.now))
        if self.scheduler.now >= sender.deadline:
            self.note("Lambda's timeout")
            sender.faults.append("Lambda's timeout")
            self.kill()

    def kill(self) -> NoReturn:
        """Kill the container that runs."""
        self.sender.killed = True
        raise Killed

    def note(self, what: str, *details: Any) -> None:
        """Write a line of the history; `details` are shown only if it is printed."""
        self.lines.append(Line(self.scheduler.now, self.here.step, what, details))

    def fault(self, service: str, operation: str) -> str | None:
        """Return the fault of the next call, if any."""
        sender = self.here.sender
        if sender is not None:
            if sender.killed:
                raise Killed
            sender.calls.append(f"{service} {operation}")
        if self.outages.get(service, 0.0) > self.scheduler.now:
            kind: str | None = "refused"
            if sender is not None:
                sender.faults.append(f"{service}: outage")
        else:
            kind = self.faults.draw(self.here.step, service, operation)
            if kind == "outage":
                self.outages[service] = self.scheduler.now + self.chance.choice((2.0, 15.0, 40.0))
            if kind and sender is not None:
                sender.faults.append(f"{service}: {kind}")
        if kind:
            self.note(f"fault at {service} {operation}: {kind}")
        return kind

    # AWS.

    def act(
        self, service: str, operation: str, request: Mapping[str, Any], sender: Sender
    ) -> dict[str, Any]:
        """Let DynamoDB or SSM act on a call. Raises `ClientError`."""
        self._writer = sender
        acting = self.dynamodb if service == "dynamodb" else self.ssm
        answer: dict[str, Any] = {}
        failure: ClientError | None = None
        try:
            answer = acting.act(operation, request)
        except ClientError as refusal:
            failure = refusal
        finally:
            self._writer = None
            details = (request, failure or answer)
            line = Line(self.scheduler.now, sender.step, f"{service} {operation}", details)
            self.lines.append(line)
        if failure is not None:
            raise failure
        if operation == "PutParameter" and request["Name"].endswith("public-keys"):
            self.invariants.keys_published(request["Value"], self.scheduler.now)
        return answer

    def _observe(self, before: Mapping[Key, Item | None], after: Mapping[Key, Item | None]) -> None:
        self.invariants.written(self._writer, before, after)

    # WeChat.

    def ask_wechat(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str],
        data: bytes | None,
        timeout: tuple[float, float],
        **_: object,
    ) -> "WeChatResponse":
        """Send a call to WeChat, as `requests.Session.request` does."""
        path, sender = urlsplit(url).path, self.sender
        kind = self.fault("wechat", path) or ""
        self.wait(self.latency() + (timeout[1] * self.chance.random() if kind == "slow" else 0))
        if kind == "killed before":
            self.kill()
        if kind == "refused":
            raise requests.ConnectionError(_NoConnection())
        if kind == "timeout before":
            self.wait(timeout[1])
            raise requests.ReadTimeout
        request = WeChatRequest(method, path, dict(params), data or b"")
        self._order_fault(kind, request)
        answer = self.wechat.receive(request)
        self.note(f"wechat {path}", answer.outcome)
        self.invariants.wechat_acted(sender, request, answer)
        if sender.paid and self.outage_after_exchange:
            self.outages["dynamodb"] = self.scheduler.now + self.outage_after_exchange
            self.outage_after_exchange = 0.0
        if kind == "killed after":
            self.kill()
        if kind == "timeout after":
            self.wait(timeout[1])
            raise requests.ReadTimeout
        self.wait(self.latency())
        return WeChatResponse(answer)

    def _order_fault(self, kind: str, request: WeChatRequest) -> None:
        appid = self.asked(request)
        match kind:
            case "busy":
                self.wechat.fault(request.path, "errcode", appid=appid, errcode=-1)
            case "token rejected":
                self.wechat.fault(request.path, "errcode", appid=appid, errcode=40001)
            case "garbage" | "garbage after":
                when = "after" if kind == "garbage after" else "before"
                self.wechat.fault(request.path, "garbage", appid=appid, when=when)
            case "status 502":
                self.wechat.fault(request.path, "status", appid=appid)

    def asked(self, request: WeChatRequest) -> str:
        """Return the AppID of the mini program that a call is about."""
        token = request.query.get("access_token")
        for app in self.wechat.mini_programs():
            if token and app.tokens.issued(token):
                return app.appid
        body = json.loads(request.body) if request.body else {}
        return str(request.query.get("appid") or body.get("appid") or APPIDS[0])

    # Lambda and API Gateway.

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Invoke a function directly. Raises `FunctionFailed`."""
        context, container = self.here, self._container(function)
        sender = Sender(context.step, container, event, self.scheduler.now, self.invariants.mark())
        container.busy = True
        context.sender = sender
        if function == "RegisterPhone":
            self.invariants.registrations.append(sender)
        error: BaseException | None = None
        answer: Any = None
        try:
            answer = container.handler(event, _LambdaContext(container.timeout))
        except Killed:
            self.note(f"{function} killed")
        except Exception as failure:  # noqa: BLE001 - Lambda reports any error
            error = failure
        finally:
            context.sender = None
            sender.ended_at = self.scheduler.now
            container.busy, container.used_at = False, self.scheduler.now
            if sender.killed:
                self._containers[function].remove(container)
        self.invariants.invoked(sender, answer, error)
        if sender.killed or error is not None:
            raise FunctionFailed(error)
        return answer

    def _container(self, function: str) -> Container:
        """Return a free container of a function, warm if there is one."""
        pool = self._containers.setdefault(function, [])
        now = self.scheduler.now
        free = [each for each in pool if not each.busy and now - each.used_at < WARM]
        if free and self.chance.random() < 0.9:
            return self.chance.choice(free)
        described = self.stack.functions[function]
        module = described.handler.partition(".")[0]
        number = len(pool) + 1
        container = Container(
            function,
            number,
            self.layer.function(module, described.environment, Aws(self)),
            self.chance.uniform(-self.setting.skew, self.setting.skew),
            described.timeout,
        )
        pool.append(container)
        return container

    def http(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        route: str | None = None,
        bearer: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request through API Gateway; the answer may be lost on the way."""
        found = self._routes[route or f"{method} {path}"]
        event = _event(
            found.key, path, body, bearer=bearer, query=query or {}, headers=headers or {}
        )
        if "{" in found.path:
            event["pathParameters"] = {"id": path.rpartition("/")[2]}
        answer = self._through_gateway(found.function, found.authorizer, event)
        if self.fault("internet", found.key):
            return Answer(0)
        return answer

    def push(
        self, body: Mapping[str, str], query: Mapping[str, str], message: Mapping[str, Any]
    ) -> bool:
        """Send a push of WeChat's, and return whether it was answered; `message` is its content."""
        event = _event("POST /wechat/events", "/wechat/events", dict(body), query=query, headers={})
        event["simulation"] = message
        answer = self._through_gateway("ReceiveEvent", None, event)
        return answer.status == OK

    def _through_gateway(
        self, function: str, authorizer: str | None, event: dict[str, Any]
    ) -> Answer:
        try:
            if authorizer is not None:
                allowed = self.invoke(self.stack.authorizers[authorizer].function, event)
                if not allowed["isAuthorized"]:
                    return Answer(403, {"message": "Forbidden"})
                event["requestContext"]["authorizer"] = {"lambda": allowed["context"]}
            made = self.invoke(function, event)
        except FunctionFailed:
            return Answer(500, {"message": "Internal Server Error"})
        text, headers = made["body"], made["headers"]
        is_json = headers["content-type"].startswith("application/json")
        retry_after = headers.get("retry-after")
        return Answer(
            made["statusCode"],
            json.loads(text) if is_json else text,
            int(retry_after) if retry_after else None,
        )


@cache
def stack(parameters: tuple[tuple[str, str], ...]) -> Stack:
    """Return the template with these parameters."""
    return read_stack({"Stage": "test", "WeChatAppId": APPIDS[0], **dict(parameters)})


class _LambdaContext:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class _NoConnection(Exception):
    """What urllib3 gives to requests if nobody listens."""

    reason = NewConnectionError(None, "refused")


class WeChatResponse:
    """What the layer's transport uses of `requests.Response`."""

    def __init__(self, answer: WeChatAnswer) -> None:
        self.status_code = answer.status
        self.raw = self
        self._body = answer.body

    def read(self, _most: int, *, decode_content: bool) -> bytes:
        """Return the body."""
        return self._body if decode_content else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no connection."""


def _event(
    route: str,
    path: str,
    body: object,
    *,
    bearer: str | None = None,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> dict[str, Any]:
    """Return an event of API Gateway's payload 2.0."""
    sent = {"host": DOMAIN, **headers}
    if bearer is not None:
        sent["authorization"] = f"Bearer {bearer}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": sent,
        "queryStringParameters": dict(query),
        "requestContext": {
            "domainName": DOMAIN,
            "requestId": "request",
            "http": {"sourceIp": "203.0.113.9"},
        },
    }
    if body is not None:
        sent["content-type"] = "application/json"
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event
