"""`python -m ops.rollback STAGE`: points every function back at the previous release.

A rollback takes seconds, because nothing is built or deployed: each version has its code, layer and
settings. Table, routes, permissions and schedules stay as deployed.
"""

# ruff: noqa: T201 - a command line's module
import argparse
import sys

from ops.releases import NEW, OLD, Live, live, outputs_of, release_of
from ops.stage import ALIAS, CannotGoOn, Stage, aws, find

NO_WEIGHTS: dict[str, float] = {}


def roll_back(stage: Stage) -> None:
    """Point the aliases back, and print the changes. Raises `CannotGoOn`."""
    stack = None if stage.is_local else stage.stack()
    if stack is None:
        raise CannotGoOn(f"there is no stack {stage.stack_name}")
    if stack["StackStatus"].endswith("_IN_PROGRESS"):
        cancel = stage.aws_command(
            f"cloudformation cancel-update-stack --stack-name {stage.stack_name}"
        )
        raise CannotGoOn(f"the stack is {stack['StackStatus']}: wait, or stop it by {cancel}")
    outputs = outputs_of(stack)
    before = outputs.get(OLD, "-")
    if before == "-":
        raise CannotGoOn("there is no release before this one")
    functions = live(stage)
    versions = {each.function: _version_of(stage, each, before) for each in functions}
    if not any(versions.values()):
        raise CannotGoOn(f"no version of the release {before} is left: deploy the commit before")
    for each in functions:
        version = versions[each.function]
        if version is None:
            print(f"kept  {each.function}: it is new in the present release")
            continue
        _point(stage, each.function, version)
        print(f"{each.function}: version {each.version} → {version}")
    print(f"\nLive is {before} instead of {outputs[NEW]}. Next: make deploy with a fix.")


def _version_of(stage: Stage, live: Live, release: str) -> str | None:
    """Return the newest version of a function that belongs to a release."""
    pages = stage.client("lambda").get_paginator("list_versions_by_function")
    listed = aws(
        f"listing {live.function}",
        pages.paginate(FunctionName=live.function).build_full_result,
    )
    found = [each["Version"] for each in listed["Versions"] if release_of(each) == release]
    return max((each for each in found if each.isdigit()), key=int, default=None)


def _point(stage: Stage, function: str, version: str) -> None:
    aws(
        f"pointing {function} back",
        stage.client("lambda").update_alias,
        FunctionName=function,
        Name=ALIAS,
        FunctionVersion=version,
        # A stopped gradual deployment may have left weights.
        RoutingConfig={"AdditionalVersionWeights": NO_WEIGHTS},
    )


def main() -> int:
    """Roll back; return 0 if that worked."""
    parser = argparse.ArgumentParser(prog="python -m ops.rollback", description=__doc__)
    parser.add_argument("stage")
    arguments = parser.parse_args()
    try:
        roll_back(find(arguments.stage))
    except CannotGoOn as reason:
        print(f"make rollback: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
