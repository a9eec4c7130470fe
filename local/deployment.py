"""Deploys a stack into this process: tables, parameters, environment, handlers, HTTP API."""

import contextlib
import importlib
import json
import os
import secrets
import string
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from local.functions import Functions
from local.gateway import Gateway
from local.http_server import HttpServer, Report
from local.inspection import Inspected
from local.schedules import Schedules
from local.streams import Streams
from local.subscriber import Subscriber
from stack.cloudformation import REGION
from stack.errors import BrokenTemplate
from stack.template import Stack, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ssm import SSMClient


DEFAULT_BUS = "default"  # every account has this one


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack that runs in this process, with its addresses and resources."""

    url: str
    stack: Stack
    parameters: Mapping[str, str]  # "app-secrets" -> its value in SSM
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    _functions: Functions
    _schedules: Schedules
    _streams: Streams

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function by its logical id or its module, without the gateway.

        Raises `NoSuchFunction`, or `FunctionError` when the handler fails.
        """
        return self._functions.invoke(function, event)

    def start_schedules(self) -> None:
        """Invoke the scheduled functions now, in the background, and then at their rate.

        Functions that read the table's stream are invoked from now on, too.
        """
        self._schedules.start()
        self._streams.start()


@contextlib.contextmanager
def deployed(
    stack: Stack,
    aws_url: str,
    app_secrets: Mapping[str, str],
    *,
    port: int = 0,
    pages: Mapping[str, Path] | None = None,
    report: Report | None = None,
    access_key: str = "local",
) -> Iterator[Deployment]:
    """Run the stack until the end of the block; `start_schedules` starts the schedules.

    With `pages`, files by path, the demo is served beside the API and may read the table.
    In ministack an `access_key` of 12 digits is an account, separate from other accounts.

    Raises `OSError`: the port is taken.
    Raises `BrokenTemplate`: a handler cannot be loaded, or two functions disagree on a variable.
    """
    with (
        _environment({**environment_of(stack), **aws_environment(aws_url, access_key)}),
        _search_path(stack.code_paths),
        _fresh_wiring(),
    ):
        # Not boto3's default session, which keeps the credentials of the previous deployment.
        session = boto3.Session()
        dynamodb, ssm = session.client("dynamodb"), session.client("ssm")
        for table in stack.tables:
            _make_table(dynamodb, table)
        _make_queues_and_bus(session, stack)
        parameters = _make_parameters(ssm, app_secrets)
        functions = Functions(stack.functions.values())
        schedules = Schedules(stack.functions, functions)
        streams = Streams(stack, functions, session, dynamodb)
        gateway = Gateway(stack, functions)
        application = (
            gateway
            if pages is None
            else Inspected(gateway, stack, dynamodb, pages, functions, _subscriber(session, stack))
        )
        server = HttpServer(application, port, report)
        server.start()
        try:
            yield Deployment(
                server.url, stack, parameters, dynamodb, ssm, functions, schedules, streams
            )
        finally:
            streams.stop()
            schedules.stop()
            server.stop()


def environment_of(stack: Stack) -> dict[str, str]:
    """Merge the functions' environments: in this process all functions share one.

    Raises `BrokenTemplate`: two functions give one variable different values.
    """
    union: dict[str, str] = {}
    for function in stack.functions.values():
        for name, value in function.environment.items():
            if union.setdefault(name, value) != value:
                raise BrokenTemplate(
                    f"{function.logical_id} sets {name} to '{value}' and another function to "
                    f"'{union[name]}', but here all functions share one environment"
                )
    return union


def aws_environment(aws_url: str, access_key: str) -> dict[str, str]:
    """Return the variables that direct every AWS client to an emulator, and only there."""
    return {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A developer's own profile could name a real endpoint, or make boto3 ignore ours.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _search_path(folders: Sequence[Path]) -> Iterator[None]:
    before = sys.path.copy()
    sys.path[:0] = [str(folder) for folder in folders]
    try:
        yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def _fresh_wiring() -> Iterator[None]:
    # The layer can be imported only after it is on the path.
    reset: Callable[[], None] = importlib.import_module("wechat_login.wiring").reset
    reset()
    try:
        yield
    finally:
        reset()


def _make_table(dynamodb: "DynamoDBClient", table: Table) -> None:
    try:
        dynamodb.create_table(**table.definition)
    except dynamodb.exceptions.ResourceInUseException:
        _set_stream(dynamodb, table)
        return
    if table.expiry_attribute:
        dynamodb.update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": table.expiry_attribute},
        )


