"""The modules that each function loads at its cold start, by name instead of milliseconds.

A longer list is a longer cold start; `python -X importtime` shows what a package costs.
"""

import json

import pytest

from tests.support.built import run_built
from tests.support.written import module_of, stack

# The signs that Lambda is starting a container; nobody answers at the address.
STARTING = {
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
LOAD = """
import json, sys, time
time.sleep = lambda seconds: None
before = set(sys.modules)
import {module}
new = set(sys.modules) - before - {{"{module}"}}
packages = {{name.partition(".")[0] for name in new}} - sys.stdlib_module_names
modules = {{name for name in new if name.startswith("wechat_login.")}}
ours = {{name.rpartition(".")[2] for name in modules if not hasattr(sys.modules[name], "__path__")}}
print(json.dumps([sorted(packages - {{"wechat_login"}}), sorted(ours)]))
"""

EDGE = {"aws_lambda_powertools", "botocore", "jmespath", "typing_extensions"}
CLIENTS = {"certifi", "dateutil", "six", "urllib3"}  # of AWS
HTTP = {"charset_normalizer", "idna", "requests"}
TOKENS = {"Crypto", "jwt"}

OUR_EDGE = {"api", "budget", "errors", "frozen", "invocation", "settings", "wiring"}

# The packages of others, beyond the edge.
PREPARED = {
    "Login": CLIENTS | HTTP | TOKENS,
    "LookUpToken": CLIENTS | TOKENS,
    "RegisterPhone": CLIENTS | HTTP | TOKENS,
    "LogOut": CLIENTS,
    "ShowAccount": CLIENTS,
    "UpdateAccount": CLIENTS,
    "EraseAccount": CLIENTS,
    "ListSessions": CLIENTS,
    "EndSession": CLIENTS,
    "PublishKeys": CLIENTS | TOKENS,
    "Authorize": CLIENTS | TOKENS,
    "ShowUserinfo": CLIENTS,
    "ReceiveEvent": CLIENTS | {"Crypto"},
}

pytestmark = pytest.mark.usefixtures("built")
each_function = pytest.mark.parametrize("function", stack().functions)


def loaded(function, lambdas_own, **environment):
    """Return the packages and our modules that are loaded after Lambda has imported a function."""
    ran = run_built(function, lambdas_own, LOAD.format(module=module_of(function)), **environment)
    assert ran.returncode == 0, ran.stderr
    packages, ours = json.loads(ran.stdout)
    return set(packages), set(ours)


@each_function
def test_a_function_loads_the_edge_alone_when_it_is_imported(function, lambdas_own):
    assert loaded(function, lambdas_own) == (EDGE, OUR_EDGE)


@each_function
def test_a_function_prepares_what_it_needs_and_no_more(function, lambdas_own):
    environment = {**stack().functions[function].environment, **STARTING}

    packages, _ = loaded(function, lambdas_own, **environment)

    # Nobody waits for schedules and operators, so their functions prepare nothing.
    assert packages == EDGE | PREPARED.get(function, set())


@each_function
def test_sam_local_prepares_nothing_and_so_asks_nobody(function, lambdas_own):
    """SAM CLI pretends that Lambda is starting, and passes the shell's own credentials."""
    environment = {**stack().functions[function].environment, **STARTING, "AWS_SAM_LOCAL": "true"}

    assert loaded(function, lambdas_own, **environment) == (EDGE, OUR_EDGE)
