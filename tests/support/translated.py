"""The template as CloudFormation gets it, by SAM's own translator: roles, permissions, and all."""

import json
from functools import cache
from pathlib import Path

from stack.cloudformation import Values, load_template, parameter_values
from stack.template import ROOT, TEMPLATE
from tests.support.written import APPID, run

SAM_BIN = ROOT / ".venv-sam" / "bin"
TRANSLATE = Path(__file__).with_name("sam_translate.py")
MONITORING = ROOT / "monitoring.yaml"
STAGE = "test"


@cache
def translated(region="us-east-1", template=TEMPLATE, **parameters):
    """Translate the template for a region; takes seconds, once."""
    python = SAM_BIN / "python"
    assert python.is_file(), "SAM is not installed: make .venv-sam/.sam"
    given = [f"{name}={value}" for name, value in {**APPID, **parameters}.items()]
    ran = run([python, TRANSLATE, template, region, *given])
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def lint(template: Path, *regions):
    """Return cfn-lint's findings about a CloudFormation template in these regions."""
    # W3002: a nested template's address is a file here, and an address after `sam deploy`.
    command = [SAM_BIN / "cfn-lint", "--regions", *regions, "--ignore-checks", "W3002"]
    ran = run([*command, "--template", template])
    return ran.stdout + ran.stderr


def resolver(document, **parameters):
    """Return a function that fills in the references of a translated template."""
    overrides = {**APPID, "Stage": STAGE, **parameters}
    declared = document.get("Parameters", {})
    given = {name: value for name, value in overrides.items() if name in declared}
    return Values(document, parameter_values(declared, given)).resolve


@cache
def monitoring():
    return load_template(MONITORING)
