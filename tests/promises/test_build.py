"""The build of `make build` runs with only Lambda's own packages.

That each function can be imported is a part of tests/promises/test_weight.py.
"""

import json

import pytest

from stack.template import ROOT
from tests.support.built import OF_LAMBDA, SHARED, run_built
from tests.support.written import stack

pytestmark = pytest.mark.usefixtures("built")


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

    ran = run_built(script, lambdas_own, "Login", **stack().functions["Login"].environment)

    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["code"] == "bad_request"


def test_the_layer_is_shipped_typed_and_without_what_lambda_has():
    assert (SHARED / "wechat_login" / "py.typed").is_file()
    assert not [name for name in OF_LAMBDA if (SHARED / name).exists()]
