"""`python -m ops.deploy STAGE`: deploys the build of `make build` with SAM CLI.

SAM CLI gets a value for every parameter, and the region and profile that all of `ops` uses. For a
stage with DeletionProtection=true the command asks for confirmation if the build is not compiled,
and SAM CLI asks before it changes anything, if there is a terminal.
"""

# ruff: noqa: TID251, T201 - a command line's module
import argparse
import json
import os
import subprocess
import sys

import yaml

from ops.gradual import gradual
from ops.parameters import changes, for_deployment
from ops.releases import (
    BUILT,
    NEW,
    PARAMETERS,
    RELEASED,
    content_of,
    live,
    name_of,
    outputs_of,
    released,
)
from ops.runtime import NAME
from ops.stage import ROOT, SAMCONFIG, CannotGoOn, Stage, find
from stack.cloudformation import load_template

SAM = ROOT / ".venv-sam" / "bin" / "sam"
UNCOMPILED = (
    f"the build is not compiled, because {NAME} is missing: cold starts take 1.8 times as long"
)


def deploy(stage: Stage, *, gradually: bool = False, uncompiled: bool = False) -> int:
    """Deploy to a stage, and return SAM CLI's exit code. Raises `CannotGoOn`."""
    if stage.is_local:
        raise CannotGoOn("make run starts the local one")
    chosen = for_deployment(stage)
    protected = chosen["DeletionProtection"] == "true"
    if protected and not uncompiled and not _is_compiled():
        _ask_about_uncompiled(stage)
    stack = stage.stack()
    deployed = {
        each["ParameterKey"]: each["ParameterValue"] for each in (stack or {}).get("Parameters", [])
    }
    for line in changes(deployed, chosen):
        print(line)
    _write_template(stage, content_of(chosen), outputs_of(stack), gradually=gradually)
    PARAMETERS.write_text(yaml.safe_dump(chosen), "utf-8")
    return _run_sam(stage, confirmed=not (protected and sys.stdin.isatty()))


def _write_template(
    stage: Stage, content: str, outputs: dict[str, str], *, gradually: bool
) -> None:
    now = live(stage) if outputs else []
    if gradually and any(each.release != outputs.get(NEW) for each in now):
        # CodeDeploy shifts from the version that CloudFormation has recorded.
        again = f"make deploy STAGE={stage.name}"
        raise CannotGoOn(f"a release was rolled back: deploy without GRADUAL once, {again}")
    template = released(load_template(BUILT), name_of(content, outputs, now), outputs, now)
    if gradually:
        template = gradual(template, load_template(BUILT.parent / "Monitoring" / "template.yaml"))
    RELEASED.write_text(json.dumps(template), "utf-8")


def _is_compiled() -> bool:
    return any((BUILT.parent / "Layer").rglob("*.pyc"))


def _ask_about_uncompiled(stage: Stage) -> None:
    print(f"warning: {UNCOMPILED}", file=sys.stderr)
    if not sys.stdin.isatty():
        raise CannotGoOn(f"install {NAME}, or accept it with UNCOMPILED=true")
    if input(f"Type {stage.name} to deploy it all the same: ").strip() != stage.name:
        raise CannotGoOn("nothing was changed")


def _run_sam(stage: Stage, *, confirmed: bool) -> int:
    command = [
        *(str(SAM), "deploy", "--config-file", str(SAMCONFIG), "--config-env", stage.name),
        *("--template-file", str(RELEASED), "--parameter-overrides", f"file://{PARAMETERS}"),
        *("--no-confirm-changeset" if confirmed else "--confirm-changeset", *stage.options),
    ]
    region = str(stage.session.region_name)
    environment = {
        **os.environ,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "SAM_CLI_TELEMETRY": "0",
    }
    return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    """Deploy; return 0 if SAM CLI does."""
    parser = argparse.ArgumentParser(prog="python -m ops.deploy", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--gradual", action="store_true", help="shift requests in steps")
    parser.add_argument("--uncompiled", action="store_true", help="accept slow cold starts")
    given = parser.parse_args()
    try:
        return deploy(find(given.stage), gradually=given.gradual, uncompiled=given.uncompiled)
    except CannotGoOn as reason:
        print(f"make deploy: {reason}", file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print("\nmake deploy: cancelled", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
