"""The requests of `make deploy` to CloudFormation, caught at the socket, and their template."""

import contextlib
import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from urllib.parse import parse_qsl

import boto3
import pytest
import yaml

from local.deployment import aws_environment
from local.http_server import Response
from ops import releases
from ops.deploy import main
from ops.gradual import WATCHED, gradual
from ops.parameters import changes
from ops.releases import BUILT, Live
from ops.stage import SAMCONFIG, Stage, parsed
from stack.cloudformation import REGION, load_template
from stack.template import ROOT, TEMPLATE
from tests.support.aws_account import KEY, account
from tests.support.built import not_built
from tests.support.commands import run_here
from tests.support.fault_proxy import FaultProxy
from tests.support.terminal import at_a_terminal
from tests.support.translated import MONITORING, SAM_BIN, lint, translated
from tests.support.written import run, stack, template

APPID = "wx1234567890abcdef"
CONFIG = tomllib.loads(SAMCONFIG.read_text("utf-8"))
ENVIRONMENTS = {name: each for name, each in CONFIG.items() if isinstance(each, dict)}

each_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


@each_environment
def test_an_environment_names_its_own_stack_and_stage(name):
    deploy = ENVIRONMENTS[name]["deploy"]["parameters"]
    given = parsed(deploy["parameter_overrides"])

    assert given.keys() <= template()["Parameters"].keys()
    assert deploy["stack_name"] == f"wechat-login-{given['Stage']}"
    assert given["Stage"] == name
    assert deploy["resolve_s3"] is True
    assert deploy["capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def test_samconfig_holds_no_account_no_bucket_and_no_secret():
    text = SAMCONFIG.read_text("utf-8")

    assert not re.search(r"\d{12}|arn:|s3_bucket|image_repositor|[0-9a-f]{32}", text)


def test_only_the_environment_for_china_names_a_region():
    regions = re.findall(r"^region = (.+)$", SAMCONFIG.read_text("utf-8"), re.MULTILINE)

    assert regions == ['"cn-north-1"']


def test_logs_of_users_are_kept_for_as_long_as_chinas_law_wants():
    """Six months at least: 180 days are less."""
    for name in ("prod", "china"):
        given = parsed(ENVIRONMENTS[name]["deploy"]["parameters"]["parameter_overrides"])
        assert int(given["LogRetentionDays"]) >= 184


def one_parameter(*arguments, **environment):
    return run(
        [sys.executable, "-m", "ops.parameters", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
    ).stdout


def test_the_architecture_is_the_templates_unless_a_stage_chooses():
    """The build does not depend on an AWS account."""
    assert one_parameter("Architecture") == "x86_64\n"
    assert one_parameter("Architecture", "prod") == "x86_64\n"
    assert one_parameter("Architecture", "prod", PARAMETERS="Architecture=arm64") == "arm64\n"


# --- The change set -------------------------------------------------------------------------------


QUESTION = "Deploy this changeset? [y/N]"
REFUSED = Response(
    400,
    (("content-type", "text/xml"),),
    b"<ErrorResponse><Error><Code>ValidationError</Code><Message>No.</Message></Error></ErrorResponse>",
)


@dataclass(frozen=True)
class ChangeSet:
    """A CreateChangeSet as it came out of SAM CLI."""

    region: str
    parameters: dict  # name → value, or None if CloudFormation is to keep the previous one
    template: dict

    @classmethod
    def make(cls, request):
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        scope = re.search(r"Credential=([^,]+)", request.header("authorization"))[1].split("/")
        members = range(1, 1 + sum(name.endswith(".ParameterKey") for name in form))
        return cls(
            region=scope[2],
            parameters={
                form[f"Parameters.member.{at}.ParameterKey"]: form.get(
                    f"Parameters.member.{at}.ParameterValue"
                )
                for at in members
            },
            template=form,
        )


class Socket(FaultProxy):
    """An AWS that records the requests to CloudFormation, and rejects them."""

    def __init__(self, aws_url):
        super().__init__(aws_url)
        self.change_sets = []
        self.refuses = True

    def answer(self, request):
        if b"Action=CreateChangeSet" in request.body and b"StackName=wechat-login-" in request.body:
            self.change_sets.append(ChangeSet.make(request))
            if self.refuses:
                return REFUSED
        return super().answer(request)


class Team:
    """A team with an AWS account of ministack's that deploys the build."""

    def __init__(self, socket):
        self._socket = socket
        self.environment = {
            **{name: each for name, each in os.environ.items() if not name.startswith("AWS_")},
            **aws_environment(socket.url, KEY),
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "",
        }

    def run(self, stage, *arguments, parameters="", **environment):
        given = f"WeChatAppId={APPID} {parameters}"
        wanted = {**self.environment, "PARAMETERS": given, **environment}
        set_ = {name: each for name, each in wanted.items() if each}
        return run_here(main, stage, *arguments, environment=set_)

    @contextlib.contextmanager
    def allowed_to_change(self):
        self._socket.change_sets.clear()
        self._socket.refuses = False
        try:
            yield self._socket.change_sets
        finally:
            self._socket.refuses = True

    def stack(self, name):
        describe = boto3.client(
            "cloudformation",
            endpoint_url=self._socket.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        ).describe_stacks
        return describe(StackName=name)["Stacks"][0]

    def sends(self, stage, *arguments, parameters="", **environment):
        """Deploy, and return the request to CloudFormation."""
        self._socket.change_sets.clear()
        ran = self.run(stage, *arguments, parameters=parameters, **environment)
        assert len(self._socket.change_sets) == 1, ran.stdout + ran.stderr
        return self._socket.change_sets[0]


@pytest.fixture(scope="module")
def team():
    if reason := not_built():
        pytest.skip(reason)
    with account() as aws, Socket(aws.url).running() as socket:
        yield Team(socket)


def test_sam_makes_cloudformation_keep_omitted_parameters():
    """The reason why all parameters are given: SAM CLI omits the rest."""
    script = """
from samcli.commands.deploy.deploy_context import DeployContext
print(DeployContext.merge_parameters({"Parameters": {"A": {}, "B": {}}}, {"A": ""}))
"""
    ran = run([SAM_BIN / "python", "-c", script])

    assert "{'ParameterKey': 'A', 'ParameterValue': ''}" in ran.stdout, ran.stderr
    assert "{'ParameterKey': 'B', 'UsePreviousValue': True}" in ran.stdout


@contextlib.contextmanager
def uncompiled_build():
    """Take away the files that Python 3.13 has compiled."""
    kept = {path: path.read_bytes() for path in (BUILT.parent / "Layer").rglob("*.pyc")}
    for path in kept:
        path.unlink()
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@pytest.fixture
def uncompiled():
    with uncompiled_build():
        yield


@pytest.fixture(scope="module")
def asked(team):
    """A deployment to the protected stage from an uncompiled build, accepted but for the last yes.

    The request to CloudFormation, the exit code and the screen.
    """
    command = [sys.executable, "-m", "ops.deploy", "prod", "--uncompiled"]
    environment = {**team.environment, "PARAMETERS": f"WeChatAppId={APPID}"}
    with uncompiled_build(), team.allowed_to_change() as change_sets:
        code, shown = at_a_terminal(command, environment, [(QUESTION, "n")], 240)
    assert len(change_sets) == 1, shown[-2000:]
    return change_sets[0], code, shown


def test_every_parameter_is_sent_with_a_value_of_its_own(asked):
    sent = asked[0].parameters

    declared = template()["Parameters"]
    assert sent.keys() == declared.keys()
    defaults = {name: str(rules.get("Default")) for name, rules in declared.items()}
    assert sent == {
        **defaults,
        "Stage": "prod",
        "WeChatAppId": APPID,
        "DeletionProtection": "true",
        "LogRetentionDays": "365",
    }
    # Emptied, and not left alone.
    assert sent["DomainName"] == sent["CorsOrigins"] == ""


@pytest.fixture(scope="module")
def sent_to_dev(team):
    """What two deployments in a row send, from an uncompiled build, which only prod refuses.

    The second has no parameters for once; each has a region of its own.
    """
    chosen = "LogRetentionDays=90 'TokenAudience=the audience'"
    both = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}
    default = {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}
    with uncompiled_build():
        return team.sends("dev", parameters=chosen, **both), team.sends("dev", **default)


def test_a_parameter_for_once_wins_once(sent_to_dev):
    once, plain = (each.parameters for each in sent_to_dev)

    assert (once["LogRetentionDays"], once["TokenAudience"]) == ("90", "the audience")
    assert (plain["LogRetentionDays"], plain["TokenAudience"]) == ("7", "")


def test_sam_and_ops_act_in_one_region(sent_to_dev, team):
    """AWS_REGION is before AWS_DEFAULT_REGION, and the stage's own region is before both."""
    in_china = team.sends("china", "--uncompiled", AWS_REGION="us-east-1")

    assert [each.region for each in sent_to_dev] == ["eu-west-1", "us-west-2"]
    assert in_china.region == "cn-north-1"


def test_a_missing_region_is_reported_with_its_remedy(team):
    ran = team.run("dev", AWS_REGION="")

    assert ran.returncode == 1
    assert "set AWS_REGION" in ran.stderr


def test_a_missing_appid_is_reported_with_its_remedy(team):
    ran = team.run("dev", PARAMETERS="")

    assert ran.returncode == 1
    assert "make secrets STAGE=dev" in ran.stderr


@pytest.mark.parametrize(
    "wrong", ["Nonsense=1", "LogRetentionDays=8", "'TokenAudience=\"a\"'", "WeChatUrl=http://a.b"]
)
def test_a_parameter_that_the_template_does_not_take_is_refused_before_anything_is_sent(
    team, wrong
):
    ran = team.run("dev", parameters=wrong)

    assert ran.returncode == 1
    assert ran.stderr.startswith("make deploy: ")
    assert ran.stdout == ""


def test_the_changes_of_a_deployment_are_shown():
    deployed = {"Architecture": "arm64", "DomainName": "a.example", "Stage": "prod", "Former": "1"}
    chosen = {"Architecture": "x86_64", "DomainName": "", "Stage": "prod", "New": "2"}

    assert changes(deployed, chosen) == [
        "Architecture: arm64 → x86_64",
        'DomainName: a.example → ""',
    ]


def test_a_printed_command_names_region_and_profile():
    session = boto3.Session("a", "b", region_name="cn-north-1")
    stage = Stage("china", "wechat-login-china", {}, session, "beijing")

    assert stage.aws_command("sns list-topics") == (
        "aws sns list-topics --region cn-north-1 --profile beijing"
    )


# --- The deployed template ------------------------------------------------------------------------


def deployed_template(name, outputs=None, live=(), *, gradually=False):
    made = releases.released(load_template(TEMPLATE), name, outputs or {}, list(live))
    return gradual(made, load_template(MONITORING)) if gradually else made


@pytest.fixture
def translation(tmp_path):
    """Translate the template of a release: `translation("one", gradually=True)`."""

    def make(name, *, region="us-east-1", gradually=False, **parameters):
        path = tmp_path / f"{name}-{gradually}.yaml"
        path.write_text(yaml.safe_dump(deployed_template(name, gradually=gradually)))
        return translated(region, path, **parameters)

    return make


def of_type(document, kind):
    return {
        name: each for name, each in document["Resources"].items() if each["Type"] == f"AWS::{kind}"
    }


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_a_deployment_is_right_in_both_partitions(translation, tmp_path, region):
    """Linted with all that a gradual one has; one at once is a part of it, as a test below says."""
    document = translation("one", region=region, gradually=True)
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(document))

    assert lint(path, region) == ""
    groups = of_type(document, "CodeDeploy::DeploymentGroup")
    assert len(groups) == len(of_type(document, "Lambda::Function"))
    at_once = translation("one", region=region)
    assert of_type(at_once, "CodeDeploy::DeploymentGroup") == {}


