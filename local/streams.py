"""Invokes the functions that read the table's stream, as Lambda's event source mapping does.

The stream is ministack's. Of the filter, only the prefix of `pk` is applied; records are repeated
from the one that a function returns, or all of a batch if it fails, after a pause and without end:
Lambda would halve a batch that fails, and give up after the template's MaximumRecordAgeInSeconds.
"""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.background import Background
from local.functions import FunctionError, Functions
from stack.template import Function, Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

Record = Mapping[str, Any]

_BATCH = 100  # BatchSize in template.yaml
_PAUSE_SECONDS = 0.2


class Streams(Background):
    """One thread for each function that reads the table's stream, between `start` and `stop`."""

    def __init__(
        self,
        stack: Stack,
        functions: Functions,
        session: boto3.Session,
        dynamodb: "DynamoDBClient",
    ) -> None:
        self._functions = functions
        self._dynamodb = dynamodb
        self._table = stack.tables[0].name if stack.tables else ""
        super().__init__()
        readers = [each for each in stack.functions.values() if each.stream_prefix is not None]
        make: Any = session.client  # its stubs know only the services that the layer uses
        self._client: Any = make("dynamodbstreams") if readers else None
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=each.logical_id, daemon=True)
            for each in readers
        ]

    def _run(self, function: Function) -> None:
        arn = self._dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        read: dict[str, str] = {}  # shard -> the sequence number of its last record
        while not self._stopped.wait(_PAUSE_SECONDS):
            try:
                stream = self._client.describe_stream(StreamArn=arn)["StreamDescription"]
                for shard in stream["Shards"]:
                    self._read(function, arn, shard["ShardId"], read)
            except (BotoCoreError, ClientError) as error:
                log.error("on a stream, ministack says %s", error)  # noqa: TRY400 - tried again

    def _read(self, function: Function, arn: str, shard: str, read: dict[str, str]) -> None:
        place = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": read[shard]}
            if shard in read
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        iterator = self._client.get_shard_iterator(StreamArn=arn, ShardId=shard, **place)
        answer = self._client.get_records(ShardIterator=iterator["ShardIterator"], Limit=_BATCH)
        # Lambda passes JSON: a time is a number there, and here a datetime.
        records = [json.loads(json.dumps(each, default=str)) for each in answer["Records"]]
        repeat_from = self._invoke(function, [each for each in records if _passes(each, function)])
        for record in records:
            number = record["dynamodb"]["SequenceNumber"]
            if number == repeat_from:
                return
            read[shard] = number

    def _invoke(self, function: Function, records: Sequence[Record]) -> str | None:
        """Return the sequence number of the record to repeat from, or None."""
        if not records:
            return None
        try:
            answer = self._functions.invoke(function.logical_id, {"Records": records})
        except FunctionError as error:
            log.error("on a stream, %s", error)  # noqa: TRY400 - the log has the traceback
            return str(records[0]["dynamodb"]["SequenceNumber"])
        failures = answer["batchItemFailures"]
        return str(failures[0]["itemIdentifier"]) if failures else None


def _passes(record: Record, function: Function) -> bool:
    pk = str(record["dynamodb"]["Keys"]["pk"]["S"])
    return record["eventName"] == "INSERT" and pk.startswith(function.stream_prefix or "")
