"""The runbook about an attack: its sums follow from the costs, and its template is valid."""

import re

import pytest

from stack.template import ROOT, read_stack
from tests.support.translated import lint
from tests.support.written import APPID, tables

RUNBOOK = ROOT / "docs" / "runbook.md"
FIREWALL = ROOT / "examples" / "firewall" / "template.yaml"
DAY = 86_400
ROUNDING = 0.1


def table(first):
    return next(each for each in tables(RUNBOOK) if each[0][0] == first)


@pytest.fixture(scope="module")
def costs():
    """Return the USD of a million logins, by what they are for."""
    return {what.strip("*"): float(usd.strip("*")) for what, usd in table("what")[1:]}


@pytest.fixture(scope="module")
def attacks():
    """Return the requests and the USD of a day, of the login and of another route."""
    return [
        (int(requests.replace(",", "")), float(usd))
        for _, requests, usd in table("requests, all day long")[1:]
    ]


def test_the_sums_of_an_attack_follow_from_the_throttles_and_the_costs(costs, attacks):
    settings = read_stack(APPID).parameters
    (logins, of_logins), (others, of_others) = attacks
    bare = sum(costs[each] for each in ("API Gateway", "Lambda, requests", "CloudWatch, log"))

    assert logins == int(settings["LoginsPerSecond"]) * DAY
    assert others == 1000 * DAY
    assert of_logins == pytest.approx(logins / 1e6 * costs["together"], rel=ROUNDING)
    assert of_others == pytest.approx(others / 1e6 * bare, rel=ROUNDING)


def test_the_firewall_is_valid_where_cloudfront_reads_it():
    assert lint(FIREWALL, "us-east-1") == ""


def test_the_firewall_has_the_limits_that_the_runbook_names():
    text = FIREWALL.read_text("utf-8")
    logins, requests = re.findall(r"PerAddress:\n    Type: Number\n    Default: (\d+)", text)

    assert f"{int(logins):,}\nlogins and {int(requests):,} requests in five minutes" in (
        RUNBOOK.read_text("utf-8")
    )
