"""Marks tests whose requests must run at the same time."""

import pytest

# The table in memory takes one call after another.
on_ministack = pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
