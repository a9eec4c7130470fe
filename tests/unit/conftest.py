"""Fixtures for the tests of several parts of the layer."""

import logging

import pytest

from tests.support.clock import Clock
from wechat_login.invocation import SERVICE
from wechat_login.storage.table import Table


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10)


@pytest.fixture
def lines():
    """Every log line of an invocation while the test runs."""
    heard = []

    class Listening(logging.Handler):
        def emit(self, record):
            if hasattr(record, "request"):
                heard.append((record.levelname, record.request))

    logger, listener = logging.getLogger(SERVICE), Listening()
    logger.addHandler(listener)
    yield heard
    logger.removeHandler(listener)
