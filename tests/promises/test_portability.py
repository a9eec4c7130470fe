"""The template deploys in every partition: linted, translated, for AWS and for AWS China."""

import json
import re

import pytest

from stack.template import ROOT
from tests.support.translated import MONITORING, lint, monitoring, resolver, translated
from tests.support.written import stack, template

REGIONS = ["us-east-1", "ap-east-1", "cn-north-1", "cn-northwest-1"]
# All options are on, so that every conditional resource is linted.
EVERYTHING = {
    "DomainName": "login.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0",
    "CorsOrigins": "https://www.example.com",
    "Architecture": "arm64",
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
    "AlarmEmail": "team@example.com",
    "Events": "true",
}
DOMAIN = {name: EVERYTHING[name] for name in ("DomainName", "CertificateArn")}
# These names are the same in every partition.
PRINCIPALS = {"apigateway", "lambda", "scheduler"}

each_partition = pytest.mark.parametrize(
    "regions", [REGIONS[:2], REGIONS[2:]], ids=["AWS", "AWS China"]
)


@each_partition
@pytest.mark.parametrize("events", ["false", "true"])
def test_the_translated_template_is_right_in_every_region(regions, events, tmp_path):
    path = tmp_path / "translated.json"
    document, *others = (translated(region, Events=events) for region in regions)
    path.write_text(json.dumps(document))

    assert others == [document] * len(others)  # one text for all regions of a partition
    assert lint(path, *regions) == ""


@each_partition
def test_it_is_right_with_everything_switched_on(regions, tmp_path):
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(translated(regions[0], **EVERYTHING)))

    assert lint(path, *regions) == ""


def test_the_alarms_are_valid_in_every_region():
    assert lint(MONITORING, *REGIONS) == ""


def test_a_lint_that_finds_nothing_would_find_what_a_region_lacks(tmp_path):
    document = translated("cn-north-1")
    absent = {"Type": "AWS::Logs::LogAnomalyDetector", "Properties": {"LogGroupArnList": []}}
    changed = {**document, "Resources": {**document["Resources"], "Absent": absent}}
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(changed))

    assert "E3006" in lint(path, "cn-north-1")


@pytest.mark.parametrize("path", [ROOT / "template.yaml", MONITORING], ids=lambda path: path.name)
def test_nothing_names_a_partition_or_a_domain_of_aws(path):
    code = re.sub(r"(^|\s)#.*", "", path.read_text("utf-8"))
    code = re.sub(r"AllowedPattern: .*", "", code)

    assert "arn:aws" not in code
    assert "amazonaws" not in code
    assert code.count("arn:") == code.count("arn:${AWS::Partition}:")


@pytest.mark.parametrize("region", ["cn-north-1", "cn-northwest-1"])
def test_sam_names_the_partition_that_it_translates_for(region):
    text = json.dumps(translated(region))

    assert "arn:aws:" not in text
    assert set(re.findall(r"([a-z]+)\.amazonaws\.com", text)) == PRINCIPALS


def test_features_that_aws_china_lacks_are_off_by_default():
    chosen = stack().parameters
    document = translated("cn-north-1")
    functions = [
        each["Properties"]
        for each in document["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    ]

    assert chosen["Architecture"] == "x86_64"
    assert not [each for each in functions if "TracingConfig" in each or "SnapStart" in each]
    assert "AWS::Lambda::Url" not in {each["Type"] for each in document["Resources"].values()}


@pytest.mark.parametrize(
    ("parameters", "servers"),
    [
        ({}, None),
        (
            DOMAIN,
            [
                {
                    "url": "https://login.example.com",
                    "x-amazon-apigateway-endpoint-configuration": {
                        "disableExecuteApiEndpoint": True
                    },
                }
            ],
        ),
    ],
)
def test_its_own_domain_is_the_only_way_in_and_the_import_has_nothing_to_warn_of(
    parameters, servers
):
    document = translated(**parameters)
    body = document["Resources"]["Api"]["Properties"]["Body"]

    assert resolver(document, **parameters)(body).get("servers") == servers


def test_two_stages_stand_side_by_side_in_one_account():
    # CloudFormation generates the names of all other resource types.
    named = {
        logical_id: name
        for document in (translated(), monitoring())
        for logical_id, each in document["Resources"].items()
        for name in (value for key, value in each.get("Properties", {}).items() if is_name(key))
        # A domain name belongs to one stage anyway.
        if not each["Type"].startswith("AWS::ApiGatewayV2::")
    }

    for logical_id, name in named.items():
        text = json.dumps(name)
        assert "${Stage}" in text or "AWS::StackName" in text or name == "live", logical_id


def is_name(key):
    return key.endswith("Name") and key not in {
        "MetricName",
        "FunctionName",
        "DisplayName",
        "StageName",
    }


def test_the_metrics_of_two_stages_are_not_mixed():
    service = template()["Globals"]["Function"]["Environment"]["Variables"]
    alarms = [
        each["Properties"]
        for each in monitoring()["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
        and each["Properties"]["Namespace"] == "WeChatLogin"
    ]

    assert service["POWERTOOLS_SERVICE_NAME"] == {"Fn::Sub": "wechat-login-${Stage}"}
    for alarm in alarms:
        own = {"Name": "service", "Value": {"Fn::Sub": "wechat-login-${Stage}"}}
        assert own in alarm["Dimensions"]
