"""What `make build` has built can be imported and run with nothing but what Lambda has."""

import filecmp
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from stack.template import ROOT
from tests.promises.written import FUNCTIONS, LAYER, module_of, run, stack

BUILD = ROOT / ".aws-sam" / "build"
SHARED = BUILD / "Layer" / "python"
# Lambda's own; the layer does not ship them.
OF_LAMBDA = ("boto3", "botocore", "s3transfer", "dateutil", "six")

each_function = pytest.mark.parametrize("function", stack().functions)


@pytest.fixture(autouse=True, scope="module")
def _built():
    reason = not_built()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def not_built():
    if not (BUILD / "template.yaml").is_file():
        return "not built: make build"
    for built, source in [(SHARED / "wechat_login", LAYER)] + [
        (BUILD / function, FUNCTIONS) for function in stack().functions
    ]:
        names = [path.name for path in source.glob("*.py")]
        if not built.is_dir() or filecmp.cmpfiles(built, source, names, shallow=False)[0] != names:
            return f"{built.name} was built from other sources: make build"
    return None


@pytest.fixture(scope="module")
def lambdas_own(tmp_path_factory):
    """Give a folder with what Lambda's runtime brings, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("lambda")
    for name in OF_LAMBDA:
        found = Path(find_spec(name).origin)
        found = found.parent if found.name == "__init__.py" else found
        (folder / found.name).symlink_to(found)
    return folder


def run_built(function, lambdas_own, script, **environment):
    paths = [str(BUILD / function), str(SHARED), str(lambdas_own)]
    least = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return run(
        # Without this environment's site-packages and without the working directory.
        [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path[:0] = {paths!r}\n{script}"],
        env={**least, **environment},
        cwd=lambdas_own,
    )


@each_function
def test_a_built_handler_can_be_imported(function, lambdas_own):
    script = f"from {module_of(function)} import handler; print('imported')"

    ran = run_built(function, lambdas_own, script)

    assert (ran.stdout, ran.returncode) == ("imported\n", 0), ran.stderr


def test_a_built_function_answers_the_event_that_the_readme_gives_to_sam(lambdas_own):
    event = json.loads((ROOT / "events" / "login.json").read_text("utf-8"))
    script = f"""
import json
from login import handler
class Context:
    def get_remaining_time_in_millis(self):
        return 20000
print(json.dumps(handler({event!r}, Context())))
"""

    ran = run_built("Login", lambdas_own, script, **stack().functions["Login"].environment)

    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["code"] == "bad_request"


def test_the_layer_is_shipped_typed_and_without_what_lambda_has():
    assert (SHARED / "wechat_login" / "py.typed").is_file()
    assert not [name for name in OF_LAMBDA if (SHARED / name).exists()]
