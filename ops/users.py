"""`make user STAGE=prod DO="block +8613800138000 reason=spam"`: finds users and changes them.

    find USER                                the whole record, phone number in clear
    list [registered=] [blocked=] [appid=]   all users; reads the whole table and prints the cost
    block USER reason=… [until=2027-01-31]   ends the sessions and rejects the next login
    unblock USER
    roles USER editor,admin                  a comma-separated list; `none` removes all
    end-sessions USER
    erase USER
    merge USERID USERID… | unionid=…         gives the userIds of one person the oldest of them

USER is a phone number such as +8613800138000, a userId, an openid or unionid=…; for an openid or a
number of a second mini program, add appid=wx…. Each change is shown first and waits for `yes`.
With --json the answer is JSON.
"""

# ruff: noqa: T201 - a command line's module
import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ops.stage import CannotGoOn, Stage, aws, confirm, find

PHONE = re.compile(r"\+[0-9]{6,15}")
USER_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
OPENID = re.compile(r"[A-Za-z0-9_-]{10,128}")
COLUMNS = ("openid", "userId", "phone", "createdAt", "registeredAt", "roles", "blocked")
CHANGE = {"appid", "unionid", "reason"}
# The function and the options of each command.
COMMANDS = {
    "find": ("FindUser", {"appid", "unionid"}),
    "list": ("ListUsers", {"registered", "blocked", "appid"}),
    "block": ("UpdateUser", CHANGE | {"until"}),
    "unblock": ("UpdateUser", CHANGE),
    "roles": ("UpdateUser", CHANGE),
    "end-sessions": ("EndSessions", CHANGE),
    "erase": ("EraseUser", CHANGE),
    "merge": ("MergeUsers", {"unionid", "reason"}),
}
# Dollars for a million read units on demand, in us-east-1.
PRICE = 0.125


