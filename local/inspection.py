"""The browser demo: its files, and its access to the backend. Never deployed."""

import json
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from local.errors import NoSuchFunction
from local.functions import FunctionError, Functions
from local.gateway import Gateway
from local.http_server import Request, Response
from local.subscriber import Subscriber
from stack.template import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

# The visible attributes of an item, besides its times; all others are treated as secret.
OPEN_ATTRIBUTES = frozenset(
    {"userId", "unionid", "nickname", "avatarUrl", "linked", "revision", "since"}
)
TIMES = ("At", "Until")
# In these keys the last part is derived from a secret: a keyed hash, or a blind index.
SECRET_KEYS = ("ATTEMPTS#", "BLOCK#", "PHONE#")
# Maps whose keys are hashes of secrets: of sessions, and of phone codes.
SECRET_MAPS = ("sessions", "proofs")
SHOWN = 6
# The demo's phone sends the Referer of WeChat's app in this header.
REFERER_OF_WECHAT = "wechat-referer"
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
INVOKE = re.compile(r"/2015-03-31/functions/(\w+)/invocations")


@dataclass(frozen=True, slots=True)
class Inspected:
    """A gateway with the demo: its files by path, and a few routes under /local/.

    It also answers Lambda's Invoke, so that `make user STAGE=local` works as with AWS.
    """

    gateway: Gateway
    stack: Stack
    dynamodb: "DynamoDBClient"
    pages: Mapping[str, Path]
    functions: Functions
    subscriber: Subscriber | None = None  # None: no events are published

    def answer(self, request: Request) -> Response:
        """Answer the demo's own requests, and pass all others to the gateway."""
        if request.path in self.pages and request.method in ("GET", "HEAD"):
            return _file(self.pages[request.path])
        look = _LOOKS.get((request.method, request.path))
        invoked = INVOKE.fullmatch(request.path) if request.method == "POST" else None
        if look is None and invoked is None:
            return self.gateway.answer(_with_referer_of_wechat(request))
        if _is_of_another_page(request):
            return _json(403, {"error": "Only the demo's own page may do this."})
        if invoked:
            return self._invoke(invoked[1], request)
        return _json(200, look(self) if look else None)

    def _invoke(self, function: str, request: Request) -> Response:
        try:
            return _json(200, self.functions.invoke(function, json.loads(request.body or b"{}")))
        except NoSuchFunction as missing:
            return _json(404, {"Type": "User", "Message": str(missing)})
        except FunctionError as failed:
            answer = _json(200, {"errorMessage": str(failed.__cause__)})
            return replace(answer, headers=(*answer.headers, ("x-amz-function-error", "Unhandled")))

    def info(self) -> Mapping[str, object]:
        """Return the simulated WeChat's address, the AppID, and whether there are events."""
        parameters = self.stack.parameters
        return {
            "appid": parameters["WeChatAppId"],
            "wechat": parameters["WeChatUrl"],
            "events": parameters["Events"] == "true",
        }

    def table(self) -> Mapping[str, object]:
        """Return the table's items, without secrets."""
        (table,) = self.stack.tables
        return {"name": table.name, "items": masked_items(self.dynamodb, table.name)}

    def events(self) -> Mapping[str, object]:
        """Return the last events about users as EventBridge delivered them, oldest first."""
        return {"events": self.subscriber.events() if self.subscriber else []}

    def expire_sessions(self) -> Mapping[str, object]:
        """Expire all sessions, as if their days had passed."""
        (table,) = self.stack.tables
        return {"expired": expire_sessions(self.dynamodb, table.name)}


_LOOKS: Mapping[tuple[str, str], Callable[[Inspected], object]] = {
    ("GET", "/local/info"): Inspected.info,
    ("GET", "/local/events"): Inspected.events,
    ("GET", "/local/table"): Inspected.table,
    ("POST", "/local/expire-sessions"): Inspected.expire_sessions,
}


def _is_of_another_page(request: Request) -> bool:
    """Return whether a page of another origin sent this request."""
    origin, host = request.header("origin"), request.header("host")
    return request.header("sec-fetch-site") in ("cross-site", "same-site") or (
        origin is not None and origin != f"http://{host}"
    )


def _with_referer_of_wechat(request: Request) -> Request:
    """Return the request with the Referer of WeChat's app, which a browser page cannot set."""
    referer = request.header(REFERER_OF_WECHAT)
    if referer is None:
        return request
    replaced = ("referer", REFERER_OF_WECHAT)
    others = tuple(each for each in request.headers if each[0].lower() not in replaced)
    return replace(request, headers=(*others, ("referer", referer)))


def masked_items(dynamodb: "DynamoDBClient", table: str) -> list[Item]:
    """Read the whole table, ordered by key, with every secret shortened."""
    masked = [_masked(item) for item in _items(dynamodb, table)]
    return sorted(masked, key=lambda item: (item["pk"], item["sk"]))


def expire_sessions(dynamodb: "DynamoDBClient", table: str) -> int:
    """Set the last use of every session to 1970, and return their number."""
    found = [(item, sid) for item in _items(dynamodb, table) for sid in item.get("sessions", {})]
    for item, sid in found:
        dynamodb.update_item(
            TableName=table,
            Key={name: {"S": item[name]} for name in ("pk", "sk")},
            UpdateExpression="SET sessions.#sid.usedAt = :never",
            ConditionExpression="attribute_exists(sessions.#sid)",
            ExpressionAttributeNames={"#sid": sid},
            ExpressionAttributeValues={":never": {"N": "0"}},
        )
    return len(found)


def _items(dynamodb: "DynamoDBClient", table: str) -> Iterator[Item]:
    deserialize = TypeDeserializer().deserialize
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            yield {name: deserialize(value) for name, value in item.items()}


def _masked(item: Item) -> Item:
    return {
        name: _masked_key(value) if name in {"pk", "sk"} else _masked_value(name, value)
        for name, value in item.items()
    }


def _masked_key(key: str) -> str:
    if not key.startswith(SECRET_KEYS):
        return key
    named, separator, secret = key.rpartition("#")
    return named + separator + _cut(secret)


def _masked_value(name: str, value: Any) -> object:
    if name == "owners":
        return sorted(value)
    if name in SECRET_MAPS:
        return {_cut(key): _plain(each) for key, each in value.items()}
    if name not in OPEN_ATTRIBUTES and not name.endswith(TIMES):
        return _cut(str(value))
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return int(value) if isinstance(value, Decimal) else value


def _cut(secret: str) -> str:
    return f"{secret[:SHOWN]}…"


def _file(file: Path) -> Response:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    text = "; charset=utf-8" if kind.startswith("text/") else ""
    return Response(200, (("content-type", kind + text),), file.read_bytes())


def _json(status: int, fields: object) -> Response:
    body = json.dumps(fields, ensure_ascii=False).encode()
    return Response(status, (("content-type", "application/json"),), body)
