"""The publisher: every event at least once, in order for each user, and poison to the queue."""

import json
from collections import Counter

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from wechat_login.accounts.publisher import MOST_ENTRIES, Publisher
from wechat_login.errors import Misconfigured, StorageUnavailable

AT = 1_800_000_000


def a_record(number, user="alice", **image):
    keys = {"pk": {"S": f"EVENT#wx#{user}"}, "sk": {"S": f"{number:016d}#user.updated"}}
    detail = json.dumps({"time": AT, "number": number})
    new = {**keys, "detail": {"S": detail}, **image}
    return {
        "eventName": "INSERT",
        "dynamodb": {
            "Keys": keys,
            "SequenceNumber": str(number),
            "NewImage": {name: each for name, each in new.items() if each is not None},
        },
    }


def error(code, operation="PutEvents"):
    return ClientError({"Error": {"Code": code}}, operation)


class Bus:
    """EventBridge: keeps what it accepts. `codes` are refused entries, `faults` those of calls."""

    def __init__(self, codes=None, faults=()):
        self.codes = codes or {}
        self.faults = list(faults)
        self.taken = []
        self.calls = []

    def put_events(self, Entries):  # noqa: N803 - botocore's name
        numbers = [json.loads(each["Detail"])["number"] for each in Entries]
        self.calls.append(numbers)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        if any(self.codes.get(number) == "the whole call" for number in numbers):
            raise error("ValidationException")
        codes = [self.codes.get(number) for number in numbers]
        self.taken += [each for each, code in zip(Entries, codes, strict=True) if not code]
        results = [{"ErrorCode": code} if code else {"EventId": "1"} for code in codes]
        return {"FailedEntryCount": len(list(filter(None, codes))), "Entries": results}

    @property
    def delivered(self):
        return [json.loads(each["Detail"])["number"] for each in self.taken]


class Queue:
    def __init__(self, fault=None):
        self.messages = []
        self.fault = fault

    def send_message(self, QueueUrl, MessageBody):  # noqa: N803 - botocore's names
        if self.fault:
            raise self.fault
        self.messages.append((QueueUrl, json.loads(MessageBody)))


class Stream:
    """Lambda's side: repeats from the first failure on, as ReportBatchItemFailures does."""

    def __init__(self, bus, queue=None):
        self.bus, self.queue = bus, queue or Queue()
        self.counted: Counter[str] = Counter()
        self.publisher = Publisher(
            bus, self.queue, bus="team", failed="the-queue", count=self.count
        )

    def count(self, **times):
        self.counted.update(times)

    def deliver(self, records):
        for _ in range(10):
            numbers = [each["dynamodb"]["SequenceNumber"] for each in records]
            repeat_from = self.publisher.publish(records)
            if repeat_from is None:
                return
            records = records[numbers.index(repeat_from) :]
            yield repeat_from
        raise AssertionError("it never ends")


def test_an_event_is_published_as_documented():
    stream = Stream(Bus())

    assert list(stream.deliver([a_record(1)])) == []

    assert stream.bus.taken == [
        {
            "Source": "wechat-login",
            "DetailType": "user.updated",
            "Detail": json.dumps({"time": AT, "number": 1}),
            "Time": AT,
            "EventBusName": "team",
        }
    ]
    assert stream.counted == {"EventsPublished": 1}


def test_a_call_takes_at_most_ten_events():
    stream = Stream(Bus())

    list(stream.deliver([a_record(at, user=f"u{at}") for at in range(25)]))

    assert [len(call) for call in stream.bus.calls] == [MOST_ENTRIES, MOST_ENTRIES, 5]


def test_no_call_has_two_events_of_a_user():
    stream = Stream(Bus())

    list(stream.deliver([a_record(at, user="aabcb"[at]) for at in range(5)]))

    assert stream.bus.calls == [[0], [1, 2, 3], [4]]


@pytest.mark.parametrize("refused", range(6))
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure"])
def test_a_partial_failure_keeps_the_order_of_each_user(refused, code):
    records = [a_record(at, user="ab"[at % 2]) for at in range(6)]
    stream = Stream(Bus({refused: code}))

    for repeat_from in stream.deliver(records):
        assert repeat_from == str(refused)
        stream.bus.codes.clear()

    assert set(stream.bus.delivered) == set(range(6))
    for parity in (0, 1):
        first = dict.fromkeys(each for each in stream.bus.delivered if each % 2 == parity)
        assert list(first) == sorted(first)
    assert stream.counted["EventsDelayed"] == 1


@pytest.mark.parametrize(
    "fault", [error("ThrottlingException"), ReadTimeoutError(endpoint_url="https://events")]
)
def test_a_call_without_an_answer_is_repeated_from_its_first_event(fault):
    stream = Stream(Bus(faults=[None, fault]))

    assert list(stream.deliver([a_record(at) for at in range(3)])) == ["1"]

    assert stream.bus.delivered == [0, 1, 2]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_what_only_an_operator_can_fix_raises_so_that_the_alarm_says_so(code):
    stream = Stream(Bus(faults=[error(code)]))

    with pytest.raises(Misconfigured):
        list(stream.deliver([a_record(1)]))
    assert stream.queue.messages == []


@pytest.mark.parametrize(
    "image",
    [
        {"detail": None},
        {"detail": {"S": "no JSON"}},
        {"detail": {"S": "{}"}},
        {"detail": {"S": "[]"}},
        {"detail": {"N": "1"}},
        {"sk": None},
    ],
)
def test_a_record_that_cannot_be_read_goes_to_the_queue_and_stops_no_other(image):
    records = [a_record(0, user="a"), a_record(1, user="b", **image), a_record(2, user="b")]
    stream = Stream(Bus())

    assert list(stream.deliver(records)) == []

    assert stream.bus.delivered == [0, 2]
    keys = records[1]["dynamodb"]["Keys"]
    assert stream.queue.messages == [("the-queue", {"why": "Unreadable", "key": keys})]
    assert stream.counted == {"EventsPublished": 2, "EventsFailed": 1}


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument", "the whole call"])
def test_an_event_that_eventbridge_never_accepts_goes_to_the_queue_alone(code):
    records = [a_record(at, user=f"u{at}") for at in range(5)]
    stream = Stream(Bus({2: code}))

    assert list(stream.deliver(records)) == []

    assert sorted(stream.bus.delivered) == [0, 1, 3, 4]
    assert [message["key"] for _, message in stream.queue.messages] == [
        records[2]["dynamodb"]["Keys"]
    ]


def test_poison_is_not_skipped_while_the_queue_does_not_answer():
    stream = Stream(Bus(), Queue(error("ServiceUnavailable", "SendMessage")))

    with pytest.raises(StorageUnavailable):
        list(stream.deliver([a_record(1, detail=None)]))


def test_throttling_before_poison_sends_the_poison_to_the_queue_once():
    records = [a_record(0, user="a"), a_record(1, user="b", detail=None), a_record(2, user="c")]
    stream = Stream(Bus({0: "ThrottlingException"}))

    for _ in stream.deliver(records):
        stream.bus.codes.clear()

    assert len(stream.queue.messages) == 1
    assert set(stream.bus.delivered) == {0, 2}
