"""A template that shifts traffic to new code gradually, and rolls back on an alarm.

A tenth of the requests for five minutes, then all.
"""

from collections.abc import Mapping
from typing import Any

WATCHED = ("Bugs", "Misconfigured")  # alarms of monitoring.yaml that depend only on the stage
ROLE = "DeploymentRole"
IN_CHINA = "IsInChina"


def gradual(template: Mapping[str, Any], watching: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template that deploys gradually, with copies of the alarms of `watching`."""
    alarms = {f"Rollback{name}": _alarm(watching["Resources"][name]) for name in WATCHED}
    functions = {
        **template["Globals"]["Function"],
        "DeploymentPreference": {
            "Type": "Canary10Percent5Minutes",
            "Role": {"Fn::GetAtt": [ROLE, "Arn"]},
            "Alarms": [{"Ref": name} for name in alarms],
        },
    }
    in_china = {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}
    return {
        **template,
        "Conditions": {**template["Conditions"], IN_CHINA: in_china},
        "Globals": {**template["Globals"], "Function": functions},
        "Resources": {**template["Resources"], **alarms, ROLE: _role()},
    }


def _alarm(alarm: Mapping[str, Any]) -> dict[str, Any]:
    # The original alarm notifies people, so this copy does not.
    silent = ("AlarmActions", "OKActions")
    kept = {name: each for name, each in alarm["Properties"].items() if name not in silent}
    return {**alarm, "Properties": kept}


def _role() -> dict[str, Any]:
    # Each partition's IAM rejects services of other partitions
    # (https://github.com/aws/aws-cdk/issues/2198), and SAM's own role names only AWS's.
    in_china = {"Fn::Sub": "codedeploy.${AWS::Region}.${AWS::URLSuffix}"}
    allowed = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": {"Fn::If": [IN_CHINA, in_china, "codedeploy.amazonaws.com"]}},
    }
    policy = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]},
            "ManagedPolicyArns": [{"Fn::Sub": policy}],
        },
    }
