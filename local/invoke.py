"""`python -m local.invoke login events/login.json`: one function, one event, no Docker.

Runs its own empty backend for this one call. Placeholders in an event are replaced by fresh values:
$LOGIN_CODE and $PHONE_CODE by codes from alice's phone, $OPENID by her openid, $SESSION by a new
session of hers, $TOKEN by her token, $USER_ID and $SID by claims of that token, $PUSH_TIMESTAMP,
$PUSH_SIGNATURE, $PUSH_ENCRYPT and $PUSH_MSG_SIGNATURE by parts of a message push about her, with
the nonce 1514711492.
"""

import argparse
import base64
import contextlib
import json
import os
import re
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from local.backend import Backend, backend
from local.errors import CannotRun
from local.functions import FunctionError
from simulated_wechat.message_push import as_text, encrypt, signature
from stack.errors import StackError
from stack.parameters import parse_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

PERSON = "alice"
NONCE = "1514711492"

_FRESH = re.compile(
    r"\$(LOGIN_CODE|PHONE_CODE|OPENID|UNIONID|SESSION|TOKEN|USER_ID|SID"
    r"|PUSH_(?:TIMESTAMP|SIGNATURE|ENCRYPT|MSG_SIGNATURE))\b"
)


def main() -> int:
    """Print the function's answer, and return 0 if it gave one."""
    arguments = _arguments()
    answer_goes_to = sys.stdout
    try:
        text = arguments.event.read_text("utf-8")
        json.loads(text)
        # With events, so that every function is there.
        parameters = {"Events": "true", **parse_parameters(arguments.parameters)}
        # Only the answer goes to standard output, not the function's log lines.
        with contextlib.redirect_stdout(sys.stderr), backend(parameters) as running:
            answer = running.api.invoke(arguments.function, fresh(text, running))
    except json.JSONDecodeError as fault:
        return _fail(f"{arguments.event} is no JSON: {fault}")
    except OSError as fault:
        return _fail(f"{arguments.event}: {fault.strerror}")
    except (CannotRun, FunctionError, StackError) as fault:
        return _fail(str(fault))
    print(json.dumps(answer, indent=2, ensure_ascii=False), file=answer_goes_to)
    return 0


def fresh(event: str, running: Backend) -> Any:
    """Read an event, and replace its placeholders by fresh values."""
    token, push = cache(lambda: _token(running)), cache(lambda: _push(running))
    values: dict[str, Callable[[], str]] = {
        "LOGIN_CODE": lambda: running.wechat.login_code(PERSON),
        "PHONE_CODE": lambda: running.wechat.phone_code(PERSON)["code"],
        "UNIONID": lambda: str(_log_in(running)["unionid"]),
        "OPENID": lambda: running.wechat.openid(PERSON),
        "SESSION": lambda: str(_log_in(running)["session"]),
        "TOKEN": token,
        "USER_ID": lambda: _claims(token())["sub"],
        "SID": lambda: _claims(token())["sid"],
        "PUSH_TIMESTAMP": lambda: push()["timestamp"],
        "PUSH_SIGNATURE": lambda: push()["signature"],
        "PUSH_ENCRYPT": lambda: push()["encrypted"],
        "PUSH_MSG_SIGNATURE": lambda: push()["msg_signature"],
    }
    return json.loads(_FRESH.sub(lambda name: values[name[1]](), event))


def _log_in(running: Backend) -> dict[str, Any]:
    body = {"code": running.wechat.login_code(PERSON)}
    login: dict[str, Any] = _post(running, "/login", body)
    return login


def _token(running: Backend) -> str:
    login = _log_in(running)
    if login["token"]:
        return str(login["token"])
    body = {"openid": login["openid"], "code": running.wechat.phone_code(PERSON)["code"]}
    return str(_post(running, "/phone", body, login["session"]))


def _claims(token: str) -> dict[str, str]:
    claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def _push(running: Backend) -> dict[str, str]:
    now, openid = int(time.time()), running.wechat.openid(PERSON)
    message: dict[str, str | int] = {
        "ToUserName": "gh_870882ca4b1",
        "FromUserName": openid,
        "CreateTime": now,
        "MsgType": "event",
        "Event": "user_info_modified",
        "OpenID": openid,
        "AppID": running.wechat.appid,
        "RevokeInfo": "6",
    }
    token, key = (
        running.api.ssm.get_parameter(Name=os.environ[name], WithDecryption=True)["Parameter"][
            "Value"
        ]
        for name in ("EVENT_TOKEN_PARAMETER", "EVENT_AES_KEY_PARAMETER")
    )
    encrypted = encrypt(as_text(message, as_xml=False).encode(), key, running.wechat.appid)
    return {
        "timestamp": str(now),
        "signature": signature(token, str(now), NONCE),
        "encrypted": encrypted,
        "msg_signature": signature(token, str(now), NONCE, encrypted),
    }


def _post(running: Backend, path: str, body: object, session: str = "") -> Any:
    headers = {"Authorization": f"Bearer {session}"}
    url = f"{running.api.url}{path}"
    return requests.post(url, json=body, headers=headers, timeout=30).json()["data"]


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
