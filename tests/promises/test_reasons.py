"""Each rule that is switched off has its reason on the same line."""

import re
import tokenize
from tokenize import COMMENT

import pytest

from stack.template import ROOT
from tests.support.written import name_of

FOLDERS = ["benchmarks", "demo", "functions", "layers", "local", "ops", "simulated_wechat", "stack"]
SOURCES = sorted(path for each in [*FOLDERS, "tests"] for path in (ROOT / each).rglob("*.py"))
CONFIGURATION = ROOT / "pyproject.toml"
# `noqa: S311 - spreads load`, or `type: ignore[misc]  # xdist has no types`.
SILENCED = re.compile(r"# (?:ruff: )?noqa\b.*|# type: ignore\b.*")
REASONED = re.compile(
    r"(?:# type: ignore\[[a-z-]+\]  )?# (?:ruff: )?noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S.{4,}"
    r"|# type: ignore\[[a-z-]+\]  # [^n].{4,}"
)
RULES = re.compile(r'"[A-Z]+\d*"')


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_silenced_line_has_a_reason(path):
    with path.open("rb") as source:
        comments = [each for each in tokenize.tokenize(source.readline) if each.type == COMMENT]

    silenced = [each for each in comments if SILENCED.match(each.string)]
    assert [each.line for each in silenced if not REASONED.fullmatch(each.string)] == []


def test_a_rule_that_is_ignored_in_files_has_a_reason():
    (_, *ignoring) = re.split(
        r"(?m)^(?=.*ignore\w* = \[|\[.*ignores\]$)", CONFIGURATION.read_text("utf-8")
    )
    lines = [line for section in ignoring for line in section.partition("\n[")[0].splitlines()]
    ignored = [line for line in lines if RULES.search(line)]

    assert ignored
    assert [line for line in ignored if not re.search(r"\]?,?\s+# \S.{4,}", line)] == []


@pytest.mark.parametrize(
    "comment",
    ["# noqa: S311", "# noqa", "# noqa: S311 - ok", "# type: ignore[misc]", "# ruff: noqa: T201"],
)
def test_a_comment_without_a_reason_would_be_found(comment):
    assert SILENCED.match(comment)
    assert not REASONED.fullmatch(comment)