@pytest.mark.parametrize(
    ("region", "principal"),
    [
        ("us-east-1", "codedeploy.amazonaws.com"),
        ("cn-north-1", {"Fn::Sub": "codedeploy.${AWS::Region}.${AWS::URLSuffix}"}),
    ],
)
def test_codedeploy_goes_by_the_one_name_that_its_partition_knows(region, principal):
    document = deployed_template("one", gradually=True)
    statement = document["Resources"]["DeploymentRole"]["Properties"]["AssumeRolePolicyDocument"]
    (condition, in_china, elsewhere) = statement["Statement"][0]["Principal"]["Service"]["Fn::If"]
    is_china = boto3.Session().get_partition_for_region(region) == "aws-cn"

    assert document["Conditions"][condition] == {
        "Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]
    }
    assert (in_china if is_china else elsewhere) == principal


def test_every_release_is_a_version_of_every_function(translation):
    one, other = (set(of_type(translation(name), "Lambda::Version")) for name in ("one", "other"))

    assert len(one) == len(other) == len(of_type(translation("one"), "Lambda::Function"))
    assert not one & other


def test_everything_calls_the_alias_and_nothing_the_function_itself():
    document = translated()
    aliases = set(of_type(document, "Lambda::Alias"))
    permissions = of_type(document, "Lambda::Permission").values()
    schedules = of_type(document, "Scheduler::Schedule").values()
    called = [
        *(each["Properties"]["FunctionName"] for each in permissions),
        *(each["Properties"]["Target"]["Arn"] for each in schedules),
        *(document["Outputs"][f"{name}Arn"]["Value"] for name in ("Authorizer", "FindUser")),
    ]

    assert len(permissions) == len(stack().routes) + 1  # and the authorizer
    assert {each["Ref"] for each in called} <= aliases
    body = json.dumps(document["Resources"]["Api"]["Properties"]["Body"])
    invoked = set(re.findall(r'"Ref": "(\w+)"|functions/\$\{(\w+)', body))
    assert {name for pair in invoked for name in pair if name.endswith("live")} <= aliases
    assert not {name for pair in invoked for name in pair} & set(
        of_type(document, "Lambda::Function")
    )


