"""The plugin that checks each write of a run notices a missing event, and one too many."""

import os
import sys

import pytest

from stack.template import ROOT
from tests.support.owed_events import faults
from tests.support.written import run

USER = {"pk": {"S": "USER#wx#alice"}, "sk": {"S": "PROFILE"}}
CLAIM = {"pk": {"S": "ID#1"}, "sk": {"S": "OWNER"}}


def an_event(kind, openid="alice"):
    return {"Put": {"Item": {"pk": {"S": f"EVENT#wx#{openid}"}, "sk": {"S": f"1#user.{kind}"}}}}


def an_update(*names):
    return {
        "Update": {"Key": USER, "ExpressionAttributeNames": {f"#{each}": each for each in names}}
    }


def found(*writes, has_events=True):
    return list(faults("TransactWriteItems", {"TransactItems": writes}, has_events=has_events))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"Put": {"Item": USER}}, "created"),
        ({"Delete": {"Key": USER}}, "erased"),
        (an_update("nickname", "updatedAt", "revision"), "updated"),
        (an_update("roles"), "updated"),
        (an_update("unionid"), "updated"),
        (an_update("phoneIndex", "phone"), "registered"),
        (an_update("phoneIndex", "phone"), "unregistered"),
        (an_update("blocked", "sessions"), "blocked"),
        (an_update("blocked"), "unblocked"),
        (an_update("userId"), "merged"),
        (an_update("userId"), "updated"),
    ],
)
def test_a_change_of_a_user_needs_its_event(change, kind):
    assert found(change, {"Put": {"Item": CLAIM}}, an_event(kind)) == []
    assert len(found(change)) == 1
    assert found(change, an_event(kind, "bob"))
    assert found(an_event(kind))
    assert found(change, an_event(kind), has_events=False)
    assert found(change, has_events=False) == []


def test_each_of_several_changes_needs_its_event():
    change = an_update("userId", "phoneIndex", "linked")

    assert found(change, an_event("merged"), an_event("registered")) == []
    assert len(found(change, an_event("merged"))) == 1


def test_a_login_a_session_and_an_attempt_need_none():
    assert found(an_update("sessions", "lastLoginAt", "revision")) == []
    one = {"Key": USER, "ExpressionAttributeNames": {"#sid": "abc"}}
    assert list(faults("UpdateItem", one, has_events=True)) == []


def test_a_plain_write_is_checked_too():
    erased = {"Key": USER}

    assert len(list(faults("DeleteItem", erased, has_events=True))) == 1


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n2"]], ids=["alone", "with workers"])
def test_a_run_fails_if_an_event_was_forgotten(tmp_path, options):
    (tmp_path / "test_it.py").write_text(
        "from tests.support import owed_events\n"
        "def test_it(): owed_events.broken.append('Login: changed a user')\n"
    )
    plugins = ["-p", "tests.support.owed_events", "-p", "no:cacheprovider"]

    ran = run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *plugins, *options, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )

    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Login: changed a user" in ran.stdout
