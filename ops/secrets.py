"""`python -m ops.secrets STAGE`: puts a deployment's secrets into SSM, or rotates one of them.

What a person has to know is asked for: the AppID, and the AppSecret without showing it. Where there
is no terminal, both come from WECHAT_APPID and WECHAT_APP_SECRET, or as lines on standard input.
The AppSecret is never an argument, which other programs could read. What is there already stays as
it is; `--rotate NAME` changes one thing, after saying what that does. `--appid wx…` adds one more
mini program, or with `--remove` takes it away.
"""

# ruff: noqa: A005, TID251, T201 - a command line's module, named for what it is asked for
import argparse
import getpass
import json
import os
import re
import secrets
import string
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.stage import APP_SECRETS, APPID, AWS_KEY, CannotGoOn, Stage, aws, find, keys_of
from wechat_login.storage.sealing import new_keyring, with_new_key
from wechat_login.tokens.signing_keys import new_signing_keys, public_part

AppIdShape = re.compile(r"wx[0-9a-f]{16}")
AppSecretShape = re.compile(r"[0-9a-zA-Z]{32}")
ALPHABET = string.ascii_letters + string.digits
TOKEN_LENGTH = 32
AES_KEY_LENGTH = 43  # WeChat's rule
WHERE = "WeChat's console (mp.weixin.qq.com), under development, development settings"
UNTIL_TYPED = f"Until you have typed the new one into {WHERE}, every push is rejected."
# Functions cache parameters for this time.
IN_USE = "It is in use within five minutes or so."

# The effect of each rotation, printed before it is done.
ROTATIONS = {
    "app-secret": (
        f"Replaces the AppSecret by the one you have just been given in {WHERE}. The functions "
        "read it again as soon as WeChat rejects the former one; nothing has to be deployed."
    ),
    "signing-keys": (
        "Makes the function RotateSigningKeys create a new key now. The key is published at once "
        "and signs after one day; the former key is removed after its last token expires. Nobody "
        "is logged out."
    ),
    "sealing-key": (
        "Adds a sealing key, with which phone numbers are sealed from now on. Values sealed with "
        "former keys stays readable, and the key of the index stays the same."
    ),
    "event-token": (f"Replaces the Token of WeChat's message push. {UNTIL_TYPED}"),
    "event-aes-key": (f"Replaces the EncodingAESKey of WeChat's message push. {UNTIL_TYPED}"),
}


