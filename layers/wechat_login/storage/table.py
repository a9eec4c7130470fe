"""The one DynamoDB table: items as plain dictionaries, writes with conditions.

docs/how-login-works.md has the keys and contents of the items. An item's values are `str`, `int`,
a `frozenset` of strings, or a mapping of such values.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wechat_login.errors import Misconfigured, StorageUnavailable
from wechat_login.frozen import frozen
from wechat_login.storage import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Value = str | int | frozenset[str] | Mapping[str, "Value"]
Values = Mapping[str, Value]
Item = dict[str, Any]
Key = tuple[str, str]

NONE: Mapping[str, Any] = {}
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
# Cancellation codes worth retrying. "None" stands for each write that was not the reason.
RETRYABLE = {"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}


class ConditionFailed(Exception):
    """A write's condition did not hold, so nothing was written.

    `items` has one entry per write: the stored item if that write's condition failed, else None.
    """

    def __init__(self, items: Sequence[Item | None]) -> None:
        super().__init__()
        self.items = items


class Write:
    """A write of one item, made only if `condition` holds for the stored item.

    `values` and `names` are those of placeholders in its expressions, such as `:now` and `#sid`.
    """

    def __init__(
        self, condition: str, values: Values, names: Mapping[str, str], **request: Any
    ) -> None:
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if values:
            request["ExpressionAttributeValues"] = _marshal(values)
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        self.request = request


class Put(Write):
    """Writes a whole item."""

    def __init__(self, item: Item, condition: str = "", values: Values = NONE) -> None:
        super().__init__(condition, values, NONE, Item=_marshal(item))


class Update(Write):
    """Changes an item by an update expression."""

    def __init__(
        self,
        key: Key,
        expression: str,
        condition: str = "",
        values: Values = NONE,
        names: Mapping[str, str] = NONE,
    ) -> None:
        super().__init__(condition, values, names, Key=_key(key), UpdateExpression=expression)


class Delete(Write):
    """Removes an item."""

    def __init__(self, key: Key, condition: str = "", values: Values = NONE) -> None:
        super().__init__(condition, values, NONE, Key=_key(key))


class ConditionCheck(Delete):
    """Changes nothing; a transaction fails if the condition does not hold."""


@frozen
class Page:
    """A page of a scan, the key after which the next one begins, and its read units."""

    items: list[Item]
    last: Key | None
    read_units: float


@frozen
class Table:
    """Reads and writes items; retries a conflict while `time_left()` exceeds `reserve` seconds."""

    client: "DynamoDBClient"
    name: str
    time_left: Callable[[], float]
    reserve: float = 0.0
    sleep: Callable[[float], None] = time.sleep

    def get(self, key: Key) -> Item | None:
        """Return one item as it is now, or None."""
        answer = aws.call(
            self.client.get_item, TableName=self.name, Key=_key(key), ConsistentRead=True
        )
        return _unmarshal(answer["Item"]) if "Item" in answer else None

    def scan(self, *, limit: int, after: Key | None, condition: str, values: Values) -> Page:
        """Look at the next `limit` items of the whole table, and return those that match.

        It costs a read unit for each 8 KB that it looks at: for operators, never for a request.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "Limit": limit,
            "FilterExpression": condition,
            "ExpressionAttributeValues": _marshal(values),
            "ReturnConsumedCapacity": "TOTAL",
        }
        if after:
            request["ExclusiveStartKey"] = _key(after)
        answer = aws.call(self.client.scan, **request)
        last = answer.get("LastEvaluatedKey")
        return Page(
            [_unmarshal(item) for item in answer["Items"]],
            (last["pk"]["S"], last["sk"]["S"]) if last else None,
            answer["ConsumedCapacity"]["CapacityUnits"],
        )

    def write(self, *writes: Write) -> None:
        """Make all writes or none: one as a plain request, several as a transaction.

        A conflict with another transaction is no refusal: the write is retried while there is time.
        Raises `ConditionFailed`, `StorageUnavailable`, `Misconfigured`.
        """
        self._write(writes)

    def update(self, update: Update) -> Item:
        """Make one update, and return the item as changed. Raises like `write`."""
        changed = self._write([update], ReturnValues="ALL_NEW")
        return _unmarshal(changed["Attributes"])

    def _write(self, writes: Sequence[Write], **options: str) -> dict[str, Any]:
        codes: list[str] = []
        for pause in self._pauses():
            try:
                return self._write_once(writes, options)
            except ClientError as failure:
                answer: dict[str, Any] = dict(failure.response)
            found, codes = _refused(answer, len(writes)), _codes(answer)
            if found is not None:
                raise ConditionFailed(found)
            if not RETRYABLE.issuperset(codes):
                raise Misconfigured(operation="write", aws=codes)
            self.sleep(pause)
        raise StorageUnavailable(operation="write", aws=codes)

    def _write_once(self, writes: Sequence[Write], options: Mapping[str, str]) -> dict[str, Any]:
        if len(writes) > 1:
            actions: list[Any] = [
                {type(write).__name__: {"TableName": self.name, **write.request}}
                for write in writes
            ]
            return dict(aws.call(self.client.transact_write_items, TransactItems=actions))
        operations: dict[type[Write], Callable[..., Any]] = {
            Put: self.client.put_item,
            Update: self.client.update_item,
            Delete: self.client.delete_item,
        }
        operation, request = operations[type(writes[0])], writes[0].request
        return dict(aws.call(operation, TableName=self.name, **request, **options))

    def _pauses(self) -> Iterator[float]:
        """Yield growing pauses, jittered, while another try fits into the time left."""
        pause = FIRST_PAUSE
        yield 0
        while self.time_left() > self.reserve + pause:
            # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            yield random.uniform(0, pause)  # noqa: S311 - spreads load, guards nothing
            pause = min(LONGEST_PAUSE, pause * 2)


def _refused(answer: Mapping[str, Any], writes: int) -> list[Item | None] | None:
    """Return the items that failed a condition, or None if no condition failed."""
    if answer["Error"]["Code"] == "ConditionalCheckFailedException":
        return [_unmarshal(answer.get("Item", {}))] * writes
    reasons = answer.get("CancellationReasons", [])
    if not any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
        return None
    return [
        _unmarshal(reason.get("Item", {})) if reason["Code"] == "ConditionalCheckFailed" else None
        for reason in reasons
    ]


def _codes(answer: Mapping[str, Any]) -> list[str]:
    """Return the cancellation code of each write, or the one code of a plain request."""
    reasons = answer.get("CancellationReasons", [])
    return [reason["Code"] for reason in reasons] or ["TransactionConflict"]


def _key(key: Key) -> dict[str, Any]:
    return _marshal({"pk": key[0], "sk": key[1]})


def _marshal(item: Mapping[str, Value | None]) -> dict[str, Any]:
    return {name: _typed(value) for name, value in item.items() if value is not None}


def _typed(value: Value) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case frozenset():
            return {"SS": sorted(value)}
    return {"M": _marshal(value)}


def _unmarshal(item: Mapping[str, Any]) -> Item:
    return {name: _untyped(value) for name, value in item.items()}


def _untyped(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return int(content)
        case "SS":
            return frozenset(content)
        case "M":
            return _unmarshal(content)
    return str(content)
