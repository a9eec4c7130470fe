"""What the tests of several parts of the layer need."""

import pytest

from tests.support.clock import Clock
from wechat_login.storage.table import Table


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10)
