"""`make doctor` and a stack that could not be created, or whose alarms have no subscriber."""

import contextlib
import json
import re

import boto3
import pytest
from botocore.exceptions import WaiterError

from ops.doctor.__main__ import main
from ops.doctor.deployment import Deployment
from ops.doctor.storage import check_encryption
from ops.secrets import Store
from ops.stage import AWS_KEY, Stage, keys_of
from stack.cloudformation import REGION
from tests.support.aws_account import KEY, account
from tests.support.commands import run_here
from tests.support.translated import translated
from tests.support.written import APPID

STAGE = "dev"
STACK = "wechat-login-dev"
LINE = re.compile(r"(ok|note|FAIL) +([^:]+): .*")
SECOND = {"Delay": 1, "MaxAttempts": 60}
# Can be read, but not made.
NOWHERE = {
    "Type": "AWS::CloudFormation::Stack",
    "Properties": {"TemplateURL": "https://s3.amazonaws.com/nowhere/monitoring.yaml"},
}


@pytest.fixture(scope="module")
def aws():
    with account() as aws:
        yield aws


class Team:
    """A team that deploys parts of the template, and runs the doctor."""

    def __init__(self, aws, wechat, wechat_url):
        self._aws, self._wechat = aws, wechat
        self._cloudformation = aws.client("cloudformation")
        self.settings = {**APPID, "WeChatUrl": wechat_url}

    def stage(self, **overrides):
        keys = (KEY, KEY)
        session = boto3.Session(*keys, region_name=REGION)
        return Stage(STAGE, STACK, overrides, session, endpoint=self._aws.url)

    def create_key(self):
        return self._aws.client("kms").create_key()["KeyMetadata"]["Arn"]

    def tables(self):
        return self._aws.client("dynamodb").list_tables()["TableNames"]

    def put_app_secret(self):
        self._aws.client("ssm").put_parameter(
            Name=f"/wechat-login/{STAGE}/app-secrets",
            Value=json.dumps({self._wechat.appid: self._wechat.app_secret}),
            Type="SecureString",
            Overwrite=True,
        )

    def create_stack(self, **resources):
        self._cloudformation.create_stack(**self._stack_of(resources))
        # It may end in another way, which is what this is about.
        with contextlib.suppress(WaiterError):
            wait = self._cloudformation.get_waiter("stack_create_complete").wait
            wait(StackName=STACK, WaiterConfig=SECOND)

    def create_change_set(self, **resources):
        self._cloudformation.create_change_set(
            ChangeSetName="first", ChangeSetType="CREATE", **self._stack_of(resources)
        )

    def delete_stack(self):
        self._cloudformation.delete_stack(StackName=STACK)
        self._cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=STACK, WaiterConfig=SECOND
        )

    def _stack_of(self, resources):
        outputs = {"AlarmTopicArn"} if "AlarmTopic" in resources else set()
        template = {
            **{each: translated()[each] for each in ("Parameters", "Conditions")},
            "Resources": resources,
            "Outputs": {each: translated()["Outputs"][each] for each in outputs},
        }
        return {
            "StackName": STACK,
            "TemplateBody": json.dumps(template),
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in self.settings.items()
            ],
        }

    def create_alarm_topic(self):
        whole = translated()["Resources"]
        self.create_stack(**{each: whole[each] for each in ("AlarmTopic", "AlarmSubscription")})

    def subscribe(self, protocol, endpoint):
        found = self._cloudformation.describe_stack_resource(
            StackName=STACK, LogicalResourceId="AlarmTopic"
        )
        topic = found["StackResourceDetail"]["PhysicalResourceId"]
        self._aws.client("sns").subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)

    def doctor(self):
        """Return the exit code, and by subject the grade and text of each line."""
        ran = run_here(main, STAGE, environment=self._aws.environment)
        assert ran.stderr == ""
        lines = [LINE.fullmatch(line) for line in ran.stdout.splitlines()]
        return ran.returncode, {each[2]: (each[1], each[0]) for each in lines if each}


@pytest.fixture
def team(aws, wechat, wechat_url):
    team = Team(aws, wechat, wechat_url)
    team.put_app_secret()
    yield team
    team.delete_stack()


