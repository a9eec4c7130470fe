"""Invokes the scheduled functions: once at the start, then at their rate."""

import logging
import threading
import time
import uuid
from collections.abc import Mapping

from local.background import Background
from local.functions import FunctionError, Functions
from stack.cloudformation import ACCOUNT, REGION
from stack.template import Function, Schedule

log = logging.getLogger(__name__)


class Schedules(Background):
    """One thread for each schedule, between `start` and `stop`."""

    def __init__(self, stack_functions: Mapping[str, Function], functions: Functions) -> None:
        self._functions = functions
        super().__init__()
        self._threads = [
            threading.Thread(
                target=self._run, args=(function, schedule), name=function.logical_id, daemon=True
            )
            for function in stack_functions.values()
            for schedule in function.schedules
        ]

    def _run(self, function: Function, schedule: Schedule) -> None:
        while not self._stopped.is_set():
            try:
                self._functions.invoke(function.logical_id, event_of(schedule))
            except FunctionError as error:
                log.error("on a schedule, %s", error)  # noqa: TRY400 - the log has the traceback
            self._stopped.wait(schedule.seconds)


def event_of(schedule: Schedule) -> object:
    """Make the event that EventBridge Scheduler sends if the schedule has no Input."""
    if schedule.event is not None:
        return schedule.event
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        "resources": [
            f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{schedule.logical_id}"
        ],
        "detail": "{}",
    }