@dataclass(frozen=True)
class Store:
    """The parameters of a stage in SSM."""

    stage: Stage

    def name(self, parameter: str) -> str:
        """Return a parameter's whole name."""
        return self.stage.prefix + parameter

    def read(self, parameter: str) -> str | None:
        """Return a parameter's value, or None."""
        answer = aws(
            f"reading {self.name(parameter)}",
            self.stage.client("ssm").get_parameters,
            Names=[self.name(parameter)],
            WithDecryption=True,
        )
        found: list[dict[str, str]] = answer["Parameters"]
        return found[0]["Value"] if found else None

    def add(self, parameter: str, value: str) -> bool:
        """Put a parameter if it is missing; return whether it was put."""
        ssm = self.stage.client("ssm")
        kind = "String" if parameter == APPID else "SecureString"
        try:
            ssm.put_parameter(
                Name=self.name(parameter),
                Value=value,
                Type=kind,
                Overwrite=False,
                **(self._key if kind == "SecureString" else {}),
            )
        except ssm.exceptions.ParameterAlreadyExists:
            return False
        except Exception as refused:  # noqa: BLE001 - AWS's text may quote what was put
            raise CannotGoOn(f"writing {self.name(parameter)}: {_code(refused)}") from None
        return True

    def replace(self, parameter: str, value: str) -> None:
        """Overwrite a parameter."""
        aws(
            f"writing {self.name(parameter)}",
            self.stage.client("ssm").put_parameter,
            Name=self.name(parameter),
            Value=value,
            Type="SecureString",
            Overwrite=True,
            **self._key,
        )

    @property
    def _key(self) -> dict[str, str]:
        # If an existing parameter is overwritten without one, it falls back to AWS's key.
        key = self.stage.overrides.get("KmsKeyArn", "")
        return {"KeyId": key} if key else {}

    def remove(self, parameter: str) -> None:
        """Delete a parameter, if it is there."""
        ssm, name = self.stage.client("ssm"), self.name(parameter)
        aws(f"deleting {name}", ssm.delete_parameters, Names=[name])

    def app_secrets(self) -> dict[str, str]:
        """Return the AppSecret of each AppID. Raises `CannotGoOn`."""
        text = self.read(APP_SECRETS)
        if text is None:
            again = f"make secrets STAGE={self.stage.name}"
            raise CannotGoOn(f"{self.name(APP_SECRETS)} is not there yet: {again}")
        try:
            secrets_by_appid = dict(json.loads(text))
        except (TypeError, ValueError):
            secrets_by_appid = {}
        if not secrets_by_appid:
            raise _unreadable(self, APP_SECRETS)
        return secrets_by_appid

    def first(self) -> str:
        """Return the AppID of the first mini program."""
        local = self.stage.running.get("parameters", {}).get("WeChatAppId")
        return str(self.read(APPID) or local or next(iter(self.app_secrets())))

    def move(self) -> None:
        """Encrypt all parameters by the chosen key, if the functions may use that key."""
        wanted = self._key.get("KeyId", AWS_KEY)
        others = sorted(name for name, key in keys_of(self.stage).items() if key != wanted)
        stack = self.stage.stack() if others else None
        settings = {
            each["ParameterKey"]: each["ParameterValue"]
            for each in (stack or {}).get("Parameters", [])
        }
        if self._key and stack and settings.get("KmsKeyArn") != wanted:
            again = f"make deploy STAGE={self.stage.name}, then this again"
            print(f"\nNot yet encrypted by {wanted}, which the functions may not use: {again}")
            return
        for name in others:
            value = self.read(name)
            if value is not None:
                self.replace(name, value)
                print(f"moved {self.name(name)} to {wanted}")


def _code(refused: Exception) -> str:
    response: Mapping[str, Any] = getattr(refused, "response", {})
    return str(response.get("Error", {}).get("Code", type(refused).__name__))


class Questions:
    """Reads input from a person, the environment, or standard input."""

    def appid(self) -> str:
        """Return the AppID."""
        return self._ask("WECHAT_APPID", "AppID: ", AppIdShape, input)

    def app_secret(self) -> str:
        """Return the AppSecret, which the terminal does not show."""
        return self._ask(
            "WECHAT_APP_SECRET", "AppSecret (not shown): ", AppSecretShape, getpass.getpass
        )

    def agreed(self, name: str) -> bool:
        """Return whether the person typed the name, as a confirmation."""
        if not sys.stdin.isatty():
            return True
        return input(f"Type {name} to go on: ").strip() == name

    def _ask(
        self, variable: str, prompt: str, shape: re.Pattern[str], ask: Callable[[str], str]
    ) -> str:
        answer = os.environ.get(variable)
        if answer is None:
            answer = ask(prompt) if sys.stdin.isatty() else sys.stdin.readline()
        answer = answer.strip()
        if not shape.fullmatch(answer):
            # The input is not repeated: it may be the right secret with a typing error.
            what = prompt.partition(" ")[0].rstrip(":")
            raise CannotGoOn(f"that is no {what}: wanted {shape.pattern}")
        return answer


