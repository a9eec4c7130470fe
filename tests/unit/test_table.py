"""The one table: conditions, transactions, and a busy DynamoDB."""

import boto3
import pytest
from botocore.stub import Stubber

from stack.cloudformation import REGION
from wechat_login.errors import Misconfigured, StorageUnavailable
from wechat_login.storage.table import ConditionFailed, Delete, Put, Table, Update

NAME = "logins"
ABSENT = "attribute_not_exists(pk)"
A, B = ("USER#a", "PROFILE"), ("USER#b", "PROFILE")


def item(key, **more):
    return {"pk": key[0], "sk": key[1], **more}


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10.0)


@pytest.fixture
def stubbed():
    client = boto3.client(
        "dynamodb", region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
    )
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


class Time:
    """Time that passes only while somebody sleeps."""

    def __init__(self, seconds):
        self.left = seconds
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.left -= seconds

    def table(self, client):
        return Table(client, NAME, lambda: self.left, sleep=self.sleep)


def test_an_item_comes_back_as_it_was_put(table):
    inner = {"a": {"createdAt": 1, "text": ""}, "b": {}}
    whole = item(A, number=7, text="微信", names=frozenset({"x", "y"}), sessions=inner)

    table.write(Put(whole))

    assert table.get(A) == whole


def test_nothing_is_none(table):
    assert table.get(A) is None


def test_an_absent_value_is_not_written(table):
    table.write(Put(item(A, unionid=None)))

    assert table.get(A) == item(A)


@pytest.mark.parametrize("number", [0, -1, 2**53, 1_800_000_000])
def test_numbers_stay_exact(table, number):
    table.write(Put(item(A, number=number)))

    assert table.get(A)["number"] == number


def test_a_failed_condition_returns_the_stored_item(table):
    table.write(Put(item(A, n=1)))

    with pytest.raises(ConditionFailed) as refused:
        table.write(Put(item(A, n=2), ABSENT))

    assert refused.value.items == [item(A, n=1)]
    assert table.get(A) == item(A, n=1)


def test_a_failed_condition_on_an_absent_item_returns_none(table):
    with pytest.raises(ConditionFailed) as refused:
        table.write(Update(A, "SET n = :n", "attribute_exists(pk)", {":n": 1}))

    assert refused.value.items == [{}]


def test_of_a_refused_transaction_nothing_is_written(table):
    table.write(Put(item(B, n=1)))

    with pytest.raises(ConditionFailed) as refused:
        table.write(Put(item(A), ABSENT), Put(item(B, n=2), ABSENT))

    assert refused.value.items == [None, item(B, n=1)]
    assert table.get(A) is None
    assert table.get(B) == item(B, n=1)


def test_a_transaction_puts_updates_and_deletes(table):
    table.write(Put(item(A, owners=frozenset({"x"}))), Put(item(B)))

    table.write(
        Update(
            A,
            "SET owners = :both",
            "owners = :x",
            {":both": frozenset({"x", "y"}), ":x": frozenset({"x"})},
        ),
        Delete(B, "attribute_exists(pk)"),
        Put({"pk": "ID#1", "sk": "OWNER"}, ABSENT),
    )

    assert table.get(A)["owners"] == {"x", "y"}
    assert table.get(B) is None
    assert table.get(("ID#1", "OWNER")) is not None


def test_an_update_returns_the_item_as_changed(table):
    table.write(Put(item(A, n=1, sessions={})))

    changed = table.update(
        Update(A, "SET sessions.#s = :s", "n = :n", {":n": 1, ":s": {"usedAt": 2}}, {"#s": "-x"})
    )

    assert changed == item(A, n=1, sessions={"-x": {"usedAt": 2}}) == table.get(A)


def test_an_update_that_is_refused_changes_nothing(table):
    table.write(Put(item(A, n=1)))

    with pytest.raises(ConditionFailed) as refused:
        table.update(Update(A, "SET n = :n", "n = :seen", {":n": 3, ":seen": 2}))

    assert refused.value.items == [item(A, n=1)]
    assert table.get(A) == item(A, n=1)


def test_deleting_nothing_is_no_error(table):
    table.write(Delete(A))

    assert table.get(A) is None


@pytest.mark.parametrize(
    "write", [Delete(A, "n = :n", {":n": 2}), Update(A, "SET m = :n", "n = :n", {":n": 2})]
)
def test_a_single_write_keeps_its_condition(table, write):
    table.write(Put(item(A, n=1)))

    with pytest.raises(ConditionFailed):
        table.write(write)

    assert table.get(A) == item(A, n=1)