def test_the_step_to_gradual_and_back_replaces_nothing_that_requests_pass_through(translation):
    """Only CodeDeploy's resources come and go: no permission, alias, route or function."""
    plain, stepwise = translation("one"), translation("one", gradually=True)
    come = stepwise["Resources"].keys() - plain["Resources"].keys()
    changed = {
        name: plain["Resources"][name]
        for name in plain["Resources"]
        if plain["Resources"][name] != stepwise["Resources"][name]
    }

    assert plain["Resources"].keys() <= stepwise["Resources"].keys()
    assert {stepwise["Resources"][name]["Type"].split("::")[1] for name in come} == {
        "CloudWatch",
        "CodeDeploy",
        "IAM",
    }
    assert {each["Type"] for each in changed.values()} == {"AWS::Lambda::Alias"}
    for name, each in changed.items():
        # An update policy says how, and is no property: nothing is replaced.
        assert stepwise["Resources"][name]["Properties"] == each["Properties"]
        assert stepwise["Resources"][name].keys() - each.keys() == {"UpdatePolicy"}


def test_a_fix_that_shifts_at_once_waits_for_no_alarm(translation):
    for alias in of_type(translation("one"), "Lambda::Alias").values():
        assert "UpdatePolicy" not in alias


def test_a_bad_release_goes_back_by_the_alarms_that_look_at_nothing_else(translation):
    document = translation("one", gradually=True)
    wanted = [{"Name": {"Ref": f"Rollback{name}"}} for name in WATCHED]

    for group in of_type(document, "CodeDeploy::DeploymentGroup").values():
        assert group["Properties"]["AlarmConfiguration"] == {"Enabled": True, "Alarms": wanted}
        events = group["Properties"]["AutoRollbackConfiguration"]["Events"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in events
    for name in WATCHED:
        # An alarm that depends on the API would be a circular dependency.
        alarm = json.dumps(document["Resources"][f"Rollback{name}"])
        assert set(re.findall(r'"Ref": "(\w+)"', alarm)) == set()


# --- Names of releases ----------------------------------------------------------------------------

CONTENT, OTHER = "c" * 16, "d" * 16


def live(*names):
    return [Live(f"function-{at}", "1", name) for at, name in enumerate(names)]


def test_a_release_that_is_live_everywhere_keeps_its_name():
    deployed = releases.name_of(CONTENT, {}, [])

    again = releases.name_of(CONTENT, {"Release": deployed}, live(deployed, deployed))

    assert again == deployed
    outputs = releases.released(
        load_template(TEMPLATE),
        again,
        {"Release": deployed, "PreviousRelease": "before"},
        live(deployed),
    )["Outputs"]
    assert outputs["PreviousRelease"]["Value"] == "before"


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(["former", "former"], id="rolled back"),
        pytest.param(["deployed", "former"], id="rolled back in part"),
    ],
)
def test_the_same_build_after_a_rollback_has_a_name_that_never_was(now):
    deployed = releases.name_of(CONTENT, {}, [])
    named = live(*(deployed if each == "deployed" else "former" + OTHER for each in now))

    again = releases.name_of(CONTENT, {"Release": deployed}, named)

    assert again.endswith(CONTENT)
    # By these SAM names a version.
    assert again[:10] != deployed[:10]


