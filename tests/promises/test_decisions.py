"""Each decision is dated, whole and short; the changelog begins with what is not yet released."""

import re

import pytest

from stack.template import ROOT
from tests.support.written import headings, name_of

RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PARTS = ["Choice", "Alternatives", "Reasons to change it"]
LONGEST = 45


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_decision_is_whole(record):
    text = record.read_text("utf-8")
    (_, title), *parts = headings(record)

    assert title.startswith(record.name[:4])
    assert re.search(r"^20\d\d-\d\d-\d\d$", text, re.MULTILINE)
    assert [part for _, part in parts] == PARTS
    assert len(text.splitlines()) <= LONGEST


def test_decisions_are_numbered_without_a_gap():
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_changelog_begins_with_unreleased_changes():
    assert headings(ROOT / "CHANGELOG.md")[1] == ("##", "Unreleased")
