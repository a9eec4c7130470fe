"""The local stream: new items of a prefix reach the function, and are repeated until it is done."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.functions import FunctionError
from local.streams import Streams

PATIENCE = 10


def a_record(number, pk="EVENT#wx#alice", name="INSERT"):
    image = {"SequenceNumber": f"{number}", "Keys": {"pk": {"S": pk}, "sk": {"S": f"{number}"}}}
    return {"eventName": name, "dynamodb": image}


class Ministack:
    """A stream with one shard; `faults` are raised first."""

    def __init__(self, records, faults=()):
        self.records = records
        self.faults = list(faults)

    def describe_stream(self, StreamArn):  # noqa: ARG002, N803 - botocore's name
        if self.faults:
            raise self.faults.pop(0)
        return {"StreamDescription": {"Shards": [{"ShardId": "the-shard"}]}}

    def get_shard_iterator(self, **place):
        return {"ShardIterator": place.get("SequenceNumber", "0")}

    def get_records(self, ShardIterator, Limit):  # noqa: N803 - botocore's names
        later = [
            each
            for each in self.records
            if int(each["dynamodb"]["SequenceNumber"]) > int(ShardIterator)
        ]
        return {"Records": later[:Limit]}


class Functions:
    """A function that does as `answers` say, and then succeeds; `done` is set at `last`."""

    def __init__(self, answers, last):
        self.answers = list(answers)
        self.last = f"{last}"
        self.got = []
        self.done = threading.Event()

    def invoke(self, name, event):
        numbers = [each["dynamodb"]["SequenceNumber"] for each in event["Records"]]
        self.got.append((name, numbers))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is None and self.last in numbers:
            self.done.set()
        failures = [{"itemIdentifier": answer}] if answer else []
        return {"batchItemFailures": failures}


@pytest.fixture
def read():
    """Read a stream to its last record, and return what the function got."""
    running = []

    def read(records, answers=(), faults=(), last=None):
        reader = SimpleNamespace(logical_id="Publish", stream_prefix="EVENT#")
        other = SimpleNamespace(logical_id="Login", stream_prefix=None)
        table: Any = SimpleNamespace(
            describe_table=lambda **_: {"Table": {"LatestStreamArn": "the-stream"}}
        )
        stack: Any = SimpleNamespace(
            functions={"Publish": reader, "Login": other}, tables=[SimpleNamespace(name="t")]
        )
        session: Any = SimpleNamespace(client=lambda _: Ministack(records, faults))
        functions: Any = Functions(answers, last or len(records))
        running.append(Streams(stack, functions, session, table))
        running[-1].start()
        assert functions.done.wait(PATIENCE)
        running[-1].stop()
        return functions.got

    yield read
    for each in running:
        each.stop()


def test_new_items_of_the_prefix_reach_the_function(read):
    others = [a_record(1, "USER#wx#alice"), a_record(2, name="REMOVE"), a_record(3, name="MODIFY")]

    assert read([*others, a_record(4), a_record(5)]) == [("Publish", ["4", "5"])]


def test_a_function_that_fails_gets_the_same_records_again(read):
    got = read([a_record(1), a_record(2)], answers=[FunctionError("it broke")])

    assert got == [("Publish", ["1", "2"])] * 2


def test_records_are_repeated_from_the_one_that_the_function_names(read):
    got = read([a_record(each) for each in range(1, 5)], answers=["3", "4"])

    assert [numbers for _, numbers in got] == [["1", "2", "3", "4"], ["3", "4"], ["4"]]


def test_a_batch_has_at_most_a_hundred_records(read):
    got = read([a_record(each) for each in range(1, 151)])

    assert [len(numbers) for _, numbers in got] == [100, 50]


def test_a_failure_of_the_emulator_is_tried_again(read):
    fault = ClientError({"Error": {"Code": "InternalServerError"}}, "DescribeStream")

    assert read([a_record(1)], faults=[fault]) == [("Publish", ["1"])]
