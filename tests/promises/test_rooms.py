"""No test module imports another: shared code is in tests/support, or is a fixture.

The simulation is a program of its own, in tests/simulation.
"""

import ast

import pytest

from stack.template import ROOT
from tests.support.written import name_of

TESTS = sorted((ROOT / "tests").rglob("*.py"))
CONFTESTS = [path for path in TESTS if path.name == "conftest.py"]


def imported(path):
    """Return the names of a module's imports, modules and their members."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_module_of_tests_takes_from_no_other(path):
    others = [name for name in imported(path) if name.startswith("tests.")]
    rooms = ["tests.support."]
    if path.parent.name in {"simulation", "load"}:
        rooms.append(f"tests.{path.parent.name}.")

    assert [name for name in others if not name.startswith(tuple(rooms))] == []
    assert [name for name in others if ".test_" in name] == []


@pytest.mark.parametrize("path", CONFTESTS, ids=name_of)
def test_a_conftest_holds_fixtures_alone(path):
    body = ast.parse(path.read_text("utf-8")).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    fixtures = [
        node
        for node in functions
        if any("fixture" in ast.unparse(each) for each in node.decorator_list)
    ]
    helpers = [node.name for node in functions if node not in fixtures]

    assert not [node for node in body if isinstance(node, ast.ClassDef)]
    assert [name for name in helpers if not name.startswith("_")] == []
