"""The modules that each function loads at its cold start, by name instead of milliseconds.

A longer list is a longer cold start; `python -X importtime` shows what a package costs.
"""

import json

import pytest

from tests.support.built import BUILD, run_built
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
SAM_LOCAL = {**STARTING, "AWS_SAM_LOCAL": "true"}
# Imports the edge once, and then each function in a copy of the process.
LOAD = """
import importlib, json, os, sys, time, traceback

time.sleep = lambda seconds: None
before = set(sys.modules)
import wechat_login.api, wechat_login.wiring

def load(folder, module, environment):
    os.environ.update(environment)
    sys.path.insert(0, folder)
    assert callable(importlib.import_module(module).handler)
    new = set(sys.modules) - before - {module}
    packages = {name.partition(".")[0] for name in new} - sys.stdlib_module_names
    modules = {name for name in new if not hasattr(sys.modules[name], "__path__")}
    ours = {name.rpartition(".")[2] for name in modules if name.startswith("wechat_login.")}
    return sorted(packages - {"wechat_login"}), sorted(ours)

for case in json.load(sys.stdin):
    if not os.fork():
        try:
            found = load(*case)
        except BaseException:
            found = traceback.format_exc()
        print(json.dumps(found), flush=True)
        os._exit(0)
    os.wait()
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

each_function = pytest.mark.parametrize("function", stack().functions)


@pytest.fixture(scope="module")
def load(built, lambdas_own):  # noqa: ARG001 - skips or fails without a build
    """Return the packages and our modules that are loaded after Lambda has imported a function."""
    environments = {
        (name, where): environment
        for name, function in stack().functions.items()
        for where, environment in {
            "anywhere": {},
            "Lambda": {**function.environment, **STARTING},
            "sam local": {**function.environment, **SAM_LOCAL},
        }.items()
    }
    cases = [
        (str(BUILD / function), module_of(function), environment)
        for (function, _), environment in environments.items()
    ]
    ran = run_built(LOAD, lambdas_own, stdin=json.dumps(cases))
    assert ran.returncode == 0, ran.stderr
    found = dict(zip(environments, map(json.loads, ran.stdout.splitlines()), strict=True))

    def loaded(function, where):
        assert isinstance(found[function, where], list), found[function, where]
        packages, ours = found[function, where]
        return set(packages), set(ours)

    return loaded


@each_function
def test_a_function_loads_the_edge_alone_when_it_is_imported(function, load):
    assert load(function, "anywhere") == (EDGE, OUR_EDGE)


@each_function
def test_a_function_prepares_what_it_needs_and_no_more(function, load):
    packages, _ = load(function, "Lambda")

    # Nobody waits for schedules and operators, so their functions prepare nothing.
    assert packages == EDGE | PREPARED.get(function, set())


@each_function
def test_sam_local_prepares_nothing_and_so_asks_nobody(function, load):
    """SAM CLI pretends that Lambda is starting, and passes the shell's own credentials."""
    assert load(function, "sam local") == (EDGE, OUR_EDGE)