def convert(store: Store) -> None:
    """Carry over what earlier versions stored for their only mini program.

    The former parameters stay: the release before this reads them.
    """
    former, appid = store.read("app-secret"), store.read(APPID)
    if former is None or appid is None or store.read(APP_SECRETS) is not None:
        return
    _report(store, APP_SECRETS, store.add(APP_SECRETS, json.dumps({appid: former})))
    token = store.read("access-token")
    if token is not None:
        _report(store, f"access-token/{appid}", store.add(f"access-token/{appid}", token))
    names = f"{store.name('app-secret')} {store.name('access-token')}"
    print("The release before this one reads the former two. Once it is not needed any more:")
    print(f"  {store.stage.aws_command(f'ssm delete-parameters --names {names}')}")


def add(store: Store, appid: str, ask: Questions) -> None:
    """Let the deployment serve one more mini program."""
    if not AppIdShape.fullmatch(appid):
        raise CannotGoOn(f"that is no AppID: wanted {AppIdShape.pattern}")
    known = store.app_secrets()
    if appid in known:
        print(f"kept  {appid}; for another AppSecret add ROTATE=app-secret")
        return
    store.replace(APP_SECRETS, json.dumps({**known, appid: ask.app_secret()}))
    print(f"added {appid}. {IN_USE}")
    if not store.stage.is_local:
        token, key = store.name("event-token"), store.name("event-aes-key")
        print(f"For message pushes, type {token} and {key} into {WHERE}, as for the others.")


def remove(store: Store, appid: str, ask: Questions) -> None:
    """Let the deployment no longer serve a mini program."""
    known = store.app_secrets()
    if appid not in known:
        raise CannotGoOn(f"{appid} is not there; there are {', '.join(sorted(known))}")
    if appid == store.first():
        raise CannotGoOn(f"{appid} is the first mini program, WeChatAppId, which has to stay")
    print(f"Nobody can log in to {appid} any more. Its users and their sessions stay in the table.")
    if not ask.agreed(appid):
        raise CannotGoOn("nothing was changed")
    del known[appid]
    store.replace(APP_SECRETS, json.dumps(known))
    store.remove(f"access-token/{appid}")
    print(f"Done. {IN_USE}")


def set_up(store: Store, ask: Questions) -> None:
    """Put the missing secrets, and keep the existing ones."""
    makers: dict[str, Callable[[], str]] = {
        APPID: ask.appid,
        APP_SECRETS: lambda: json.dumps({store.first(): ask.app_secret()}),
        "sealing-key": new_keyring,
        "event-token": lambda: _random(TOKEN_LENGTH),
        "event-aes-key": lambda: _random(AES_KEY_LENGTH),
    }
    for parameter, make in makers.items():
        put = store.read(parameter) is None and store.add(parameter, make())
        _report(store, parameter, put)
    for parameter, put in _signing_keys(store).items():
        _report(store, parameter, put)
    if not store.stage.is_local:
        store.move()
    if store.stage.is_local:
        print(f"\nNothing has to be deployed. {IN_USE}")
        return
    stage, token, key = store.stage.name, store.name("event-token"), store.name("event-aes-key")
    print(f"\nNext: make deploy STAGE={stage}, then make doctor STAGE={stage}.")
    print(f"For message pushes, type {token} and {key} into {WHERE}; this shows one:")
    show = f"ssm get-parameter --with-decryption --name {token} --query Parameter.Value"
    print(f"  {store.stage.aws_command(show)}")


def _signing_keys(store: Store) -> dict[str, bool]:
    private, public = store.read("signing-keys"), store.read("public-keys")
    if private is None and public is not None:
        # The valid tokens were signed by a key that is lost, so a person has to decide.
        raise CannotGoOn(
            f"{store.name('public-keys')} is there and {store.name('signing-keys')} is not: "
            "restore it, or delete the former, which ends every token"
        )
    if private is None:
        private, made = new_signing_keys(time.time())
        if not store.add("signing-keys", private):
            raise CannotGoOn("somebody else is setting up this stage right now: try again")
        return {"signing-keys": True, "public-keys": store.add("public-keys", made)}
    put = public is None and store.add("public-keys", _public_halves(store, private))
    return {"signing-keys": False, "public-keys": put}