class InvalidCommand(CannotGoOn):
    """The command is not valid."""


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a command and the event for its function. Raises `InvalidCommand`."""
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise InvalidCommand(f"DO is not readable: {fault}") from None
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name not in COMMANDS:
        raise InvalidCommand(f'use DO="find …" or another of {", ".join(COMMANDS)}')
    values = [word for word in rest if "=" not in word]
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    if unknown := sorted(options.keys() - COMMANDS[name][1]):
        known = ", ".join(sorted(COMMANDS[name][1]))
        raise InvalidCommand(f"{name} has no option {unknown[0]}, only {known}")
    return name, _selection(name, values, options) | _change(name, values, options)


def _selection(name: str, values: list[str], options: dict[str, str]) -> dict[str, Any]:
    """Return the users that the command names, and remove their names from `values`."""
    if name == "merge":
        if ("unionid" in options) == bool(values) or len(values) == 1:
            raise InvalidCommand("merge takes two or more userIds, or unionid=…")
        named: dict[str, Any] = {"userIds": values[:]} if values else {}
        if not all(USER_ID.fullmatch(value) for value in values):
            raise InvalidCommand("merge takes userIds, such as find prints them")
        values.clear()
        return {**named, "dryRun": False}
    wanted = (name != "list" and "unionid" not in options) + (name == "roles")
    if len(values) != wanted:
        users = "no user" if name == "list" else "one user"
        raise InvalidCommand(f"{name} takes {users}{', and the roles' * (name == 'roles')}")
    return {} if name == "list" or "unionid" in options else _user(values.pop(0))


def _change(name: str, values: list[str], options: dict[str, str]) -> dict[str, Any]:
    change: dict[str, Any] = dict(options)
    match name:
        case "list":
            change |= {each: _flag(each, options) for each in options if each != "appid"}
        case "block":
            if not options.get("reason"):
                raise InvalidCommand("a block needs a reason: reason=spam")
            change["blocked"] = True
            if until := change.pop("until", None):
                change["endsAt"] = _time(until)
        case "unblock":
            change["blocked"] = False
        case "roles":
            change["roles"] = [] if values[0] == "none" else values[0].split(",")
    return change


def run(stage: Stage, text: str, *, as_json: bool) -> None:
    """Run a command, and print its answer. Raises `CannotGoOn`."""
    name, event = parse(text)
    caller = stage.client("sts").get_caller_identity
    event["by"] = "local" if stage.is_local else aws("asking who you are", caller)["Arn"]
    if name == "list":
        _list(stage, event, as_json=as_json)
        return
    if name != "find":
        _confirm(stage, name, event)
    answer = invoke(stage, COMMANDS[name][0], event)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        _print_answer(answer, sys.stdout)


def _confirm(stage: Stage, name: str, event: Mapping[str, Any]) -> None:
    """Show the users that a command changes, and read `yes`. Raises `CannotGoOn`."""
    if name == "merge":
        shown = invoke(stage, "MergeUsers", {**event, "dryRun": True})
        if not shown["merged"]:
            raise CannotGoOn(f"there is nothing to merge: {shown['kept']} is the only userId")
    else:
        names = ("userId", "unionid", "openid", "phone", "appid", "reason", "by")
        shown = invoke(stage, "FindUser", {each: event[each] for each in names if each in event})
        if not shown["users"] and name != "unblock":
            raise CannotGoOn("there is no such user")
    _print_answer(shown, sys.stderr)
    confirm(name, "nothing was changed")


def invoke(stage: Stage, function: str, event: Mapping[str, object]) -> dict[str, Any]:
    """Invoke a function of a stage, and return its answer. Raises `CannotGoOn`."""
    name = function if stage.is_local else stage.function(function)
    answer = aws(
        f"invoking {function}",
        stage.client("lambda").invoke,
        FunctionName=name,
        Payload=json.dumps(event).encode(),
    )
    returned: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CannotGoOn(_reason(str(returned.get("errorMessage", "the function failed"))))
    return returned


def _list(stage: Stage, event: dict[str, Any], *, as_json: bool) -> None:
    count, units = 0, 0.0
    for number, page in enumerate(_pages(stage, event)):
        count, units = count + len(page["users"]), units + page["readUnits"]
        if as_json:
            for user in page["users"]:
                print(json.dumps(user, ensure_ascii=False))
        else:
            _print(page["users"], sys.stdout, header=number == 0)
    cost = f"about ${units * PRICE / 1e6:.4f}"
    print(f"{count} users; {units:.0f} read units, {cost} on demand", file=sys.stderr)


def _pages(stage: Stage, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    page = invoke(stage, "ListUsers", event)
    yield page
    while page["next"]:
        page = invoke(stage, "ListUsers", {**event, "next": page["next"]})
        yield page


def _print_answer(answer: Mapping[str, Any], to: Any) -> None:
    if "merged" in answer:
        openids = ", ".join(f"{each['openid']} ({each['appid']})" for each in answer["users"])
        merged = ", ".join(answer["merged"])
        print(f"kept: {answer['kept']}, merged: {merged}, users: {openids}", file=to)
    elif "users" in answer:
        _print(answer["users"], to)
    else:
        print(", ".join(f"{name}: {number}" for name, number in answer.items()), file=to)


def _print(users: list[dict[str, Any]], to: Any, *, header: bool = True) -> None:
    if header:
        print("\t".join(COLUMNS), file=to)
    for user in users:
        print("\t".join(_cell(name, user[name]) for name in COLUMNS), file=to)


def _cell(name: str, value: Any) -> str:
    if not value:
        return "-"
    if name.endswith("At"):
        return _day(value)
    if name == "roles":
        return ",".join(value)
    if name == "blocked":
        until = f" until {_day(value['endsAt'])}" if value["endsAt"] else ""
        return f"{value['reason']}{until}"
    return str(value)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _user(text: str) -> dict[str, Any]:
    for name, pattern in (("phone", PHONE), ("userId", USER_ID), ("openid", OPENID)):
        if pattern.fullmatch(text):
            return {name: text}
    raise InvalidCommand(
        f"{text} is not a phone number such as +8613800138000, a userId or an openid"
    )


def _flag(name: str, options: Mapping[str, str]) -> bool:
    if options[name] not in ("true", "false"):
        raise InvalidCommand(f"{name} must be true or false")
    return options[name] == "true"


def _time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidCommand(f"until={text} is not a date such as 2027-01-31") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _reason(message: str) -> str:
    """Return the reason that a function of ours gives in `errorMessage`."""
    try:
        error = json.loads(message)
    except ValueError:
        return message
    return str(error.get("reason") or error.get("code")) if isinstance(error, dict) else message


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.users",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage")
    parser.add_argument("do", metavar="DO")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        parse(arguments.do)  # Before any call to AWS.
        run(find(arguments.stage), arguments.do, as_json=arguments.json)
    except CannotGoOn as reason:
        print(f"make user: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