CONFLICT = {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}


def cancel(stubber, *reasons):
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": list(reasons)},
    )


def test_a_conflict_with_another_transaction_is_tried_again(stubbed):
    client, stubber = stubbed
    cancel(stubber, {"Code": "TransactionConflict"}, {"Code": "None"})
    cancel(stubber, {"Code": "None"}, {"Code": "TransactionConflict"})
    stubber.add_response("transact_write_items", {})
    time = Time(10)

    time.table(client).write(Put(item(A)), Put(item(B)))

    assert len(time.slept) == 2


def test_a_conflict_of_a_single_write_is_tried_again(stubbed):
    client, stubber = stubbed
    stubber.add_client_error("put_item", "TransactionConflictException")
    stubber.add_response("put_item", {})

    Time(10).table(client).write(Put(item(A)))


def test_a_failed_condition_beside_a_conflict_is_a_refusal(stubbed):
    client, stubber = stubbed
    cancel(
        stubber,
        {"Code": "TransactionConflict"},
        {"Code": "ConditionalCheckFailed", "Item": {"pk": {"S": "USER#b"}, "sk": {"S": "PROFILE"}}},
    )

    with pytest.raises(ConditionFailed) as refused:
        Time(10).table(client).write(Put(item(A)), Put(item(B), ABSENT))

    assert refused.value.items == [None, item(B)]


def test_endless_conflicts_are_reported_before_the_time_is_over(stubbed):
    client, stubber = stubbed
    for _ in range(200):
        cancel(stubber, {"Code": "TransactionConflict"}, {"Code": "None"})
    time = Time(5)

    with pytest.raises(StorageUnavailable) as failure:
        time.table(client).write(Put(item(A)), Put(item(B)))

    assert failure.value.retry_after
    assert time.left > 0
    stubber._queue.clear()  # noqa: SLF001 - only as many were used as there was time for


def test_a_permanent_failure_is_reported_at_once(stubbed):
    client, stubber = stubbed
    cancel(stubber, {"Code": "None"}, {"Code": "ValidationError"})
    time = Time(20)

    with pytest.raises(Misconfigured) as failure:
        time.table(client).write(Put(item(A)), Put(item(B)))

    assert failure.value.facts["aws"] == ["None", "ValidationError"]
    assert time.slept == []


def test_a_throttled_transaction_is_tried_again_and_named(stubbed):
    client, stubber = stubbed
    for _ in range(200):
        cancel(stubber, {"Code": "ThrottlingError"}, {"Code": "None"})
    time = Time(20)

    with pytest.raises(StorageUnavailable) as failure:
        time.table(client).write(Put(item(A)), Put(item(B)))

    assert failure.value.facts["aws"] == ["ThrottlingError", "None"]
    assert len(time.slept) > 2
    stubber._queue.clear()  # noqa: SLF001 - only as many were used as there was time for


OPERATIONS = [
    pytest.param("get_item", lambda table: table.get(A), id="get"),
    pytest.param("put_item", lambda table: table.write(Put(item(A))), id="put"),
    pytest.param("update_item", lambda table: table.write(Update(A, "SET n = m")), id="update"),
    pytest.param("delete_item", lambda table: table.write(Delete(A)), id="delete"),
    pytest.param(
        "transact_write_items", lambda table: table.write(Delete(A), Delete(B)), id="transaction"
    ),
]


@pytest.mark.parametrize(("operation", "act"), OPERATIONS)
@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_a_busy_dynamodb_is_storage_unavailable(stubbed, operation, act, code):
    client, stubber = stubbed
    stubber.add_client_error(operation, code, "quoting USER#a")

    with pytest.raises(StorageUnavailable) as failure:
        act(Time(10).table(client))

    assert failure.value.facts["aws"] == code
    assert "USER#a" not in f"{failure.value!r}"
    assert failure.value.__context__ is None


@pytest.mark.parametrize(("operation", "act"), OPERATIONS)
@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"]
)
def test_a_fault_for_the_operator_is_misconfigured(stubbed, operation, act, code):
    client, stubber = stubbed
    stubber.add_client_error(operation, code, "quoting USER#a")

    with pytest.raises(Misconfigured) as failure:
        act(Time(10).table(client))

    assert "USER#a" not in f"{failure.value!r}"
    assert failure.value.__context__ is None


def test_writes_do_not_show_what_they_hold():
    writes = [Put(item(A, phone="sealed!")), Update(A, "SET p = :p", "", {":p": "sealed!"})]

    assert "sealed!" not in repr(writes)