def _public_halves(store: Store, private: str) -> str:
    try:
        keys = [public_part(key) for key in json.loads(private)["keys"]]
    except (KeyError, TypeError, ValueError):
        raise _unreadable(store, "signing-keys") from None
    return json.dumps({"keys": keys})


def _with_new_sealing_key(store: Store, former: str) -> str:
    try:
        return with_new_key(former)
    except (KeyError, TypeError, ValueError):
        raise _unreadable(store, "sealing-key") from None


def _unreadable(store: Store, parameter: str) -> CannotGoOn:
    return CannotGoOn(
        f"{store.name(parameter)} cannot be read: restore it from SSM's parameter history"
    )


def rotate(store: Store, name: str, ask: Questions, appid: str | None = None) -> None:
    """Change one thing, after saying what that does; an AppSecret is the first's or `appid`'s."""
    if name == "app-secret":
        _rotate_app_secret(store, appid or store.first(), ask)
        return
    former = store.read(name)
    if former is None:
        raise CannotGoOn(
            f"{store.name(name)} is not there yet: make secrets STAGE={store.stage.name}"
        )
    print(f"{store.name(name)}: {ROTATIONS[name]}")
    if not ask.agreed(name):
        raise CannotGoOn("nothing was changed")
    if name == "signing-keys":
        _invoke_rotation(store.stage)
    else:
        makers: dict[str, Callable[[], str]] = {
            "sealing-key": lambda: _with_new_sealing_key(store, former),
            "event-token": lambda: _random(TOKEN_LENGTH),
            "event-aes-key": lambda: _random(AES_KEY_LENGTH),
        }
        store.replace(name, makers[name]())
    print(f"Done. {IN_USE}")


def _rotate_app_secret(store: Store, appid: str, ask: Questions) -> None:
    known = store.app_secrets()
    if appid not in known:
        raise CannotGoOn(f"{appid} is not there yet: add it without ROTATE")
    print(f"{appid}: {ROTATIONS['app-secret']}")
    if not ask.agreed("app-secret"):
        raise CannotGoOn("nothing was changed")
    store.replace(APP_SECRETS, json.dumps({**known, appid: ask.app_secret()}))
    print(f"Done. {IN_USE}")


def _invoke_rotation(stage: Stage) -> None:
    if stage.is_local:
        raise CannotGoOn("a local run rotates its signing keys itself, at its start and daily")
    answer = aws(
        "invoking RotateSigningKeys",
        stage.client("lambda").invoke,
        FunctionName=stage.function("RotateSigningKeys"),
        Payload=b'{"now": true}',
    )
    if "FunctionError" in answer:
        raise CannotGoOn("RotateSigningKeys failed: see its log, or make doctor")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _report(store: Store, parameter: str, put: bool) -> None:
    print(f"{'made' if put else 'kept'}  {store.name(parameter)}")


def main() -> int:
    """Set a stage up, or change one of its secrets."""
    parser = argparse.ArgumentParser(prog="python -m ops.secrets", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--rotate", metavar="NAME", choices=ROTATIONS, help=", ".join(ROTATIONS))
    parser.add_argument("--appid", metavar="wx…", help="one more mini program to add")
    parser.add_argument("--remove", action="store_true", help="take that mini program away")
    arguments = parser.parse_args()
    if arguments.remove and not arguments.appid:
        parser.error("--remove needs --appid")
    try:
        store, ask = Store(find(arguments.stage)), Questions()
        convert(store)
        if arguments.rotate:
            rotate(store, arguments.rotate, ask, arguments.appid)
        elif arguments.remove:
            remove(store, arguments.appid, ask)
        elif arguments.appid:
            add(store, arguments.appid, ask)
        else:
            set_up(store, ask)
    except CannotGoOn as reason:
        print(f"make secrets: {reason}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print(
            "\nmake secrets: cancelled; finished steps stay, and the next run continues",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
