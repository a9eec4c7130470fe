"""Publishes the outbox's events on EventBridge, from the records of the table's stream.

Lambda runs one invocation at a time for each shard of the stream, and repeats the records from the
first failure on. So each event arrives at least once, and the events of a user arrive in order.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wechat_login.errors import BadRequest, Misconfigured, StorageUnavailable
from wechat_login.frozen import frozen
from wechat_login.storage import aws

log = logging.getLogger(__name__)

SOURCE = "wechat-login"
MOST_ENTRIES = 10  # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
UNREADABLE = "Unreadable"
# These records would fail each time, so they must not hold up the others.
POISON = {UNREADABLE, "InvalidArgument", "MalformedDetail", "ValidationException"}
Record = Mapping[str, Any]


@frozen
class Publisher:
    """Publishes on one bus; a record that can never be published is sent to a queue."""

    events: Any  # botocore's clients
    sqs: Any
    bus: str
    failed: str  # the URL of the dead-letter queue
    count: Callable[..., None]

    def publish(self, records: object) -> str | None:
        """Publish the events of stream records; return None, or from where to repeat.

        That is the sequence number of the first record that EventBridge has not accepted. Raises
        `BadRequest`, `Misconfigured`, and `StorageUnavailable` if the queue does not answer.
        """
        if not isinstance(records, list) or not all(map(_is_record, records)):
            raise BadRequest("These are no records of a DynamoDB stream.")
        for batch in _batches(records):
            for record, code in zip(batch, self._put(batch), strict=True):
                if code in POISON:
                    self._set_aside(record, code)
                elif code:
                    log.warning("events_delayed", extra={"why": code})
                    self.count(EventsDelayed=1)
                    return str(record["dynamodb"]["SequenceNumber"])
                else:
                    self.count(EventsPublished=1)
        return None

    def _put(self, batch: Sequence[Record]) -> list[str]:
        """Return for each record an error code, empty if EventBridge has accepted its event."""
        entries = [self._entry(record) for record in batch]
        sent: Any = [entry for entry in entries if entry]
        try:
            answer = aws.call(self.events.put_events, Entries=sent) if sent else {"Entries": []}
        except StorageUnavailable as failure:
            return [str(failure.facts["aws"])] * len(batch)
        except Misconfigured as refused:
            if refused.facts["aws"] != "ValidationException":
                raise
            if len(batch) == 1:
                return ["ValidationException"]
            # One entry is invalid, and so EventBridge has refused them all.
            return [code for record in batch for code in self._put([record])]
        codes = iter(each.get("ErrorCode", "") for each in answer["Entries"])
        return [next(codes) if entry else UNREADABLE for entry in entries]

    def _entry(self, record: Record) -> dict[str, object] | None:
        try:
            image = record["dynamodb"]["NewImage"]
            detail = image["detail"]["S"]
            return {
                "Source": SOURCE,
                "DetailType": image["sk"]["S"].partition("#")[2],
                "Detail": detail,
                # Also checks that the time is one.
                "Time": int(datetime.fromtimestamp(json.loads(detail)["time"], UTC).timestamp()),
                "EventBusName": self.bus,
            }
        except (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError):
            return None

    def _set_aside(self, record: Record, code: str) -> None:
        body = json.dumps({"why": code, "key": record["dynamodb"]["Keys"]})
        aws.call(self.sqs.send_message, QueueUrl=self.failed, MessageBody=body)
        log.error("event_not_publishable", extra={"why": code})
        self.count(EventsFailed=1)


def _is_record(record: Any) -> bool:
    try:
        position = record["dynamodb"]
        return isinstance(position["Keys"]["pk"]["S"], str) and bool(position["SequenceNumber"])
    except (KeyError, TypeError):
        return False


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield records for one call each, never two of the same user.

    EventBridge may accept the later event of a call and refuse the earlier one.
    """
    batch: list[Record] = []
    users: set[str] = set()
    for record in records:
        user = record["dynamodb"]["Keys"]["pk"]["S"]
        if len(batch) == MOST_ENTRIES or user in users:
            yield batch
            batch, users = [], set()
        batch.append(record)
        users.add(user)
    if batch:
        yield batch
