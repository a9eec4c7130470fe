"""The costs in the documents come from one run and one list of prices."""

import re

import pytest

from benchmarks import prices
from benchmarks.chinese import in_chinese
from benchmarks.tables import DOCUMENTS, MARKED
from tests.support.written import table

BENCHMARKS, RUNBOOK, *CHINESE = DOCUMENTS


def rows(document, *header):
    return {
        row[0].strip("*"): [cell.strip("*") for cell in row[1:]] for row in table(document, *header)
    }


def measured(document):
    """Return the tables between the markers."""
    found = MARKED.finditer(document.read_text("utf-8"))
    return ["\n".join(each[0].splitlines()[1:-1]) for each in found]


COSTS = rows(RUNBOOK, "what", "USD")
MONEY = rows(BENCHMARKS, "USD a million")
GOALS = rows(BENCHMARKS, "goal", "at most", "measured", "met")
OURS = next(cells for name, cells in MONEY.items() if name.startswith("login, ours, 3"))
THEIRS = next(cells for name, cells in MONEY.items() if name.startswith("login, wechatpy"))


def test_the_runbook_and_the_benchmarks_name_the_same_costs_of_a_login():
    assert [*OURS[:-3], *OURS[-2:]] == [cost for (cost,) in COSTS.values()]


@pytest.mark.parametrize("chinese", CHINESE, ids=lambda document: document.name)
def test_the_chinese_page_has_the_same_tables_in_chinese(chinese):
    english = DOCUMENTS[CHINESE.index(chinese)]

    assert measured(chinese) == [in_chinese(table) for table in measured(english)]


def test_the_parts_add_up():
    *parts, together = (float(cost) for (cost,) in COSTS.values())

    assert sum(parts) == pytest.approx(together, abs=0.05)  # each is rounded


def test_the_goal_compares_the_costs_that_the_table_has():
    _, measured, met = GOALS["login: cost without log ÷ wechatpy's"]

    assert float(measured) == pytest.approx(float(OURS[-3]) / float(THEIRS[-3]), abs=0.02)
    assert met == ("yes" if float(measured) <= 0.7 else "no")


def test_the_cost_of_a_slower_wechat_is_computed_from_the_price():
    (said,) = re.findall(
        r"100 ms that WeChat takes longer adds (\d+\.\d+)", RUNBOOK.read_text("utf-8")
    )

    assert said == f"{prices.duration(100):.2f}"


def test_no_other_sentence_of_the_runbook_prices_a_login():
    words = MARKED.sub("", RUNBOOK.read_text("utf-8"))

    assert not re.findall(r"per million logins .*\d\.\d", words)
