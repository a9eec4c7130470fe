"""The tables in memory answer as other implementations do: recorded calls are made again there."""

from itertools import count, islice
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.history import plan, run
from tests.simulation.layer import Layer
from tests.support.dynamodb import untyped

WITH_A_SCAN = (
    seed for seed in count(4) if any(step.operation == "list_users" for step in plan(seed).steps)
)
SEEDS = (*range(4), *islice(WITH_A_SCAN, 2))
AWS = ("dynamodb ", "ssm ")
METHODS = {
    "GetItem": "get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "TransactWriteItems": "transact_write_items",
    "Scan": "scan",
    "GetParameters": "get_parameters",
    "PutParameter": "put_parameter",
}


@pytest.fixture(scope="module")
def histories():
    """The calls of some histories, in the order in which AWS acted on them."""
    layer = Layer()
    recorded = {}
    for seed in SEEDS:
        lines = run(plan(seed), layer).lines
        recorded[seed] = [line for line in lines if line.what.startswith(AWS)]
    return recorded


def reported(answer: Any):
    """What an answer tells the layer."""
    if isinstance(answer, ClientError):
        failure: Any = answer.response
        reasons = [
            (reason["Code"], untyped(reason.get("Item") or {}))
            for reason in failure.get("CancellationReasons", [])
        ]
        return failure["Error"]["Code"], untyped(failure.get("Item") or {}), reasons
    if "Items" in answer:
        return sorted(repr(sorted(untyped(item).items())) for item in answer["Items"])
    if "Parameters" in answer:
        return {each["Name"]: each["Value"] for each in answer["Parameters"]}
    return untyped(answer.get("Item") or {}), untyped(answer.get("Attributes") or {})


def again(clients, line):
    service, operation = line.what.split(" ")
    request, _ = line.details
    try:
        return getattr(clients[service], METHODS[operation])(**request)
    except ClientError as failure:
        return failure


@pytest.mark.parametrize("seed", SEEDS)
def test_another_dynamodb_and_ssm_answer_the_same(aws, dynamodb, histories, seed):
    clients = {"dynamodb": dynamodb, "ssm": aws("ssm")}
    tokens = set()
    for line in histories[seed]:
        request, expected = line.details
        token = request.get("ClientRequestToken")
        if token in tokens:
            continue  # A transaction sent twice: these two know no tokens, AWS does.
        if token and expected == {}:
            tokens.add(token)
        assert reported(again(clients, line)) == reported(expected), line


def test_the_recorded_calls_have_every_operation_and_every_refusal(histories):
    calls = [line for calls in histories.values() for line in calls]
    failures = [line.details[1] for line in calls if isinstance(line.details[1], ClientError)]

    assert {line.what.split(" ")[1] for line in calls} >= METHODS.keys() - {"DeleteItem"}
    assert {reported(failure)[0] for failure in failures} == {
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
    }
