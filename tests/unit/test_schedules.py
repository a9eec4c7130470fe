"""A scheduled function is invoked at the start and at its rate, even after failures."""

import sys
import threading
from types import ModuleType

import pytest

from local.functions import Functions
from local.schedules import Schedules, event_of
from stack.template import Function, Schedule


@pytest.fixture
def invoked():
    """Return a function that starts a schedule, and the events of the scheduled function."""
    events, third = [], threading.Event()

    def handler(event, context):  # noqa: ARG001 - the signature that it stands for
        events.append(event)
        if len(events) == 3:
            third.set()
        raise ValueError

    sys.modules["stand_in_tick"] = module = ModuleType("stand_in_tick")
    vars(module)["handler"] = handler

    def start(seconds):
        schedule = Schedule("Tick", seconds, None)
        tick = Function("Tick", "t", "arn", "stand_in_tick.handler", "", {}, 1, 128, (schedule,))
        schedules = Schedules({"Tick": tick}, Functions([tick]))
        schedules.start()
        return schedules

    yield start, events, third
    del sys.modules["stand_in_tick"]


def test_a_function_that_fails_is_invoked_again_at_its_rate(invoked):
    start, events, third = invoked

    schedules = start(seconds=0.01)

    assert third.wait(10)
    schedules.stop()
    assert events[0]["source"] == "aws.scheduler"


def test_a_function_is_invoked_once_at_the_start_and_not_after_the_end(invoked):
    start, events, _ = invoked

    schedules = start(seconds=3600)
    while not events:
        pass
    schedules.stop()

    assert len(events) == 1


def test_a_schedule_may_bring_an_event_of_its_own():
    assert event_of(Schedule("Tick", 60, {"mine": 1})) == {"mine": 1}
