"""Reads template.yaml as CloudFormation does, so that no other list of resources is needed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.cloudformation import (
    FUNCTION,
    QUEUE,
    TABLE,
    Values,
    load_template,
    parameter_values,
    text_of,
)
from stack.errors import BrokenTemplate

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"

_API = "AWS::Serverless::HttpApi"
_LAYER = "AWS::Serverless::LayerVersion"
_CORS = "x-amazon-apigateway-cors"

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Schedule:
    logical_id: str
    seconds: int
    event: object | None  # the event's own Input, instead of the default event


@dataclass(frozen=True, slots=True)
class Function:
    logical_id: str
    name: str
    arn: str
    handler: str  # "login.handler"
    description: str
    environment: Mapping[str, str]
    timeout: int  # seconds
    memory: int  # MB
    schedules: tuple[Schedule, ...]
    stream_prefix: str | None = None  # of the keys of new items that invoke it; None: none do


@dataclass(frozen=True, slots=True)
class Route:
    method: str  # "POST" or "ANY"
    path: str  # "/login", "/things/{id}", "/{proxy+}" or "$default"
    function: str  # logical id
    authorizer: str | None = None

    @property
    def key(self) -> str:
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A Lambda authorizer with simple responses: payload 2.0, `{"isAuthorized": …}`."""

    name: str
    function: str  # logical id
    identity_headers: tuple[str, ...]  # lower case
    reuse_seconds: int


