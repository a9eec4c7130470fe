"""What `make deploy` gives to SAM: the stage's parameters, and a template that goes in steps."""

import json
import os
import re
import sys
import tomllib

import pytest
import yaml

from ops import gradual
from ops.stage import SAMCONFIG, parsed
from stack.cloudformation import load_template
from stack.template import ROOT, TEMPLATE
from tests.support.translated import MONITORING, lint, translated
from tests.support.written import run, template

CONFIG = tomllib.loads(SAMCONFIG.read_text("utf-8"))
ENVIRONMENTS = {name: each for name, each in CONFIG.items() if isinstance(each, dict)}

each_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


def parameters(*arguments, **environment):
    return run(
        [sys.executable, "-m", "ops.parameters", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", **environment},
    )


@each_environment
def test_an_environment_names_its_own_stack_and_stage(name):
    deploy = ENVIRONMENTS[name]["deploy"]["parameters"]
    given = parsed(deploy["parameter_overrides"])

    assert given.keys() <= template()["Parameters"].keys()
    assert deploy["stack_name"] == f"wechat-login-{given['Stage']}"
    assert given["Stage"] == ("dev" if name == "default" else name)
    assert deploy["resolve_s3"] is True
    assert deploy["capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def test_samconfig_holds_no_account_no_bucket_and_no_secret():
    text = SAMCONFIG.read_text("utf-8")

    assert not re.search(r"\d{12}|arn:|s3_bucket|image_repositor|[0-9a-f]{32}", text)


def test_only_the_environment_for_china_names_a_region():
    regions = re.findall(r"^region = (.+)$", SAMCONFIG.read_text("utf-8"), re.MULTILINE)

    assert regions == ['"cn-north-1"']


def test_the_architecture_is_the_templates_unless_a_stage_chooses():
    assert parameters("--only", "Architecture").stdout == "x86_64\n"
    assert parameters("--only", "Architecture", "prod").stdout == "x86_64\n"
    chosen = parameters("--only", "Architecture", "prod", PARAMETERS="Architecture=arm64")
    assert chosen.stdout == "arm64\n"
    # What is built does not depend on an AWS account being at hand.
    assert parameters("--only", "Architecture", "prod", AWS_REGION="").stdout == "x86_64\n"


def test_without_an_appid_it_says_who_asks_for_it(ministack):
    ran = parameters(
        "dev",
        AWS_ENDPOINT_URL=ministack.url,
        AWS_ACCESS_KEY_ID="400000000001",
        AWS_SECRET_ACCESS_KEY="local",
    )

    assert ran.returncode == 1
    assert "make secrets STAGE=dev" in ran.stderr


def test_the_stages_parameters_are_given_and_those_of_the_command_line_win():
    ran = parameters("prod", PARAMETERS="WeChatAppId=wx1234567890abcdef LogRetentionDays=365")

    given = dict(each.split("=", 1) for each in ran.stdout.split())
    assert given == {
        "Stage": "prod",
        "DeletionProtection": "true",
        "LogRetentionDays": "365",
        "WeChatAppId": "wx1234567890abcdef",
    }


def test_a_parameter_that_a_shell_would_tear_is_refused():
    ran = parameters("prod", PARAMETERS="WeChatAppId=wx1234567890abcdef 'Issuer=https://a b'")

    assert ran.returncode == 1
    assert "Issuer" in ran.stderr


@pytest.fixture
def gradual_template(tmp_path):
    """Make the gradual template of a release, and give its path: `gradual_template("one")`."""

    def make(release):
        made = gradual.gradual(load_template(TEMPLATE), load_template(MONITORING), release)
        path = tmp_path / f"{release}.yaml"
        path.write_text(yaml.safe_dump(made))
        return path

    return make


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_a_gradual_deployment_is_right_in_both_partitions(gradual_template, tmp_path, region):
    document = translated(region, gradual_template("one"))
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(document))

    kinds = [each["Type"] for each in document["Resources"].values()]
    assert lint(path, region) == ""
    assert kinds.count("AWS::CodeDeploy::DeploymentGroup") == kinds.count("AWS::Lambda::Function")


def test_every_release_is_a_version_of_every_function(gradual_template):
    one, other = (translated("us-east-1", gradual_template(each)) for each in ("one", "other"))

    def versions(document):
        resources = document["Resources"].items()
        return {name for name, each in resources if each["Type"] == "AWS::Lambda::Version"}

    assert len(versions(one)) == len(versions(other)) > 0
    assert not versions(one) & versions(other)


def test_a_bad_release_goes_back_by_the_alarms_that_look_at_nothing_else(gradual_template):
    document = translated("us-east-1", gradual_template("one"))
    groups = [
        each["Properties"]
        for each in document["Resources"].values()
        if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    ]
    wanted = [{"Name": {"Ref": f"Rollback{name}"}} for name in gradual.WATCHED]

    for group in groups:
        assert group["AlarmConfiguration"] == {"Enabled": True, "Alarms": wanted}
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    for name in gradual.WATCHED:
        # An alarm that waited for the API would wait for what waits for it.
        assert (
            set(re.findall(r'"Ref": "(\w+)"', json.dumps(document["Resources"][f"Rollback{name}"])))
            == set()
        )
