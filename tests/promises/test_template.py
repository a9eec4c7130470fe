"""The template grants only named permissions, and works in every partition and several times."""

import json
import re

import pytest

from stack.template import TEMPLATE
from tests.support.written import function_resources, resolved, routes_of, stack, template
from wechat_login import budget
from wechat_login.settings import Settings

TEXT = TEMPLATE.read_text("utf-8")
CODE = re.sub(r"(^|\s)#.*", "", TEXT)
LONGEST_BLOCK = 25
# API Gateway times out after 30 seconds; an authorizer has 10.
LONGEST_ANSWER = 28
LONGEST_AUTHORIZATION = 9
# Two stages in one account would collide on these.
FIXED_NAMES = {"FunctionName", "TableName", "LogGroupName", "LayerName", "RoleName", "QueueName"}
RESOURCES = template()["Resources"]
NOTHING = {"Ref": "AWS::NoValue"}

each_function = pytest.mark.parametrize("function", function_resources())


def statements(function):
    """Return the statements of a function's policies, also those of an option."""
    for policy in function_resources()[function].get("Policies", []):
        assert isinstance(policy, dict), f"{policy} is wider than its name"
        assert set(policy) == {"Statement"}, policy
        for statement in policy["Statement"]:
            _, granted_then, otherwise = statement.get("Fn::If", (None, statement, NOTHING))
            assert otherwise == NOTHING
            yield granted_then


def listed(value):
    return value if isinstance(value, list) else [value]


def granted(function, action):
    """Return the resources on which a function may do an action, with all options."""
    return {
        json.dumps(resolved(resource))
        for statement in statements(function)
        if action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


@each_function
def test_a_function_is_granted_actions_and_resources_by_name(function):
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z]+:[A-Z][A-Za-z]+", action), action
        # Each mini program has an access token of its own, and more may be added.
        named = json.dumps(statement["Resource"]).replace("/${Stage}/access-token/*", "")
        assert "*" not in named


@each_function
def test_a_function_may_read_only_the_parameters_in_its_environment(function):
    environment = stack().functions[function].environment
    named = {
        f"{value}/*" if name == "ACCESS_TOKENS_PARAMETER" else value
        for name, value in environment.items()
        if name.endswith("_PARAMETER")
    }
    may_read, may_write = (
        {json.loads(arn).partition(":parameter")[2] for arn in granted(function, action)}
        for action in ("ssm:GetParameters", "ssm:PutParameter")
    )

    assert may_read == named
    assert may_write <= named


@each_function
def test_a_function_touches_the_table_and_parameters_only(function):
    table = json.dumps(resolved({"Fn::GetAtt": "Table.Arn"}))
    may = {"PublishEvents": {"events:PutEvents"}}.get(function, set())
    for statement in statements(function):
        for action in listed(statement["Action"]):
            if action.startswith("dynamodb:"):
                assert granted(function, action) == {table}
            else:
                assert action in {"ssm:GetParameters", "ssm:PutParameter", *may}


@each_function
def test_a_function_answers_before_api_gateway_gives_up(function):
    names = {each.function for each in stack().authorizers.values()}
    longest = LONGEST_AUTHORIZATION if function in names else LONGEST_ANSWER

    if routes_of(function) or function in names:
        assert stack().functions[function].timeout <= longest


@each_function
def test_a_block_can_be_read_at_a_glance(function):
    block = re.search(rf"^  {function}:\n((?:    .*\n|\n)+)", TEXT, re.MULTILINE)[1].rstrip()

    assert len(block.splitlines()) <= LONGEST_BLOCK


def test_nothing_is_tied_to_one_partition():
    assert "arn:aws" not in CODE
    assert "amazonaws.com" not in CODE
    written = re.sub(r"AllowedPattern: .*", "", CODE)
    assert written.count("arn:") == written.count("arn:${AWS::Partition}:")


def test_nothing_has_a_fixed_name():
    """Names may contain the stack's name, which is unique in the account."""
    for name, resource in RESOURCES.items():
        properties = resource.get("Properties", {})
        for given in FIXED_NAMES & set(properties):
            assert "AWS::StackName" in str(properties[given]), name


def test_everything_that_people_choose_or_read_is_described():
    for name, each in {**template()["Parameters"], **template()["Outputs"]}.items():
        assert each.get("Description"), name
    for name, each in RESOURCES.items():
        if each["Type"].startswith("AWS::Serverless::"):
            assert each["Properties"].get("Description"), name


def test_every_parameter_stands_in_one_group():
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(
        template()["Parameters"]
    )


def test_resources_with_data_outlive_the_stack():
    for name, each in RESOURCES.items():
        if each["Type"] == "AWS::DynamoDB::Table":
            assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain", name


def test_an_api_that_was_imported_in_part_is_not_deployed():
    assert template()["Globals"]["HttpApi"]["FailOnWarnings"] is True


def test_a_registration_has_time_for_each_of_its_steps():
    function = stack().functions["RegisterPhone"]
    settings = Settings.from_environment(function.environment)
    call = settings.connect_timeout + settings.read_timeout

    assert call + budget.AFTER_PHONE_NUMBER <= budget.AFTER_RISK_RANK
    assert function.timeout >= call + budget.AFTER_RISK_RANK