def _make_queues_and_bus(session: boto3.Session, stack: Stack) -> None:
    make: Any = session.client  # its stubs know only the services that the layer uses
    for queue in stack.queues:
        make("sqs").create_queue(QueueName=queue)
    bus = stack.parameters.get("EventBusName", DEFAULT_BUS)
    if bus != DEFAULT_BUS:
        events = make("events")
        with contextlib.suppress(events.exceptions.ResourceAlreadyExistsException):
            events.create_event_bus(Name=bus)


def _subscriber(session: boto3.Session, stack: Stack) -> Subscriber | None:
    """Return who receives the events for the demo, if there are any."""
    if stack.parameters.get("Events") != "true":
        return None
    return Subscriber(session, f"{stack.name}-demo", stack.parameters["EventBusName"])


def _set_stream(dynamodb: "DynamoDBClient", table: Table) -> None:
    """Give a table of an earlier run the stream that the template now has, or none."""
    wanted: Any = table.definition.get("StreamSpecification", {"StreamEnabled": False})
    has = dynamodb.describe_table(TableName=table.name)["Table"].get("StreamSpecification", {})
    if has.get("StreamEnabled", False) != wanted["StreamEnabled"]:
        dynamodb.update_table(TableName=table.name, StreamSpecification=wanted)


def _make_parameters(ssm: "SSMClient", app_secrets: Mapping[str, str]) -> dict[str, str]:
    """Put what is missing of the secrets that the functions name, and return what is there."""
    from wechat_login.settings import PARAMETERS  # noqa: PLC0415 - see _fresh_wiring

    names = {
        ours: os.environ[variable]
        for variable, ours in PARAMETERS.items()
        if variable in os.environ
    }
    names.pop("access-token", None)  # a folder
    former = names.get("app-secrets", "").removesuffix("s")
    answer = ssm.get_parameters(Names=[*names.values(), former], WithDecryption=True)
    found = {each["Name"]: each["Value"] for each in answer["Parameters"]}
    if former in found:
        # From before there were several mini programs.
        app_secrets = {**app_secrets, os.environ["WECHAT_APPID"]: found[former]}
    kept = {ours: found[name] for ours, name in names.items() if name in found}
    missing = [ours for ours in names if ours not in kept]
    made = {
        ours: value for ours, value in _new_secrets(app_secrets, missing).items() if ours in names
    }
    for ours, value in made.items():
        ssm.put_parameter(Name=names[ours], Value=value, Type="SecureString", Overwrite=True)
    return kept | made


def _new_secrets(app_secrets: Mapping[str, str], missing: Sequence[str]) -> dict[str, str]:
    from wechat_login.storage.sealing import new_keyring  # noqa: PLC0415 - see _fresh_wiring

    made: dict[str, str] = {}
    if "app-secrets" in missing:
        made["app-secrets"] = json.dumps(dict(app_secrets))
    if "signing-keys" in missing or "public-keys" in missing:
        # One key of the pair is useless without the other.
        made["signing-keys"], made["public-keys"] = _signing_keys()
    if "sealing-key" in missing:
        made["sealing-key"] = new_keyring()
    if "event-token" in missing:
        made["event-token"] = _random_text(32)
    if "event-aes-key" in missing:
        made["event-aes-key"] = _random_text(43)
    return made


@cache
def _signing_keys() -> tuple[str, str]:
    # One pair for all deployments of a test run: making a pair takes up to seconds.
    from wechat_login.tokens.signing_keys import new_signing_keys  # noqa: PLC0415 - the same

    return new_signing_keys(time.time())


def _random_text(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
