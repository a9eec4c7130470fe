"""Prints a history in readable lines: seconds, the step, and what happened."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.world import START, Line
from tests.support.dynamodb import untyped

WIDTH = 150
SHORT = 14


def printed(lines: Sequence[Line]) -> str:
    """Return the lines of a history as text."""
    return "\n".join(
        f"{line.at - START:10.3f}  {line.step:14} {_what(line)}"[:WIDTH]
        for line in lines
        if line.step != "start"
    )


def _what(line: Line) -> str:
    if not line.details:
        return line.what
    if len(line.details) == 1:
        return f"{line.what}  → {line.details[0]}"
    request, outcome = line.details
    return f"{line.what} {_request(request)} → {_outcome(outcome)}"


def _request(request: Mapping[str, Any]) -> str:
    if "TransactItems" in request:
        actions = [next(iter(each.items())) for each in request["TransactItems"]]
        return "; ".join(f"{name} {_target(each)}" for name, each in actions)
    if "Names" in request:
        return ", ".join(name.rpartition("/")[2] for name in request["Names"])
    return _target(request)


def _target(request: Mapping[str, Any]) -> str:
    if "Name" in request:
        return str(request["Name"])
    key = untyped(request.get("Key") or request.get("Item") or {})
    kind, _, rest = key.get("pk", "").partition("#")
    expression = request.get("UpdateExpression", "")
    return f"{kind} …{rest[-6:]} {expression}".strip()


def _outcome(outcome: Any) -> str:
    if isinstance(outcome, ClientError):
        response: Any = outcome.response
        reasons = [each["Code"] for each in response.get("CancellationReasons", ())]
        return f"{response['Error']['Code']} {', '.join(reasons)}".strip()
    if "Item" in outcome or "Attributes" in outcome:
        item = untyped(outcome.get("Item") or outcome["Attributes"])
        sessions = len(item.get("sessions", ()))
        shown = {
            name: str(value)[-SHORT:]
            for name, value in item.items()
            if name
            in ("revision", "userId", "phoneIndex", "registeredAt", "linked", "phoneRemovedAt")
        }
        return f"{shown} sessions: {sessions}" if "sessions" in item else str(shown)
    return "ok"