def test_a_first_deployment_that_failed_has_its_way_out_and_all_else_is_looked_at(team):
    team.create_stack(Monitoring=NOWHERE)

    code, found = team.doctor()

    assert code == 1
    grade, line = found["stack"]
    assert (grade, "ROLLBACK_COMPLETE" in line) == ("FAIL", True)
    assert line.index("events") < line.index("delete-stack") < line.index("make deploy STAGE=dev")
    for each in ("table", "API", "discovery"):
        grade, line = found[each]
        assert (grade, "has no output" in line) == ("FAIL", True)
        assert "make deploy STAGE=dev" in line
    # These need no more of the stack than its parameters.
    assert found["AppSecret"][0] == found["AppID"][0] == "ok"


def test_a_stack_that_nothing_has_begun_to_make_is_to_be_deployed(team):
    team.create_change_set(Topic={"Type": "AWS::SNS::Topic"})

    code, found = team.doctor()

    assert code == 1
    assert found["stack"] == ("FAIL", "FAIL  stack: REVIEW_IN_PROGRESS. make deploy STAGE=dev")
    assert {found[each][0] for each in ("AppSecret", "table", "API", "discovery")} == {"FAIL"}


def test_a_stack_without_a_needed_output_has_to_be_deployed_again(team):
    team.create_alarm_topic()

    code, found = team.doctor()

    assert code == 1
    assert found["stack"][0] == "ok"
    for each in ("table", "API", "discovery"):
        grade, line = found[each]
        assert (grade, "has no output" in line) == ("FAIL", True)
        assert "make deploy STAGE=dev" in line


def test_a_stack_without_subscribers_gets_the_remedy(team):
    team.create_alarm_topic()

    _, found = team.doctor()

    grade, line = found["alarms"]
    assert (grade, "nobody receives" in line) == ("note", True)
    assert line.index("AlarmEmail=…") < line.index("make deploy STAGE=dev") < line.index("confirm")


def test_an_unconfirmed_subscription_notifies_nobody(team):
    team.create_alarm_topic()
    # ministack lets only addresses of this kind wait for their confirmation.
    team.subscribe("https", "https://127.0.0.1:9/alarms")

    _, found = team.doctor()

    grade, line = found["alarms"]
    assert (grade, "has not been confirmed" in line) == ("note", True)
    assert "make deploy" not in line


def test_alarms_that_somebody_receives_are_well(team):
    team.settings["AlarmEmail"] = "operators@example.com"
    team.create_alarm_topic()

    _, found = team.doctor()

    assert found["alarms"] == ("ok", "ok    alarms: somebody receives them")


def test_the_table_that_a_failed_first_deployment_left_is_named(team):
    table = {**translated()["Resources"]["Table"]}
    team.create_stack(Table=table, Monitoring={**NOWHERE, "DependsOn": "Table"})

    _, found = team.doctor()

    assert "ROLLBACK_COMPLETE" in found["stack"][1]
    grade, line = found["left table"]
    (left,) = re.findall(r"left (\S+),", line)
    assert grade == "note"
    assert left in team.tables()
    assert line.index("--no-deletion-protection-enabled") < line.index("delete-table")
    assert line.count("--region us-east-1") == 2


def test_secrets_move_to_the_chosen_key_once_the_functions_may_use_it(team, capsys):
    key = team.create_key()
    store = Store(team.stage(KmsKeyArn=key))
    team.create_alarm_topic()

    store.move()

    assert "make deploy STAGE=dev, then this again" in capsys.readouterr().out
    assert keys_of(store.stage) == {"app-secrets": AWS_KEY}

    team.delete_stack()
    team.settings["KmsKeyArn"] = key
    team.create_alarm_topic()
    before = store.read("app-secrets")
    (noted,) = check_encryption(Deployment(store.stage))
    store.move()

    assert (noted.grade, "app-secrets" in noted.result) == ("note", True)
    assert keys_of(store.stage) == {"app-secrets": key}
    assert store.read("app-secrets") == before
    assert list(check_encryption(Deployment(store.stage))) == []
    # And back, when the line is taken out of samconfig.toml.
    back = Store(team.stage())
    back.move()
    assert keys_of(back.stage) == {"app-secrets": AWS_KEY}
    assert before not in capsys.readouterr().out
