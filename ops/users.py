"""`make user STAGE=prod DO="block +8613800138000 reason=spam"`: looks at users, and changes them.

    find WHO                                 the whole record, phone number in clear
    list [registered=] [blocked=] [appid=]   all users; reads the whole table, and says its cost
    block WHO reason=… [until=2027-01-31]    ends the sessions, and refuses the next login
    unblock WHO
    roles WHO editor,admin                   a comma-separated list; `none` removes all
    end-sessions WHO
    erase WHO

WHO is a phone number such as +8613800138000, a userId or an openid; of a second mini program, with
appid=wx…. Each change is shown first and waits for `yes`. With --json the answer is JSON.
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

from ops.stage import CannotGoOn, Stage, aws, find

PHONE = re.compile(r"\+[0-9]{6,15}")
USER_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
OPENID = re.compile(r"[A-Za-z0-9_-]{10,128}")
COLUMNS = ("openid", "userId", "phone", "createdAt", "registeredAt", "roles", "blocked")
# The function, and the options, of each thing to do.
DOINGS = {
    "find": ("FindUser", {"appid"}),
    "list": ("ListUsers", {"registered", "blocked", "appid"}),
    "block": ("UpdateUser", {"appid", "reason", "until"}),
    "unblock": ("UpdateUser", {"appid", "reason"}),
    "roles": ("UpdateUser", {"appid", "reason"}),
    "end-sessions": ("EndSessions", {"appid", "reason"}),
    "erase": ("EraseUser", {"appid", "reason"}),
}
# Dollars for a million read units on demand, in us-east-1.
PRICE = 0.125


class Wrong(CannotGoOn):
    """What was asked for is not understood."""


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Return what to do, and the event for its function. Raises `Wrong`."""
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise Wrong(f"DO is not readable: {fault}") from None
    doing, rest = (words[0], words[1:]) if words else ("", [])
    if doing not in DOINGS:
        raise Wrong(f'say what to do: DO="find …"; there are {", ".join(DOINGS)}')
    plain = [word for word in rest if "=" not in word]
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    if unknown := sorted(options.keys() - DOINGS[doing][1]):
        raise Wrong(f"{doing} has no option {unknown[0]}")
    wanted = {"list": 0, "roles": 2}.get(doing, 1)
    if len(plain) != wanted:
        raise Wrong(f"{doing} takes {('nobody', 'one user', 'one user, and the roles')[wanted]}")
    return doing, (_who(plain[0]) if plain else {}) | _change(doing, plain, options)


def _change(doing: str, plain: list[str], options: dict[str, str]) -> dict[str, Any]:
    change: dict[str, Any] = dict(options)
    match doing:
        case "list":
            change |= {each: _flag(each, options) for each in options if each != "appid"}
        case "block":
            if not options.get("reason"):
                raise Wrong("a block needs a reason: reason=spam")
            change["blocked"] = True
            if until := change.pop("until", None):
                change["endsAt"] = _time(until)
        case "unblock":
            change["blocked"] = False
        case "roles":
            change["roles"] = [] if plain[1] == "none" else plain[1].split(",")
    return change


def act(stage: Stage, text: str, *, as_json: bool) -> None:
    """Do it, and print the answer. Raises `CannotGoOn`."""
    doing, event = parse(text)
    who_asks = stage.client("sts").get_caller_identity
    event["by"] = "local" if stage.is_local else aws("asking who you are", who_asks)["Arn"]
    if doing == "list":
        _list(stage, event, as_json=as_json)
        return
    if doing != "find":
        asked = {name: event[name] for name in event if name not in ("roles", "blocked", "endsAt")}
        found = invoke(stage, "FindUser", asked)["users"]
        if not found and doing != "unblock":
            raise CannotGoOn("there is no such user")
        _print(found, sys.stderr)
        print(f"{doing}: type yes to go on: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != "yes":
            raise CannotGoOn("nothing was changed")
    answer = invoke(stage, DOINGS[doing][0], event)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif "users" in answer:
        _print(answer["users"], sys.stdout)
    else:
        print(", ".join(f"{name}: {number}" for name, number in answer.items()))


def invoke(stage: Stage, function: str, event: Mapping[str, object]) -> dict[str, Any]:
    """Invoke a function of a stage, and return its answer. Raises `CannotGoOn`."""
    name = function if stage.is_local else stage.function(function)
    answer = aws(
        f"invoking {function}",
        stage.client("lambda").invoke,
        FunctionName=name,
        Payload=json.dumps(event).encode(),
    )
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CannotGoOn(_reason(str(said.get("errorMessage", "the function failed"))))
    return said


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


def _who(text: str) -> dict[str, Any]:
    for name, pattern in (("phone", PHONE), ("userId", USER_ID), ("openid", OPENID)):
        if pattern.fullmatch(text):
            return {name: text}
    raise Wrong(f"{text} is no phone number such as +8613800138000, no userId and no openid")


def _flag(name: str, options: Mapping[str, str]) -> bool:
    if options[name] not in ("true", "false"):
        raise Wrong(f"{name} is true or false")
    return options[name] == "true"


def _time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"until={text} is no date such as 2027-01-31") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _reason(message: str) -> str:
    """Return what a function of ours says in `errorMessage`, in a line."""
    try:
        said = json.loads(message)
    except ValueError:
        return message
    return str(said.get("reason") or said.get("code")) if isinstance(said, dict) else message


def main() -> int:
    """Do one thing; return 0 if that worked."""
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
        parse(arguments.do)  # Before anything is asked of AWS.
        act(find(arguments.stage), arguments.do, as_json=arguments.json)
    except CannotGoOn as reason:
        print(f"make user: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
