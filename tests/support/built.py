"""Runs the build of `make build` with only Lambda's own packages."""

import filecmp
import os
import sys

from stack.template import ROOT
from tests.support.written import FUNCTIONS, LAYER, run, stack

BUILD = ROOT / ".aws-sam" / "build"
SHARED = BUILD / "Layer" / "python"
# Lambda's own; the layer does not ship them.
OF_LAMBDA = ("boto3", "botocore", "s3transfer", "dateutil", "six")


def not_built():
    if not (BUILD / "template.yaml").is_file():
        return "not built: make build"
    for built, source in [(SHARED / "wechat_login", LAYER)] + [
        (BUILD / function, FUNCTIONS) for function in stack().functions
    ]:
        names = [path.relative_to(source) for path in source.rglob("*.py")]
        if not built.is_dir() or filecmp.cmpfiles(built, source, names, shallow=False)[0] != names:
            return f"{built.name} was built from other sources: make build"
    return None


def run_built(script, lambdas_own, *functions, stdin="", **environment):
    """Run Python code with the layer, the packages of Lambda, and these functions."""
    folders = [*(BUILD / name for name in functions), SHARED, lambdas_own]
    paths = [str(each) for each in folders]
    least = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return run(
        # Without this environment's site-packages and without the working directory. What this
        # Python compiles stays beside them: the build has the files of Lambda's version alone.
        [
            *(sys.executable, "-I", "-S", "-X", f"pycache_prefix={lambdas_own / 'compiled'}"),
            *("-c", f"import sys; sys.path[:0] = {paths!r}\n{script}"),
        ],
        env={**least, **environment},
        cwd=lambdas_own,
        input=stdin,
    )
