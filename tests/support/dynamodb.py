"""A strict DynamoDB table in memory: each call is one moment, and every rule that we know holds.

It answers as botocore's client does, with the same errors. Values are kept as plain Python: `str`,
`int`, a `frozenset` of strings, `bool` or a dictionary. tests/simulation/test_honesty.py compares
it with another implementation.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.support import expressions
from tests.support.expressions import Given, Invalid, Item

Key = tuple[str, str]
# Called after each write with the items before and after it: None is absent.
Observer = Callable[[Mapping[Key, Item | None], Mapping[Key, Item | None]], None]

LARGEST_ITEM = 400 * 1024
MOST_ACTIONS = 100
TOKEN_SECONDS = 600
READ_UNIT = 4096
KNOWN = {
    "GetItem": {"TableName", "Key", "ConsistentRead"},
    "PutItem": {"TableName", "Item"},
    "UpdateItem": {"TableName", "Key", "UpdateExpression", "ReturnValues"},
    "DeleteItem": {"TableName", "Key"},
    "ConditionCheck": {"TableName", "Key"},
    "Scan": {
        "TableName",
        "ConsistentRead",
        "Limit",
        "FilterExpression",
        "ReturnConsumedCapacity",
        "ExclusiveStartKey",
    },
}
CONDITIONAL = {
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
}


class Refused(Exception):
    """A condition does not hold; `item` is the stored item, if the request asks for it."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


