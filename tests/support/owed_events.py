"""Checks every write of every function during a run: a change of a user has its events along.

A pytest plugin, which gets each AWS client like tests.support.privileges. The run fails if, with
Events=true, a function wrote a user without the events of this change, or an event without a
change, and if it wrote any event with Events=false.
"""

import os

import pytest

from local.functions import running

SHOWN = {"nickname", "avatarUrl", "roles", "unionid"}
broken: list[str] = []


def initialize_client_plugin(client):
    """Listen to a client; botocore calls this."""
    client.meta.events.register("before-parameter-build.dynamodb.*", _check)


def _check(params, model, **_):
    if running.get() is not None:
        has_events = os.environ.get("EVENTS") == "true"
        found = faults(model.name, params, has_events=has_events)
        broken.extend(f"{running.get()}: {fault}" for fault in found)


def faults(operation, params, *, has_events):
    """Yield what is wrong with one call of DynamoDB."""
    written: dict[str, set[str]] = {}
    owed: dict[str, list[set[str]]] = {}
    for kind, write in _writes(operation, params):
        key = write.get("Item") or write["Key"]
        pk, sk = key["pk"]["S"], key["sk"]["S"]
        user = pk.partition("#")[2]
        if pk.startswith("EVENT#"):
            written.setdefault(user, set()).add(sk.partition("#user.")[2])
        elif sk == "PROFILE":
            owed[user] = list(_owed(kind, write))
    if not has_events:
        yield from (f"wrote {sorted(kinds)} without Events" for kinds in written.values())
        return
    for user in written.keys() | owed.keys():
        kinds = written.get(user, set())
        for choice in owed.get(user, []):
            if not kinds & choice:
                yield f"changed a user without an event of {sorted(choice)}"
        if more := kinds - set().union(*owed.get(user, [])):
            yield f"wrote {sorted(more)} without a change"


def _writes(operation, params):
    if operation == "TransactWriteItems":
        for each in params["TransactItems"]:
            yield from each.items()
    elif operation in ("PutItem", "UpdateItem", "DeleteItem"):
        yield operation.removesuffix("Item"), params


def _owed(kind, write):
    """Yield the types of which one has to be written along, for each change of a user."""
    if kind in ("Put", "Delete"):
        yield {"created"} if kind == "Put" else {"erased"}
    changed = set(write.get("ExpressionAttributeNames", {}).values()) if kind == "Update" else set()
    if changed & SHOWN:
        yield {"updated"}
    if "phoneIndex" in changed:
        yield {"registered", "unregistered"}
    if "blocked" in changed:
        yield {"blocked", "unblocked"}
    if "userId" in changed:
        yield {"merged", "updated"}


def pytest_configure(config):
    config.pluginmanager.register(OwedEvents(), "owed_events")


class OwedEvents:
    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        broken.extend(getattr(node, "workeroutput", {}).get("owed_events", []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["owed_events"] = broken
        elif broken and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter):
        if broken:
            terminalreporter.section("users changed without their events", red=True)
            for line in sorted(set(broken)):
                terminalreporter.line(line)
