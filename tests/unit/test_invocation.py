"""An invocation: its deadline, its log line, its metrics."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.context import Context
from wechat_login import errors
from wechat_login.invocation import (
    NO_DEADLINE,
    count,
    masked,
    note,
    note_wechat_call,
    task,
    time_left,
)


def invoke(handle, context=None):
    return task(handle)({}, context or Context())


def test_notes_go_to_the_line_with_the_openid_masked(lines):
    def handle(_):
        note(openid="oI7xAlice012345678901234567A", user_id="u")
        note_wechat_call("/sns/jscode2session", 0, 12.345)
        return {}

    invoke(handle)

    ((_, line),) = lines
    assert (line["openid"], line["user_id"]) == ("oI7x…567A", "u")
    assert line["wechat"] == [{"api": "/sns/jscode2session", "said": 0, "ms": 12.3}]


def test_notes_outside_an_invocation_go_nowhere():
    note(openid="o")
    note_wechat_call("/x", 0, 1)

    assert time_left() == NO_DEADLINE


@given(some.text(max_size=200))
def test_a_masked_openid_shows_eight_characters_at_most(openid):
    shown = masked(openid)

    assert len(shown) <= 9
    assert openid not in shown or openid in ("", "…")


def test_each_invocation_counts_its_own_time():
    left = []

    def handle(_):
        left.append(time_left())
        return {}

    invoke(handle, Context(500_000))
    invoke(handle, Context(100_000))

    assert left == [pytest.approx(500, abs=60), pytest.approx(100, abs=60)]
    assert time_left() == NO_DEADLINE


def test_metrics_are_printed_in_cloudwatchs_format(capsys):
    def handle(_):
        note_wechat_call("/sns/jscode2session", 40029, 5)
        raise errors.CodeRejected

    with pytest.raises(errors.CodeRejected):
        invoke(handle)

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    by_dimension = {
        next(name for name in ("route", "code", "api") if name in each): each for each in printed
    }
    assert by_dimension["route"]["Requests"] == [1]
    assert by_dimension["code"]["code"] == "code_rejected"
    assert by_dimension["api"]["said"] == "40029"
    assert by_dimension["route"]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "WeChatLogin"


def test_time_runs_while_a_function_runs():
    def handle(_):
        before = time_left()
        time.sleep(0.05)
        return {"passed": before - time_left()}

    passed = invoke(handle)["passed"]

    # It may have slept longer, on a busy machine.
    assert 0.049 <= passed < 10


def test_counts_are_added_up(lines):
    def handle(_):
        count(Logins=1, NewUsers=0)
        count(Logins=2)
        return {}

    invoke(handle)

    ((_, line),) = lines
    assert line["counts"] == {"Logins": 3, "NewUsers": 0}
