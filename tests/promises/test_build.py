"""The build of `make build` can be imported and run with only Lambda's own packages."""

import json

import pytest

from stack.template import ROOT
from tests.support.built import OF_LAMBDA, SHARED, run_built
from tests.support.written import module_of, stack

pytestmark = pytest.mark.usefixtures("built")
each_function = pytest.mark.parametrize("function", stack().functions)


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
