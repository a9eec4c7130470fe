"""Fixtures: the build of `make build`, and the packages of Lambda's runtime."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.built import OF_LAMBDA, not_built


@pytest.fixture(scope="session")
def built():
    """The build of the present sources; skips without one, and fails if tests decide."""
    if reason := not_built():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def lambdas_own(tmp_path_factory):
    """Return a folder with only the packages of Lambda's runtime."""
    folder = tmp_path_factory.mktemp("lambda")
    for name in OF_LAMBDA:
        found = Path(find_spec(name).origin)
        found = found.parent if found.name == "__init__.py" else found
        (folder / found.name).symlink_to(found)
    return folder