@dataclass(frozen=True, slots=True)
class Cors:
    """The CORS rules: the origins, methods and headers that browsers may use."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    max_age: int  # seconds that a browser may cache the preflight


@dataclass(frozen=True, slots=True)
class Table:
    logical_id: str
    name: str
    definition: Mapping[str, Any]  # for boto3's create_table
    expiry_attribute: str | None


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    parameters: Mapping[str, str]
    functions: Mapping[str, Function]
    routes: tuple[Route, ...]
    authorizers: Mapping[str, Authorizer]
    tables: tuple[Table, ...]
    code_paths: tuple[Path, ...]  # Lambda's /var/task and /opt/python
    cors: Cors | None = None
    queues: tuple[str, ...] = ()  # their names


def read_stack(overrides: Mapping[str, str] | None = None, template: Path = TEMPLATE) -> Stack:
    """Read the template with these parameters set.

    Raises `BadParameter`: an override is unknown or not allowed, or a parameter has no value.
    Raises `BrokenTemplate`: the template is invalid, or uses a feature that is not supported here.
    """
    document = load_template(template)
    try:
        parameters = parameter_values(document.get("Parameters", {}), overrides or {})
        return _Reader(document, parameters, template.parent).stack()
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        # For any other fault, report the place in the template instead of a traceback.
        raise BrokenTemplate(f"{template.name}: {type(fault).__name__}: {fault}") from fault


class _Reader:
    def __init__(
        self, document: Mapping[str, Any], parameters: Mapping[str, str], folder: Path
    ) -> None:
        self._values = Values(document, parameters)
        self._parameters = parameters
        self._folder = folder
        self._globals: Mapping[str, Any] = document.get("Globals", {})
        self._resources = {
            logical_id: resource
            for logical_id, resource in document["Resources"].items()
            if self._values.exists(resource)
        }

    def stack(self) -> Stack:
        authorizers = dict(self._authorizers())
        return Stack(
            name=self._values.stack_name,
            parameters=self._parameters,
            functions={each: self._function(each) for each, _ in self._of_type(FUNCTION)},
            routes=tuple(self._routes(authorizers)),
            authorizers=authorizers,
            tables=tuple(self._table(each, own) for each, own in self._of_type(TABLE)),
            code_paths=tuple(dict.fromkeys(self._code_paths())),
            cors=self._cors(),
            queues=tuple(self._values.name(each) for each, _ in self._of_type(QUEUE)),
        )

    def _of_type(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        shared = self._globals.get(kind.rpartition("::")[2], {})
        for logical_id, resource in self._resources.items():
            if resource["Type"] == kind:
                yield logical_id, {**shared, **resource.get("Properties", {})}

    def _function(self, logical_id: str) -> Function:
        own = dict(self._of_type(FUNCTION))[logical_id]
        if "Handler" not in own:
            raise BrokenTemplate(f"the function {logical_id} has no Handler")
        return Function(
            logical_id=logical_id,
            name=self._values.name(logical_id),
            arn=self._values.arn(logical_id),
            handler=self._values.resolve(own["Handler"]),
            description=text_of(self._values.resolve(own.get("Description", ""))),
            environment=self._environment(logical_id),
            timeout=int(self._values.resolve(own.get("Timeout", 3))),
            memory=int(self._values.resolve(own.get("MemorySize", 128))),
            schedules=tuple(self._schedules(own)),
            stream_prefix=self._stream_prefix(own),
        )

    def _environment(self, logical_id: str) -> dict[str, str]:
        own = self._resources[logical_id].get("Properties", {})
        variables: dict[str, Any] = {}
        for level in (self._globals.get("Function", {}), own):
            variables |= level.get("Environment", {}).get("Variables", {})
        return {name: text_of(value) for name, value in self._values.resolve(variables).items()}

    def _schedules(self, function: Mapping[str, Any]) -> Iterator[Schedule]:
        for name, event in function.get("Events", {}).items():
            if event["Type"] not in ("Schedule", "ScheduleV2"):
                continue
            own = self._values.resolve(event["Properties"])
            if own.get("State") == "DISABLED" or own.get("Enabled") is False:
                continue
            rate = own.get("ScheduleExpression") or own["Schedule"]
            seconds = _rate_seconds(rate)
            yield Schedule(name, seconds, yaml.safe_load(own["Input"]) if "Input" in own else None)

    def _stream_prefix(self, function: Mapping[str, Any]) -> str | None:
        for event in function.get("Events", {}).values():
            if event["Type"] == "DynamoDB":
                (only,) = event["Properties"]["FilterCriteria"]["Filters"]
                pattern = json.loads(only["Pattern"])
                (prefix,) = pattern["dynamodb"]["Keys"]["pk"]["S"]
                if pattern["eventName"] != ["INSERT"]:
                    raise BrokenTemplate("the local run supports streams of new items only")
                return str(prefix["prefix"])
        return None

    def _routes(self, authorizers: Mapping[str, Authorizer]) -> Iterator[Route]:
        default = next((self._auth(own).get("DefaultAuthorizer") for own in self._apis()), None)
        for logical_id, function in self._of_type(FUNCTION):
            for event in function.get("Events", {}).values():
                if event["Type"] != "HttpApi":
                    continue
                own = self._values.resolve(event.get("Properties", {}))
                authorizer = own.get("Auth", {}).get("Authorizer", default)
                if authorizer == "NONE":
                    authorizer = None
                if authorizer is not None and authorizer not in authorizers:
                    raise BrokenTemplate(f"{logical_id} has the unknown authorizer {authorizer}")
                method = (
                    own.get("Method", "ANY")
                    .upper()
                    .replace("X-AMAZON-APIGATEWAY-ANY-METHOD", "ANY")
                )
                yield Route(method, own.get("Path", "$default"), logical_id, authorizer)

    def _apis(self) -> Iterator[dict[str, Any]]:
        return (own for _, own in self._of_type(_API))

    def _auth(self, api: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._values.resolve(api.get("Auth", {})))

    def _authorizers(self) -> Iterator[tuple[str, Authorizer]]:
        functions = {self._values.arn(each): each for each, _ in self._of_type(FUNCTION)}
        for api in self._apis():
            for name, own in self._auth(api).get("Authorizers", {}).items():
                if not own.get("EnableSimpleResponses") or own.get("FunctionArn") not in functions:
                    raise BrokenTemplate(
                        f"the authorizer {name} is not one of this template's functions with "
                        "EnableSimpleResponses, and the local run supports no other kind"
                    )
                identity = own.get("Identity", {})
                yield (
                    name,
                    Authorizer(
                        name=name,
                        function=functions[own["FunctionArn"]],
                        identity_headers=tuple(
                            each.lower() for each in identity.get("Headers", [])
                        ),
                        reuse_seconds=int(identity.get("ReauthorizeEvery", 0)),
                    ),
                )

    def _cors(self) -> Cors | None:
        definitions = (self._values.resolve(own.get("DefinitionBody", {})) for own in self._apis())
        own = next((each[_CORS] for each in definitions if _CORS in each), None)
        if own is None:
            return None
        if own.keys() != {"allowOrigins", "allowMethods", "allowHeaders", "maxAge"}:
            raise BrokenTemplate(
                f"{_CORS} has {', '.join(own)}, and the local run supports only allowOrigins, "
                "allowMethods, allowHeaders and maxAge"
            )
        return Cors(
            origins=tuple(own["allowOrigins"]),
            methods=tuple(own["allowMethods"]),
            headers=tuple(own["allowHeaders"]),
            max_age=int(own["maxAge"]),
        )

    def _table(self, logical_id: str, own: Mapping[str, Any]) -> Table:
        own = self._values.resolve(own)
        keys = (
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes",
            "LocalSecondaryIndexes",
        )
        name = self._values.name(logical_id)
        definition = {key: own[key] for key in keys if key in own}
        if stream := own.get("StreamSpecification"):
            definition["StreamSpecification"] = {"StreamEnabled": True, **stream}
        expiry = own.get("TimeToLiveSpecification", {})
        return Table(
            logical_id=logical_id,
            name=name,
            definition={"TableName": name, "BillingMode": "PAY_PER_REQUEST", **definition},
            expiry_attribute=expiry["AttributeName"] if expiry.get("Enabled") else None,
        )

    def _code_paths(self) -> Iterator[Path]:
        for kind, key in ((FUNCTION, "CodeUri"), (_LAYER, "ContentUri")):
            for logical_id, own in self._of_type(kind):
                path = (self._folder / str(self._values.resolve(own.get(key, ".")))).resolve()
                if not path.is_dir():
                    raise BrokenTemplate(f"the {key} of {logical_id} is no folder: {own.get(key)}")
                yield path


def _rate_seconds(expression: str) -> int:
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if not match:
        raise BrokenTemplate(f"the local run supports rate(…), not {expression}")
    return int(match[1]) * _SECONDS[match[2]]
