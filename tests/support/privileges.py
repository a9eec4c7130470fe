"""Records every AWS call that each function makes during a run: a pytest plugin.

botocore loads this module as its own plugin, by the variable that `Privileges` sets, and passes
every new client to it: so nothing is patched. IAM has other names for some operations: a
transaction is its writes, each with its own permission.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html

If a run includes tests/promises/test_privileges.py, which makes each function do all that it does,
the run fails if any test made a function do more than its policies allow. With pytest-xdist the
controller compares what all workers recorded.
"""

import copy
import os
import re
from functools import cache

import pytest

from local.functions import running
from stack.cloudformation import ACCOUNT, REGION
from stack.template import read_stack
from tests.support.policies import granted, without_narrower
from tests.support.translated import resolver, translated
from tests.support.written import ALL_OPTIONS

PROMISE = "test_privileges.py"
# Modules that botocore passes every new client to.
PLUGINS = f"privileges={__name__},owed_events=tests.support.owed_events"
TRANSACTION = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
STAGE = "test"
# The options that widen a policy.
OPTIONS = {"CheckContent": "true", "RiskLimit": "4"}

# By the option Events, which widens policies too: logical id -> (action, resource).
USED: dict[str, dict[str, set[tuple[str, str]]]] = {"false": {}, "true": {}}


def initialize_client_plugin(client):
    """Listen to a client; botocore calls this."""
    client.meta.events.register("before-parameter-build.*.*", _note)


def _note(params, model, **_):
    function = running.get()
    if function is not None:
        asked = needed(model.service_model.endpoint_prefix, model.name, params)
        used = USED[os.environ.get("EVENTS", "false")]
        used.setdefault(function, set()).update(asked - _of_others(function))


def pytest_configure(config):
    config.pluginmanager.register(Privileges(), "privileges")


class Privileges:
    def __init__(self):
        os.environ["BOTOCORE_EXPERIMENTAL__PLUGINS"] = PLUGINS
        self.compares = False
        self.beyond = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        self.compares = any(item.path.name == PROMISE for item in items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        compares, recorded = getattr(node, "workeroutput", {}).get("privileges", (False, {}))
        self.compares |= compares
        for events, used in recorded.items():
            for function, pairs in used.items():
                USED[events].setdefault(function, set()).update(pairs)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["privileges"] = (self.compares, USED)
            return
        if self.compares:
            self.beyond = sorted(
                f"{function} used {each} and may not"
                for events, used in USED.items()
                for document in [permitting(**OPTIONS, Events=events)]
                for function, pairs in used.items()
                for each in without_narrower(pairs | granted(function, document))
                - granted(function, document)
            )
        if self.beyond and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter):
        if self.beyond:
            terminalreporter.section("functions used what they may not", red=True)
            for line in self.beyond:
                terminalreporter.line(line)


def permitting(**parameters):
    """Return the translated template with the policies that these parameters give each function."""
    document = translated()
    resolve = resolver(document, **parameters)
    resources = dict(document["Resources"])
    for name, each in resources.items():
        if each["Type"] == "AWS::IAM::Role":
            policies = each["Properties"].get("Policies", [])
            if "Condition" in each:
                policies = {"Fn::If": [each["Condition"], policies, []]}
            # The caller may change these, and nothing else.
            own = copy.deepcopy(resolve(policies))
            resources[name] = {**each, "Properties": {**each["Properties"], "Policies": own}}
    return {**document, "Resources": resources}


def needed(service, operation, params):
    """Return the permissions, each with its resource, that IAM asks for one API call."""
    action = f"{service}:{operation}"
    if operation == "TransactWriteItems":
        pairs = [pair for each in params["TransactItems"] for pair in each.items()]
        return {of_dynamodb(TRANSACTION[kind], write) for kind, write in pairs}
    if service == "dynamodb":
        return {of_dynamodb(action, params)}
    if service == "ssm":
        return {(action, parameter(name)) for name in params.get("Names", [params.get("Name")])}
    if service == "events":
        # The policies are compared for the default bus; a deployment may name its own.
        own = os.environ.get("EVENT_BUS")
        buses = {each["EventBusName"] for each in params["Entries"]}
        names = {"default" if bus == own else bus for bus in buses}
        return {(action, f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}") for bus in names}
    if service == "sqs":
        name = params["QueueUrl"].rpartition("/")[2]
        return {(action, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{of_this_stage(name)}")}
    # Any new operation has to be added on purpose.
    return {(action, "*")}


def of_dynamodb(action, params):
    """Return the permission for one operation, which may be granted for the outbox alone."""
    pk = params.get("Item", {}).get("pk", {}).get("S", "")
    of_keys = " EVENT#*" if pk.startswith("EVENT#") else ""
    return action, table(params["TableName"]) + of_keys


def table(name):
    """Return a table's ARN."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{of_this_stage(name)}"


def of_this_stage(name):
    """Return a name as if every stage were the one that the policies are compared for."""
    return re.sub(r"^wechat-login-[a-z0-9-]+-", f"wechat-login-{STAGE}-", name)


def parameter(name):
    """Return a parameter's ARN, likewise."""
    name = re.sub(r"^/wechat-login/[^/]+/", f"/wechat-login/{STAGE}/", name)
    # The policies name the folder of all mini programs' access tokens.
    name = re.sub(r"/access-token/wx[0-9a-f]{16}$", "/access-token/*", name)
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"


@cache
def _of_others(function):
    # Here all functions share one environment, so a function reads the parameters of all. On Lambda
    # each has its own; tests/promises/test_privileges.py runs each with only that environment.
    functions = _functions()
    union = {each for one in functions.values() for each in one.environment.values()}
    others = union - set(functions[function].environment.values())
    return {("ssm:GetParameters", parameter(name) + end) for name in others for end in ("", "/*")}


@cache
def _functions():
    return read_stack({**ALL_OPTIONS, "Stage": STAGE}).functions
