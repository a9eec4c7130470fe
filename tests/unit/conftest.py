"""Fixtures for the tests of several parts of the layer."""

import logging

import boto3
import pytest

from stack.cloudformation import REGION
from tests.support.clock import Clock
from tests.support.dynamodb import Client
from wechat_login.invocation import SERVICE
from wechat_login.storage.table import Table


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "ministack"])
def dynamodb(request, table_definition):
    """A DynamoDB client whose account has the template's table and nothing in it."""
    if request.param == "memory":
        yield Client(table_definition["TableName"])
        return
    client = boto3.client(
        "dynamodb",
        endpoint_url=request.getfixturevalue("ministack").url,
        region_name=REGION,
        aws_access_key_id="100000000000",  # an account of its own, beside those of deployments
        aws_secret_access_key="local",
    )
    client.create_table(**table_definition)
    yield client
    client.delete_table(TableName=table_definition["TableName"])


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10)


@pytest.fixture
def lines():
    """Every log line of an invocation while the test runs."""
    received = []

    class Listening(logging.Handler):
        def emit(self, record):
            if hasattr(record, "request"):
                received.append((record.levelname, record.request))

    logger, listener = logging.getLogger(SERVICE), Listening()
    logger.addHandler(listener)
    yield received
    logger.removeHandler(listener)
