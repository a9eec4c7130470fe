"""`python -m local.invoke login events/login.json`: one function, one event, no Docker.

Runs a backend of its own, from nothing, for as long as that takes. What an event needs to be
fresh is written into it by name and filled in: $LOGIN_CODE and $PHONE_CODE are what WeChat would
give on alice's phone, $OPENID is hers, and $SESSION is one that she has just opened.
"""

import argparse
import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from local.backend import Backend, backend
from local.errors import CannotRun
from local.functions import FunctionError
from local.run import parse_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

PERSON = "alice"

_FRESH = re.compile(r"\$(LOGIN_CODE|PHONE_CODE|OPENID|SESSION)\b")


def main() -> int:
    """Print the function's answer, and return 0 if it gave one."""
    arguments = _arguments()
    answer_goes_to = sys.stdout
    try:
        text = arguments.event.read_text("utf-8")
        json.loads(text)
        parameters = parse_parameters(arguments.parameters)
        # The answer alone goes to standard output; the function's log lines do not.
        with contextlib.redirect_stdout(sys.stderr), backend(parameters) as running:
            answer = running.api.invoke(arguments.function, fresh(text, running))
    except json.JSONDecodeError as fault:
        return _fail(f"{arguments.event} is no JSON: {fault}")
    except OSError as fault:
        return _fail(f"{arguments.event}: {fault.strerror}")
    except (CannotRun, FunctionError) as fault:
        return _fail(str(fault))
    print(json.dumps(answer, indent=2, ensure_ascii=False), file=answer_goes_to)
    return 0


def fresh(event: str, running: Backend) -> Any:
    """Read an event with what has to be fresh in it filled in."""
    values: dict[str, Callable[[], str]] = {
        "LOGIN_CODE": lambda: running.wechat.login_code(PERSON),
        "PHONE_CODE": lambda: running.wechat.phone_code(PERSON)["code"],
        "OPENID": lambda: running.wechat.openid(PERSON),
        "SESSION": lambda: _open_session(running),
    }
    return json.loads(_FRESH.sub(lambda name: values[name[1]](), event))


def _open_session(running: Backend) -> str:
    code = running.wechat.login_code(PERSON)
    answer = requests.post(f"{running.api.url}/login", json={"code": code}, timeout=30).json()
    session: str = answer["data"]["session"]
    return session


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.invoke", description=__doc__)
    parser.add_argument("function", help="its module or its logical id: login, Login")
    parser.add_argument("event", type=Path, help="a JSON file, such as events/login.json")
    parser.add_argument(
        "--parameters",
        metavar="'NAME=VALUE …'",
        default=os.environ.get("PARAMETERS", ""),
        help="parameters of template.yaml; also the variable PARAMETERS",
    )
    return parser.parse_args()


def _fail(reason: str) -> int:
    print(f"python -m local.invoke: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