@dataclass
class DynamoDB:
    """One table; `observe` sees each write, `now` is for the life of idempotency tokens."""

    table: str
    now: Callable[[], float]
    observe: Observer = lambda _before, _after: None
    items: dict[Key, Item] = field(default_factory=dict)
    _tokens: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def act(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a call, and return DynamoDB's answer. Raises `ClientError`."""
        try:
            if operation == "TransactWriteItems":
                return self._transact(request)
            if operation == "GetItem":
                return self._get(request)
            if operation == "Scan":
                return self._scan(request)
            return self._write_one(operation, request)
        except Invalid as reason:
            raise error(operation, "ValidationException", message=str(reason)) from None

    def _get(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check_names("GetItem", request)
        item = self.items.get(_key(request["Key"]))
        return {} if item is None else {"Item": typed(item)}

    def _scan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check_names("Scan", request, CONDITIONAL)
        given, wanted = _given(request), _filter(request)
        _check_used(given, wanted[1] if wanted else set())
        start = request.get("ExclusiveStartKey")
        after = _key(start) if start else None
        keys = sorted(self.items)
        rest = keys if after is None else [key for key in keys if key > after]
        page = rest[: request.get("Limit")]
        found = [
            typed(self.items[key])
            for key in page
            if wanted is None or wanted[0](self.items[key], given)
        ]
        looked_at = sum(size(self.items[key]) for key in page)
        answer: dict[str, Any] = {
            "Items": found,
            "ConsumedCapacity": {"CapacityUnits": 0.5 * (1 + looked_at // READ_UNIT)},
        }
        if len(page) == request.get("Limit"):
            answer["LastEvaluatedKey"] = typed(dict(zip(("pk", "sk"), page[-1], strict=True)))
        return answer

    def _write_one(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        key = self._target(operation, request)
        try:
            after = self._after(operation, key, request)
        except Refused as refused:
            found: dict[str, Any] = {"Item": typed(refused.item)} if refused.item else {}
            raise error(operation, "ConditionalCheckFailedException", **found) from None
        self._commit({key: after})
        if request.get("ReturnValues") == "ALL_NEW":
            return {"Attributes": typed(after or {})}
        return {}

    def _transact(self, request: Mapping[str, Any]) -> dict[str, Any]:
        actions = [next(iter(action.items())) for action in request["TransactItems"]]
        token = request.get("ClientRequestToken")
        if token and self._tokens.get(token, (0, None))[0] > self.now():
            if self._tokens[token][1] != request["TransactItems"]:
                raise error("TransactWriteItems", "IdempotentParameterMismatchException")
            return {}
        operations = [name if name == "ConditionCheck" else f"{name}Item" for name, _ in actions]
        requests = [each for _, each in actions]
        keys = [self._target(name, each) for name, each in zip(operations, requests, strict=True)]
        if not 1 <= len(actions) <= MOST_ACTIONS:
            raise Invalid("A transaction has 1 to 100 actions")
        if len(set(keys)) < len(keys):
            raise Invalid("Transaction request cannot include multiple operations on one item")
        changes: dict[Key, Item | None] = {}
        reasons: list[dict[str, Any]] = []
        for name, key, each in zip(operations, keys, requests, strict=True):
            try:
                after = self._after(name, key, each)
            except Refused as refused:
                found = {"Item": typed(refused.item)} if refused.item else {}
                reasons.append({"Code": "ConditionalCheckFailed", **found})
                continue
            reasons.append({"Code": "None"})
            if name != "ConditionCheck":
                changes[key] = after
        if any(reason["Code"] != "None" for reason in reasons):
            raise error(
                "TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons
            )
        self._commit(changes)
        if token:
            self._tokens[token] = self.now() + TOKEN_SECONDS, request["TransactItems"]
        return {}

    def _after(self, operation: str, key: Key, request: Mapping[str, Any]) -> Item | None:
        """Return the item as a write leaves it. Raises `Refused`, `Invalid`."""
        given, used = _given(request), set[str]()
        before = self.items.get(key)
        change: expressions.Update | None = None
        if "UpdateExpression" in request:
            change, mentioned = expressions.update(request["UpdateExpression"])
            used |= mentioned
        holds: expressions.Condition | None = None
        if "ConditionExpression" in request:
            holds, mentioned = expressions.condition(request["ConditionExpression"])
            used |= mentioned
        _check_used(given, used)
        if holds is not None and not holds(before or {}, given):
            asked = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise Refused(before if asked else None)
        if operation == "PutItem":
            return _checked(untyped(request["Item"]))
        if operation == "UpdateItem":
            start = before or dict(zip(("pk", "sk"), key, strict=True))
            after = start if change is None else change.apply(start, given)
            if (after["pk"], after["sk"]) != key:
                raise Invalid("Cannot update attribute pk. This attribute is part of the key")
            return _checked(after)
        return before if operation == "ConditionCheck" else None

    def _target(self, operation: str, request: Mapping[str, Any]) -> Key:
        self._check_names(operation, request, CONDITIONAL)
        return _key(request["Item"] if operation == "PutItem" else request["Key"], operation)

    def _check_names(
        self,
        operation: str,
        request: Mapping[str, Any],
        more: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        unknown = request.keys() - KNOWN[operation] - more
        if unknown:
            raise expressions.UnknownSyntax(f"{operation} with {', '.join(sorted(unknown))}")
        if request["TableName"] != self.table:
            raise error(operation, "ResourceNotFoundException")

    def _commit(self, changes: Mapping[Key, Item | None]) -> None:
        before = {key: self.items.get(key) for key in changes}
        for key, item in changes.items():
            if item is None:
                self.items.pop(key, None)
            else:
                self.items[key] = item
        self.observe(before, changes)


class Operations(ABC):
    """The operations that the layer uses, as methods of botocore's client."""

    @abstractmethod
    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call, and return its answer. Raises `ClientError`."""

    def get_item(self, **request: Any) -> dict[str, Any]:
        return self._call("GetItem", request)

    def put_item(self, **request: Any) -> dict[str, Any]:
        return self._call("PutItem", request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        return self._call("UpdateItem", request)

    def delete_item(self, **request: Any) -> dict[str, Any]:
        return self._call("DeleteItem", request)

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        return self._call("TransactWriteItems", request)

    def scan(self, **request: Any) -> dict[str, Any]:
        return self._call("Scan", request)


class Client(Operations):
    """A client of an empty table, in the same process, for any thread."""

    def __init__(self, table: str) -> None:
        self._table = DynamoDB(table, time.time)
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.calls.append(operation)
            return self._table.act(operation, request)


def error(operation: str, code: str, message: str = "", **more: Any) -> ClientError:
    """Return the error that botocore raises for an answer with this code."""
    response: Any = {"Error": {"Code": code, "Message": message or code}, **more}
    return ClientError(response, operation)


def typed(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item in DynamoDB's JSON."""
    return {name: _typed(value) for name, value in item.items()}


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case frozenset():
            return {"SS": sorted(value)}
        case dict():
            return {"M": typed(value)}
    raise expressions.UnknownSyntax(type(value).__name__)


def untyped(item: Mapping[str, Any]) -> Item:
    """Read an item of DynamoDB's JSON. Raises `Invalid` for a value that DynamoDB rejects."""
    return {name: _untyped(value) for name, value in item.items()}


def _untyped(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return str(content)
        case "N":
            return int(content)
        case "BOOL":
            return bool(content)
        case "SS":
            if not content or len(set(content)) < len(content):
                raise Invalid("A set is empty, or has a value twice")
            return frozenset(content)
        case "M":
            return untyped(content)
    raise expressions.UnknownSyntax(kind)


def size(item: Mapping[str, Any]) -> int:
    """Return about the bytes that DynamoDB counts for an item."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case frozenset():
            return sum(len(each.encode()) for each in value)
        case dict():
            return 3 + len(value) + size(value)
    return 8


def _checked(item: Item) -> Item:
    if size(item) > LARGEST_ITEM:
        raise Invalid("Item size has exceeded the maximum allowed size")
    return item


def _key(raw: Mapping[str, Any], operation: str = "GetItem") -> Key:
    names = {"pk", "sk"} if operation == "PutItem" else set(raw)
    if names != {"pk", "sk"}:
        raise Invalid("The provided key element does not match the schema")
    pk, sk = (raw.get(name, {}).get("S") for name in ("pk", "sk"))
    if not pk or not sk:
        raise Invalid("A key is missing, empty or no text")
    return pk, sk


def _filter(
    request: Mapping[str, Any],
) -> tuple[expressions.Condition, set[str] | frozenset[str]] | None:
    text = request.get("FilterExpression")
    return expressions.condition(text) if text else None


def _given(request: Mapping[str, Any]) -> Given:
    names = request.get("ExpressionAttributeNames", {})
    return Given(names, untyped(request.get("ExpressionAttributeValues", {})))


def _check_used(given: Given, used: set[str] | frozenset[str]) -> None:
    placeholders = {*given.names, *given.values}
    if placeholders != used:
        raise Invalid(f"Unused or undefined placeholders: {sorted(placeholders ^ used)}")
