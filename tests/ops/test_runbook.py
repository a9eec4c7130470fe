"""Every `aws` command in the documents, and of those that the tools print, is one that AWS knows.

Checked by botocore's own model, from which the AWS CLI is made: service, operation, options, those
that must be there, the names inside structures, and the query.
"""

import re
import shlex

import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

from ops.doctor.account import check_concurrency, check_throughput
from ops.doctor.deployment import Deployment
from ops.doctor.stack import check_stack
from ops.stage import Stage
from tests.support.stubbed_aws import Session
from tests.support.written import DOCUMENTS, fenced, prose, spans

BOTOCORE = get_session()
OF_THE_CLI = {"region", "profile", "query", "output", "cli-binary-format"}
# Commands that the AWS CLI makes of several operations.
COMPOSED = {("cloudformation", "deploy")}
FILES = {("lambda", "invoke"): 1}  # operands: where the answer goes


COMMAND = re.compile(r"(?:^|\$\()(aws [a-z0-9-]+ [a-z].*?)(?=\)\"$|$)", re.MULTILINE)


def documented():
    for document in DOCUMENTS:
        texts = [block.text for block in fenced(document, "sh")]
        texts += [each for each in spans(prose(document)) if each.startswith("aws ")]
        for text in texts:
            # A backslash goes on with a command, and so do the indented lines of a quoted text.
            for command in COMMAND.findall(re.sub(r"\\\n|\n {4}", " ", text)):
                yield pytest.param(command, id=f"{document.name}: {command[:50]}")


def check(command):
    _, service, operation, *rest = shlex.split(command.replace("…", "x"))
    try:
        model = BOTOCORE.get_service_model(service)
    except UnknownServiceError:
        pytest.fail(f"there is no service {service}")
    if (service, operation) in COMPOSED:
        return
    if operation == "wait":
        known = BOTOCORE.create_client(
            service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        assert rest[0].replace("-", "_") in known.waiter_names
        return
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    assert operation in operations, f"{service} has no {operation}"
    if not rest:
        return  # named, and not written out
    shape = model.operation_model(operations[operation]).input_shape
    members = {xform_name(name, "-"): member for name, member in shape.members.items()}
    given, operands = options(rest)
    assert len(operands) == FILES.get((service, operation), 0), operands
    named = set()
    for name, values in given.items():
        if name in OF_THE_CLI:
            if name == "query":
                jmespath.compile(values[0])
            continue
        member = members.get(name) or members.get(name.removeprefix("no-"))
        assert member is not None, f"{service} {operation} has no --{name}"
        named.add(name.removeprefix("no-") if name not in members else name)
        check_values(member, values)
    needed = {xform_name(name, "-") for name in shape.required_members}
    assert needed <= named, f"{service} {operation} needs {needed - named}"


def options(words):
    given: dict[str, list[str]] = {}
    operands, name = [], None
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            given[name] = []
        elif name is None or (given[name] and word.startswith("/")):
            operands.append(word)
        else:
            given[name].append(word)
    return given, operands


def check_values(member, values):
    if member.type_name == "boolean":
        assert values == []
        return
    assert values, member.name
    for value in values:
        if member.type_name in ("structure", "list") and "=" in value:
            inside = member if member.type_name == "structure" else member.member
            for pair in value.split(","):
                assert pair.partition("=")[0] in inside.members, pair
        if enum := getattr(member, "enum", ()):
            assert value in enum


@pytest.mark.parametrize("command", list(documented()))
def test_a_documented_command_is_one_that_aws_knows(command):
    check(command)


def test_there_are_commands_to_check():
    text = " ".join(str(each.values[0]) for each in documented())

    for each in (
        "continue-update-rollback",
        "restore-table-from-backup",
        "describe-network-interfaces",
        "delete-table",
        "lambda invoke",
    ):
        assert each in text


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("aws dynamodb restore-table --target-table-name x", "has no restore-table"),
        ("aws dynamodb update-table --table-name x --protect", "has no --protect"),
        ("aws dynamodb delete-table --region x", "needs"),
        (
            "aws dynamodb update-time-to-live --table-name x --time-to-live-specification On=1",
            "On=1",
        ),
    ],
)
def test_a_wrong_command_would_be_found(command, wrong):
    with pytest.raises(AssertionError, match=re.escape(wrong)):
        check(command)


def stack(status, **parameters):
    return {
        "StackStatus": status,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
def test_a_command_that_the_doctor_prints_names_the_region(status):
    left = {
        "ResourceType": "AWS::DynamoDB::Table",
        "ResourceStatus": "DELETE_SKIPPED",
        "PhysicalResourceId": "wechat-login-prod-Table-1",
    }
    session = Session(
        {
            ("cloudformation", "describe_stacks"): {"Stacks": [stack(status)]},
            ("cloudformation", "describe_stack_events"): {"StackEvents": [left]},
            ("ssm", "get_service_setting"): {"ServiceSetting": {"SettingValue": "false"}},
            ("lambda", "get_account_settings"): {
                "AccountLimit": {"UnreservedConcurrentExecutions": 10}
            },
        }
    )
    deployment = Deployment(Stage("prod", "wechat-login-prod", {}, session))

    checks = (check_stack, check_throughput, check_concurrency)
    said = [finding for check in checks for finding in check(deployment)]

    commands = [
        command
        for each in said
        for command in re.findall(r"aws [a-z-]+ [a-z-]+ --[^,()]*[^,() ]", each.remedy)
    ]
    assert len(commands) >= 3, said
    for command in commands:
        assert "--region cn-north-1" in command
        check(command)


def test_a_stack_that_could_not_go_back_has_to_go_on_with_that_first():
    session = Session(
        {("cloudformation", "describe_stacks"): {"Stacks": [stack("UPDATE_ROLLBACK_FAILED")]}}
    )
    (finding,) = check_stack(Deployment(Stage("prod", "wechat-login-prod", {}, session)))

    assert finding.grade == "FAIL"
    assert finding.remedy.index("continue-update-rollback") < finding.remedy.index("make deploy")


@pytest.mark.parametrize(("there", "grade"), [(10, "note"), (14, "note"), (15, "ok"), (1000, "ok")])
def test_an_account_that_runs_too_little_at_once_for_the_logins_is_noted(there, grade):
    answer = {"AccountLimit": {"UnreservedConcurrentExecutions": there}}
    session = Session({("lambda", "get_account_settings"): answer})

    (finding,) = check_concurrency(Deployment(Stage("prod", "s", {}, session)))

    assert finding.grade == grade
