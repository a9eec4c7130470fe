"""Each promise of docs/reliability.md has a law, tests and commands that exist."""

import ast
import re

import pytest

from stack.template import ROOT
from tests.support.written import spans, table

RELIABILITY = ROOT / "docs" / "reliability.md"
TEXT = RELIABILITY.read_text("utf-8")
PROMISES = table(RELIABILITY, "promise", "law", "tests")
INVARIANTS = ast.parse((ROOT / "tests" / "simulation" / "invariants.py").read_text("utf-8"))


def laws():
    """Return the methods of the simulation's laws, each with its words."""
    return {
        node.name: ast.get_docstring(node)
        for node in ast.walk(INVARIANTS)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[1].strip("`"))
def test_a_promise_has_a_law_and_tests(row):
    _, law, tests = row
    (method,), (path,) = spans(law), spans(tests)

    assert laws().get(method), method
    assert "\ndef test_" in (ROOT / path).read_text("utf-8")


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:tests|docs)/[\w./]+)`", TEXT))

    assert [each for each in sorted(named) if not (ROOT / each).exists()] == []


def test_each_figure_has_its_command():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for _, figure, command in table(RELIABILITY, "what", "figure", "command"):
        (target,) = re.findall(r"`make ([a-z]+)", command)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert re.search(r"\d", figure)


def test_the_attack_leaves_out_only_the_check_that_is_named():
    source = (ROOT / "tests" / "load" / "attack.py").read_text("utf-8")

    (left_out,) = re.findall(r'LEFT_OUT = "(\w+)"', source)
    assert f"except `{left_out}`" in TEXT
