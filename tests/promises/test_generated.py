"""`make docs` was run, and its hand-written cells are complete."""

import pytest

from ops import docs
from stack.template import ROOT
from tests.support.written import name_of, tables

ERRORS = ROOT / "docs" / "errors.md"


def test_make_docs_has_nothing_to_write():
    assert [name_of(path) for path, _ in docs.stale()] == []


@pytest.mark.parametrize("document", docs.documents(), ids=name_of)
def test_no_row_waits_for_its_words(document):
    assert [row for rows in tables(document) for row in rows if docs.TO_WRITE in row] == []


def test_every_source_has_its_table():
    text = "".join(path.read_text("utf-8") for path in docs.documents())

    assert [name for name in docs.SOURCES if f"<!-- make docs: {name} -->" not in text] == []


def test_a_new_row_comes_after_its_forerunner_and_waits_for_its_words():
    text = ERRORS.read_text("utf-8")
    row = next(line for line in text.splitlines(keepends=True) if "`code_rejected`" in line)

    made = docs.markdown(text.replace(row, ""))

    assert "| `code_rejected` | 401 | … | … |\n| `token_invalid`" in made


def test_a_changed_cell_is_written_and_the_words_stay():
    text = ERRORS.read_text("utf-8")

    made = docs.markdown(text.replace("| `phone_taken` | 409 |", "| `phone_taken` | 418 |"))

    assert made == text


def test_a_row_of_nothing_goes():
    text = ERRORS.read_text("utf-8")

    made = docs.markdown(
        text.replace("| `internal`", "| `gone` | 410 | then | that |\n| `internal`")
    )

    assert made == text


def test_a_count_in_the_code_is_a_row_of_the_metrics():
    rows = docs.metric_rows()

    assert ("`Logins`", "", "Count") in rows  # counted by a handler
    assert ("`ForcedRefreshes`", "", "Count") in rows  # by an object of the layer
    assert ("`WeChatLatency`", "`api`, `said`", "Milliseconds") in rows  # at the end of each call


def test_the_openapi_file_gets_back_the_code_the_example_and_the_message():
    text = docs.OPENAPI.read_text("utf-8")
    example = docs._example("phone_taken").search(text)[0]  # noqa: SLF001 - what is taken away
    spoilt = text.replace("        - phone_taken\n", "").replace(example, "")
    spoilt = spoilt.replace("The service is busy.", "It is late.")

    assert spoilt != text
    assert docs.openapi(spoilt) == text
