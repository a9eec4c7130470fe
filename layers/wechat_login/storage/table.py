"""The one DynamoDB table: items as plain dictionaries, writes that carry their conditions.

Keys, and what the items hold, are drawn in docs/how-login-works.md. An item's values are `str`,
`int` or a `frozenset` of strings.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wechat_login.errors import Misconfigured, StorageUnavailable
from wechat_login.storage import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Value = str | int | frozenset[str]
Item = dict[str, Any]
Key = tuple[str, str]

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
# A write is tried again only while so many seconds are left.
RESERVE = aws.LONGEST_CALL + 0.5
# Why a transaction was cancelled that may go through the next time. "None" is each write that was
# not the reason.
PASSING = {"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}


class ConditionFailed(Exception):
    """A write's condition did not hold, so nothing was written.

    `items` has one entry a write: what lay there if that write's condition failed, else None.
    """

    def __init__(self, items: Sequence[Item | None]) -> None:
        super().__init__()
        self.items = items


@dataclass(frozen=True, slots=True)
class Put:
    """Writes a whole item, if `condition` holds of what lies there."""

    item: Item = field(repr=False)
    condition: str = ""
    values: Mapping[str, Value] = field(default_factory=dict, repr=False)

    def request(self, table: str) -> dict[str, Any]:
        """Return the action in the words of PutItem and TransactWriteItems."""
        return _request(table, self, Item=_marshal(self.item))


@dataclass(frozen=True, slots=True)
class Update:
    """Changes an item by DynamoDB's update expression, if `condition` holds."""

    key: Key
    expression: str
    condition: str = ""
    values: Mapping[str, Value] = field(default_factory=dict, repr=False)

    def request(self, table: str) -> dict[str, Any]:
        """Return the action in the words of UpdateItem and TransactWriteItems."""
        return _request(table, self, Key=_key(self.key), UpdateExpression=self.expression)


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes an item, if `condition` holds."""

    key: Key
    condition: str = ""
    values: Mapping[str, Value] = field(default_factory=dict, repr=False)

    def request(self, table: str) -> dict[str, Any]:
        """Return the action in the words of DeleteItem and TransactWriteItems."""
        return _request(table, self, Key=_key(self.key))


Write = Put | Update | Delete


class Table:
    """Reads and writes items; `time_left` (seconds) bounds how long a conflict is tried again."""

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        time_left: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._name = name
        self._time_left = time_left
        self._sleep = sleep

    def get(self, key: Key) -> Item | None:
        """Return one item as it is now, or None."""
        answer = aws.call(
            self._client.get_item, TableName=self._name, Key=_key(key), ConsistentRead=True
        )
        return _unmarshal(answer["Item"]) if "Item" in answer else None

    def get_both(self, first: Key, second: Key) -> tuple[Item | None, Item | None]:
        """Return two items in one call, not as of one moment."""
        wanted: list[dict[str, Any]] = [_key(first), _key(second)]
        found: dict[Key, Item] = {}
        for pause in self._pauses():
            request: dict[str, Any] = {self._name: {"Keys": wanted, "ConsistentRead": True}}
            answer = aws.call(self._client.batch_get_item, RequestItems=request)
            for raw in answer["Responses"].get(self._name, []):
                item = _unmarshal(raw)
                found[item["pk"], item["sk"]] = item
            left: dict[str, Any] = dict(answer.get("UnprocessedKeys", {}))
            if not left:
                return found.get(first), found.get(second)
            wanted = left[self._name]["Keys"]
            self._sleep(pause)
        raise StorageUnavailable(operation="batch_get_item", aws="UnprocessedKeys")

    def query(self, pk: str, prefix: str = "") -> list[Item]:
        """Return all items under `pk` whose sort key starts with `prefix`, as they are now."""
        values: dict[str, Any] = {":pk": {"S": pk}}
        condition = "pk = :pk"
        if prefix:
            values[":prefix"] = {"S": prefix}
            condition += " AND begins_with(sk, :prefix)"
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        items: list[Item] = []
        while True:
            answer = aws.call(self._client.query, **request)
            items += [_unmarshal(raw) for raw in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return items
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, *writes: Write) -> None:
        """Make all writes or none. Raises `ConditionFailed`, `StorageUnavailable`, `Misconfigured`.

        One write is a plain request, several are a transaction. A conflict with somebody else's
        transaction is not a refusal: it is tried again while there is time.
        """
        why: list[str] = []
        for pause in self._pauses():
            try:
                return self._write_once(writes)
            except ClientError as failure:
                answer: dict[str, Any] = dict(failure.response)
            found, why = _refused(answer, len(writes)), _reasons(answer)
            if found is not None:
                raise ConditionFailed(found)
            if not PASSING.issuperset(why):
                raise Misconfigured(operation="write", aws=why)
            self._sleep(pause)
        raise StorageUnavailable(operation="write", aws=why)

    def _write_once(self, writes: Sequence[Write]) -> None:
        requests = [write.request(self._name) for write in writes]
        if len(writes) > 1:
            actions: list[Any] = [
                {type(write).__name__: request}
                for write, request in zip(writes, requests, strict=True)
            ]
            aws.call(self._client.transact_write_items, TransactItems=actions)
            return
        operations: dict[type[Write], Callable[..., Any]] = {
            Put: self._client.put_item,
            Update: self._client.update_item,
            Delete: self._client.delete_item,
        }
        aws.call(operations[type(writes[0])], **requests[0])

    def _pauses(self) -> Iterator[float]:
        """Yield growing pauses, jittered, for as long as another try fits into the time left."""
        pause = FIRST_PAUSE
        yield 0
        while self._time_left() > RESERVE + pause:
            # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            yield random.uniform(0, pause)  # noqa: S311 - spreads load, guards nothing
            pause = min(LONGEST_PAUSE, pause * 2)


def _refused(answer: Mapping[str, Any], writes: int) -> list[Item | None] | None:
    """Return what the failed conditions found, or None where none failed."""
    if answer["Error"]["Code"] == "ConditionalCheckFailedException":
        return [_unmarshal(answer.get("Item", {}))] * writes
    reasons = answer.get("CancellationReasons", [])
    if not any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
        return None
    return [
        _unmarshal(reason.get("Item", {})) if reason["Code"] == "ConditionalCheckFailed" else None
        for reason in reasons
    ]


def _reasons(answer: Mapping[str, Any]) -> list[str]:
    """Return why nothing was written: a code for each write, or one for all."""
    reasons = answer.get("CancellationReasons", [])
    return [reason["Code"] for reason in reasons] or ["TransactionConflict"]


def _request(table: str, write: Write, **request: Any) -> dict[str, Any]:
    request["TableName"] = table
    if write.condition:
        request["ConditionExpression"] = write.condition
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if write.values:
        request["ExpressionAttributeValues"] = _marshal(write.values)
    return request


def _key(key: Key) -> dict[str, Any]:
    return _marshal({"pk": key[0], "sk": key[1]})


def _marshal(item: Mapping[str, Value | None]) -> dict[str, Any]:
    return {name: _typed(value) for name, value in item.items() if value is not None}


def _typed(value: Value) -> dict[str, Any]:
    if isinstance(value, frozenset):
        return {"SS": sorted(value)}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _unmarshal(item: Mapping[str, Any]) -> Item:
    return {name: _untyped(value) for name, value in item.items()}


def _untyped(value: Mapping[str, Any]) -> Value:
    if "SS" in value:
        return frozenset(value["SS"])
    return int(value["N"]) if "N" in value else str(value["S"])
