"""The parameters of a deployment, each with its value.

They come from the stage in samconfig.toml, from the variable PARAMETERS, and, for the AppID, from
SSM (`make secrets`); all others have the template's default.
`python -m ops.parameters NAME [STAGE]` prints one of them, without AWS.
"""

# ruff: noqa: TID251, T201 - a command line's module
import argparse
import os
import sys
from collections.abc import Mapping

from ops.stage import APPID, CannotGoOn, Stage, aws, find_overrides
from stack.cloudformation import load_template, parameter_values, text_of
from stack.errors import BadParameter
from stack.parameters import parse_parameters
from stack.template import TEMPLATE


def for_deployment(stage: Stage) -> dict[str, str]:
    """Return the value of every parameter of the template. Raises `CannotGoOn`.

    The result is complete, because CloudFormation keeps the previous value of a parameter that SAM
    CLI omits: https://github.com/aws/aws-sam-cli/issues/7103.
    """
    chosen = {**stage.overrides, **_given()}
    if "WeChatAppId" not in chosen:
        chosen["WeChatAppId"] = _appid(stage)
    for name, value in chosen.items():
        if set(value) & set("\"'\\"):
            raise CannotGoOn(f"the parameter {name} holds a quote or a backslash")
    try:
        return parameter_values(load_template(TEMPLATE)["Parameters"], chosen)
    except BadParameter as fault:
        raise CannotGoOn(str(fault)) from None


def changes(deployed: Mapping[str, str], chosen: Mapping[str, str]) -> list[str]:
    """Return one line for each parameter that a deployment changes."""
    return [
        f"{name}: {_shown(deployed[name])} → {_shown(chosen[name])}"
        for name in chosen
        if name in deployed and deployed[name] != chosen[name]
    ]


def _shown(value: str) -> str:
    return value or '""'


def one(name: str, stage: str) -> str:
    """Return one parameter without asking AWS; no stage means the template's default."""
    default = text_of(load_template(TEMPLATE)["Parameters"][name].get("Default", ""))
    chosen = {**find_overrides(stage), **_given()} if stage else _given()
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
    """Print the value of one parameter."""
    parser = argparse.ArgumentParser(prog="python -m ops.parameters", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("stage", nargs="?", default="")
    arguments = parser.parse_args()
    try:
        print(one(arguments.name, arguments.stage))
    except CannotGoOn as reason:
        print(f"make: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
