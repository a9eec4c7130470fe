"""One invocation of a function: its deadline, its log line and its metrics.

Any part of the layer reports facts by `note` and `count`; they go into one log line, which is
written when the invocation ends.
"""

import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from wechat_login.errors import BadRequest, LoginError

Event = Mapping[str, Any]

# Also the name of the logger that every module's own logger is a child of.
SERVICE = "wechat_login"
NAMESPACE = "WeChatLogin"
# The time left outside an invocation: in a unit test, in a script.
NO_DEADLINE = 10.0
SERVER_ERROR = 500
# A shorter openid would be shown nearly whole by its first and last four characters.
SHORTEST_MASKED = 12
LONGEST_LINE = 200

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_line: ContextVar[dict[str, Any]] = ContextVar("line")


@contextmanager
def invocation(route: str, context: Any, **line: object) -> Iterator[None]:
    """Let `time_left`, `note` and `count` refer to this invocation, and log it at its end.

    A bug is raised as a `LoginError`: Lambda logs the text of an exception, which may quote a
    secret, so the log line has only the bug's type and place.
    """
    started = time.monotonic()
    line = {"route": route, "status": 200, **line}
    deadline = _deadline.set(started + context.get_remaining_time_in_millis() / 1000)
    outer = _line.set(line)
    log = _logger().info
    try:
        yield
    except LoginError as error:
        log = _logger().error if error.status >= SERVER_ERROR else _logger().warning
        line.update(error.facts, status=error.status, code=error.code)
        raise
    except Exception as bug:  # noqa: BLE001 - the edge: nobody else handles bugs
        log = _logger().error
        frames = traceback.extract_tb(bug.__traceback__)[1:]
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        line.update(status=500, code=LoginError.code, bug=type(bug).__name__, where=where)
        raise LoginError from None
    finally:
        _deadline.reset(deadline)
        _line.reset(outer)
        line["ms"] = round((time.monotonic() - started) * 1000, 1)
        log("request", extra={"request": line})
        _count(route, line)


def task(handle: Callable[[Event], Mapping[str, object]]) -> Callable[[Event, Any], dict[str, Any]]:
    """Make a Lambda handler for a schedule or a direct call, which raises a `LoginError`.

    Such an error is counted and, on a schedule, Lambda retries the invocation.
    """

    @wraps(handle)
    def handler(event: Event, context: Any) -> dict[str, Any]:
        with invocation(handle.__module__, context):
            return dict(handle(_checked(event)))

    return handler


def _checked(event: Event) -> Event:
    """Return an event that is a JSON object whose texts can be stored. Raises `BadRequest`."""
    try:
        # A lone surrogate is valid JSON, but cannot be encoded as UTF-8 later.
        json.dumps(event, ensure_ascii=False).encode()
    except ValueError:
        raise BadRequest("The event has text that is not Unicode.") from None
    if not isinstance(event, Mapping):
        raise BadRequest("The event is not a JSON object.")
    return event


def time_left() -> float:
    """Return the seconds until Lambda ends the current invocation."""
    deadline = _deadline.get()
    return NO_DEADLINE if deadline is None else deadline - time.monotonic()


def note(**facts: object) -> None:
    """Add facts to the log line of the current invocation; an openid is masked."""
    if "openid" in facts:
        facts["openid"] = masked(str(facts["openid"]))
    _line.get({}).update(facts)


def count(**times: int) -> None:
    """Count events of the current invocation, in the metrics and in its log line."""
    counts = _line.get({}).setdefault("counts", {})
    for name, number in times.items():
        counts[name] = counts.get(name, 0) + number


def note_act(act: str, event: Event, openids: Iterable[str]) -> None:
    """Add to the log line what an operator did, to whom, why and who it was; count it.

    A call by IAM does not say who makes it, so `by` is what the caller says of themselves.
    """
    by, reason = (_without_numbers(event.get(name)) for name in ("by", "reason"))
    note(act=act, by=by or "unknown", reason=reason, users=[masked(each) for each in openids])
    count(OperatorActions=1)


def note_wechat_call(path: str, said: int | str, ms: float) -> None:
    """Add a call of WeChat's API to the current log line: its errcode, or its kind of failure."""
    call = {"api": path, "said": said, "ms": round(ms, 1)}
    _line.get({}).setdefault("wechat", []).append(call)


def masked(openid: str) -> str:
    """Return the parts of an openid that suffice to follow a user through the log."""
    return f"{openid[:4]}…{openid[-4:]}" if len(openid) > SHORTEST_MASKED else "…"


def _without_numbers(text: object) -> str:
    """Return a line that an operator wrote without what may be a phone number."""
    line = text[:LONGEST_LINE] if isinstance(text, str) and text.isprintable() else ""
    return re.sub(r"\d[\d -]{5,}\d", "…", line)


@cache
def _logger() -> Logger:
    return Logger(service=SERVICE)


def _count(route: str, line: Mapping[str, Any]) -> None:
    """Print the metrics of one invocation in CloudWatch's embedded metric format."""
    failed = int(line["status"] >= SERVER_ERROR)
    _flush({"route": route}, Requests=1, Failures=failed, Latency=line["ms"])
    if "code" in line:
        _flush({"code": line["code"]}, Refusals=1)
    if "counts" in line:
        _flush({}, **line["counts"])
    for call in line.get("wechat", ()):
        _flush({"api": call["api"], "said": str(call["said"])}, WeChatLatency=call["ms"])


def _flush(dimensions: Mapping[str, str], **metrics: float) -> None:
    # Not Powertools' usual `Metrics`: its state is shared by all threads, ours is one invocation's.
    emf = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in dimensions.items():
        emf.add_dimension(name, value)
    for name, number in metrics.items():
        emf.add_metric(name, unit_of(name), number)
    emf.flush_metrics()


def unit_of(metric: str) -> MetricUnit:
    return MetricUnit.Milliseconds if metric.endswith("Latency") else MetricUnit.Count
