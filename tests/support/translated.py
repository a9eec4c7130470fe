"""The template as CloudFormation gets it, by SAM's own translator: roles, permissions, and all.

Translating and linting take seconds, and all workers need the same documents. So the results stay
in .pytest_cache, by all that they depend on: a template is translated and linted once.
"""

import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path

from stack.cloudformation import Values, load_template, parameter_values
from stack.template import ROOT, TEMPLATE
from tests.support.written import APPID, run

SAM_BIN = ROOT / ".venv-sam" / "bin"
TRANSLATE = Path(__file__).with_name("sam_translate.py")
MONITORING = ROOT / "monitoring.yaml"
# The versions of SAM and cfn-lint.
PINNED = ROOT / "requirements" / "sam.txt"
KEPT = ROOT / ".pytest_cache" / "translated"
KEPT_SECONDS = 7 * 86_400
STAGE = "test"


@cache
def translated(region="us-east-1", template=TEMPLATE, **parameters):
    """Translate the template for a region."""
    python = SAM_BIN / "python"
    assert python.is_file(), "SAM is not installed: make .venv-sam/.sam"
    given = [f"{name}={value}" for name, value in {**APPID, **parameters}.items()]

    def translate():
        ran = run([python, TRANSLATE, template, region, *given])
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    sources = (TRANSLATE.read_text("utf-8"), template.read_text("utf-8"))
    return json.loads(_kept(translate, *sources, region, *given))


def lint(template: Path, *regions):
    """Return cfn-lint's findings about a CloudFormation template in these regions."""
    # W3002: a nested template's address is a file here, and an address after `sam deploy`.
    options = ["--regions", *regions, "--ignore-checks", "W3002"]

    def find():
        ran = run([SAM_BIN / "cfn-lint", *options, "--template", template])
        return ran.stdout + ran.stderr

    return _kept(find, template.read_text("utf-8"), *options)


def _kept(work, *of):
    """Return the text that `work` makes of these texts, or has made of them before."""
    key = json.dumps([PINNED.read_text("utf-8"), *of])
    path = KEPT / hashlib.sha256(key.encode()).hexdigest()
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")  # Another worker may write the same.
        text = work()
        KEPT.mkdir(parents=True, exist_ok=True)
        made.write_text(text, "utf-8")
        made.replace(path)
        for each in KEPT.iterdir():
            if each.stat().st_mtime < time.time() - KEPT_SECONDS:
                each.unlink(missing_ok=True)
    return path.read_text("utf-8")


def resolver(document, **parameters):
    """Return a function that fills in the references of a translated template."""
    overrides = {**APPID, "Stage": STAGE, **parameters}
    declared = document.get("Parameters", {})
    given = {name: value for name, value in overrides.items() if name in declared}
    return Values(document, parameter_values(declared, given)).resolve


@cache
def monitoring():
    return load_template(MONITORING)
