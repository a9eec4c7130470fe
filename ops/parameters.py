"""`python -m ops.parameters STAGE`: the parameters that `make deploy` gives to `sam deploy`.

They are those of the stage in samconfig.toml, those of the variable PARAMETERS, and the AppID,
which `make secrets` has put into SSM.
"""

# ruff: noqa: TID251, T201 - a command line's module
import argparse
import os
import sys

from ops.stage import APPID, CannotGoOn, Stage, aws, find, overrides
from stack.cloudformation import load_template, text_of
from stack.errors import BadParameter
from stack.parameters import parse_parameters
from stack.template import TEMPLATE


def for_deployment(stage: Stage) -> dict[str, str]:
    """Give every parameter that is not left at its default. Raises `CannotGoOn`."""
    chosen = {**stage.overrides, **_given()}
    if "WeChatAppId" not in chosen:
        chosen["WeChatAppId"] = _appid(stage)
    for name, value in chosen.items():
        if set(value) & set(" \t\n\"'"):
            raise CannotGoOn(f"the parameter {name} holds a blank or a quote")
    return chosen


def one(stage: str, name: str) -> str:
    """Give one parameter without asking AWS; no stage means the template's default."""
    default = text_of(load_template(TEMPLATE)["Parameters"][name].get("Default", ""))
    chosen = {**overrides(stage), **_given()} if stage else _given()
    return chosen.get(name, default)


def _given() -> dict[str, str]:
    try:
        return parse_parameters(os.environ.get("PARAMETERS", ""))
    except BadParameter as fault:
        raise CannotGoOn(str(fault)) from None


def _appid(stage: Stage) -> str:
    name = stage.prefix + APPID
    answer = aws("reading the AppID", stage.client("ssm").get_parameters, Names=[name])
    if not answer["Parameters"]:
        raise CannotGoOn(f"SSM has no {name}: make secrets STAGE={stage.name}")
    appid: str = answer["Parameters"][0]["Value"]
    return appid


def main() -> int:
    """Print `Name=value` pairs, or one value."""
    parser = argparse.ArgumentParser(prog="python -m ops.parameters", description=__doc__)
    parser.add_argument("stage", nargs="?", default="")
    parser.add_argument("--only", metavar="NAME", help="print the value of one parameter")
    arguments = parser.parse_args()
    try:
        if arguments.only:
            print(one(arguments.stage, arguments.only))
        else:
            chosen = for_deployment(find(arguments.stage))
            print(*(f"{name}={value}" for name, value in chosen.items()))
    except CannotGoOn as reason:
        print(f"make deploy: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
