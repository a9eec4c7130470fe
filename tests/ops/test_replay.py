"""`make replay`: as an operator uses it, against a local run."""

import itertools
import os
import sys
import time
from datetime import UTC, datetime

import pytest

from ops import replay as replaying
from ops.replay import since
from ops.stage import CannotGoOn
from stack.template import ROOT
from tests.support.commands import run_here
from tests.support.fault_proxy import FaultProxy
from tests.support.written import run
from wechat_login import wiring

DAY = 86_400


@pytest.fixture
def backend(deployed_with):
    return deployed_with(pages={}, Events="true")


@pytest.fixture
def replay(local_stage):
    """Run the command: `replay(says="yes")`."""

    def run_it(text=None, says="yes"):
        text = text or a_time(time.time() - 3600)
        environment = {**os.environ, **local_stage}
        return run_here(replaying.main, "local", text, environment=environment, stdin=f"{says}\n")

    return run_it


def a_time(at):
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def live(backend):
    for name in ("alice", "bob"):
        backend.person(name).register()
    backend.deployment.invoke("erase_user", {"openid": backend.person("bob").openid})


def test_what_the_outbox_has_is_published_again_in_order(backend, team, replay):
    live(backend)

    ran = replay()

    assert ran.returncode == 0, ran.stderr
    assert dict(line.split("\t") for line in ran.stdout.splitlines()) == {
        "user.created": "2",
        "user.erased": "1",
        "user.registered": "2",
    }
    assert "5 events of 2 users" in ran.stderr
    received = sorted(team.wait_for(5), key=lambda event: event["detail"]["openid"])
    for _, events in itertools.groupby(received, key=lambda event: event["detail"]["openid"]):
        revisions = [event["detail"]["revision"] for event in events]
        assert revisions == sorted(revisions)


def test_nothing_is_published_before_yes(backend, team, replay):
    live(backend)

    ran = replay(says="no")

    assert ran.returncode == 1
    assert "nothing was published" in ran.stderr
    assert team.hear() == []


def test_older_events_stay(backend, team, replay):
    live(backend)
    time.sleep(1.1)
    after = a_time(time.time())
    time.sleep(1.1)
    backend.person("carol").log_in()

    assert replay(after).stdout == "user.created\t1\n"
    assert [event["detail-type"] for event in team.wait_for(1)] == ["user.created"]


def test_an_empty_outbox_asks_nothing(local_stage):
    """By the command itself, with no other environment."""
    command = [sys.executable, "-m", "ops.replay", "local", a_time(time.time() - 3600)]

    ran = run(command, cwd=ROOT, env=local_stage, input="\n")

    assert ran.returncode == 0
    assert "0 events of 0 users" in ran.stderr
    assert "type yes" not in ran.stderr


def test_a_throttled_bus_is_asked_again(backend, team, replay, ministack, monkeypatch):
    live(backend)
    with FaultProxy(ministack.url).running() as bus:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bus.url)
        wiring.reset()
        bus.fail("PutEvents", times=4)

        ran = replay()

    assert ran.returncode == 0, ran.stderr
    assert len(team.wait_for(5)) == 5


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "-"])
def test_an_unreadable_time_gets_one_clear_line(replay, text):
    ran = replay(text or " ")

    assert ran.returncode == 1
    assert ran.stderr.startswith("make replay: SINCE=")
    assert len(ran.stderr.splitlines()) == 1


def test_a_time_that_the_outbox_has_no_more_is_refused():
    now = 1_800_000_000.0

    assert since(a_time(now - 7 * DAY), now) == now - 7 * DAY
    for at in (now - 7 * DAY - 1, now + 1):
        with pytest.raises(CannotGoOn, match="seven days"):
            since(a_time(at), now)


def test_a_time_without_a_zone_is_utc():
    now = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()

    assert since("2026-11-21T10:00", now) == now - 7200
    assert since("2026-11-21T10:00+08:00", now) == now - 10 * 3600