def test_a_rollback_returns_to_the_previously_live_release():
    template_ = releases.released(
        load_template(TEMPLATE), "new", {"Release": "failed"}, live("good")
    )

    assert template_["Outputs"]["Release"]["Value"] == "new"
    assert template_["Outputs"]["PreviousRelease"]["Value"] == "good"


# --- Confirmation ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("uncompiled")
def test_a_protected_stage_is_not_deployed_uncompiled_unless_somebody_accepts_it(team, asked):
    """Neither a terminal nor UNCOMPILED=true: nothing is sent."""
    refused = team.run("prod")

    assert refused.returncode == 1
    assert "cold starts take 1.8 times as long" in refused.stderr
    assert "UNCOMPILED=true" in refused.stderr
    assert asked[0].parameters["Stage"] == "prod"


def test_a_protected_stage_asks_at_a_terminal_before_it_changes_anything(team, asked):
    _, code, shown = asked

    assert (code, QUESTION in shown) == (0, True), shown[-2000:]
    # The summary comes first, and nothing was made.
    assert shown.index("AWS::Lambda::Function") < shown.index(QUESTION)
    made = team.stack("wechat-login-prod")
    assert made["StackStatus"] == "REVIEW_IN_PROGRESS"


@pytest.mark.usefixtures("uncompiled")
def test_an_uncompiled_build_asks_at_a_terminal_too(team):
    environment = {**team.environment, "PARAMETERS": f"WeChatAppId={APPID}"}
    command = [sys.executable, "-m", "ops.deploy", "prod"]

    code, shown = at_a_terminal(command, environment, [("Type prod", "no")])

    assert code == 1
    assert "nothing was changed" in shown
