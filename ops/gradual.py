"""`python -m ops.gradual [NAME=VALUE …]`: prints the built template that `make deploy` deploys.

Given the parameters of a deployment, it makes a second one of it, in which new code takes over
gradually: a tenth of the requests for five minutes, then all, and back by itself on an alarm.
SAM then publishes a version where code has changed, but not where only a parameter has; so the
parameters are made a part of what it compares.
"""

# ruff: noqa: T201 - a command line's module
import hashlib
import sys
from typing import Any

import yaml

from ops.stage import ROOT
from stack.cloudformation import FUNCTION, load_template

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
GRADUAL = BUILT.with_name("gradual.yaml")
WATCHED = ("Bugs", "Misconfigured")  # alarms of monitoring.yaml, which look at nothing but a stage
ROLE = "DeploymentRole"


def gradual(template: dict[str, Any], watching: dict[str, Any], release: str) -> dict[str, Any]:
    """Return a template that deploys gradually; `release` changes whenever anything does."""
    resources = dict(template["Resources"])
    # The authorizer is called by its own name, so it changes at once.
    for name, resource in resources.items():
        if resource["Type"] == FUNCTION:
            properties = {**resource["Properties"], "AutoPublishCodeSha256": release}
            resources[name] = {**resource, "Properties": properties}
    for name in WATCHED:
        resources[f"Rollback{name}"] = _alarm(watching["Resources"][name])
    resources[ROLE] = _role()
    functions = {
        **template["Globals"]["Function"],
        "AutoPublishAlias": "live",
        "DeploymentPreference": {
            "Type": "Canary10Percent5Minutes",
            "Role": {"Fn::GetAtt": [ROLE, "Arn"]},
            "Alarms": [{"Ref": f"Rollback{name}"} for name in WATCHED],
        },
    }
    globals_ = {**template["Globals"], "Function": functions}
    return {**template, "Globals": globals_, "Resources": resources}


def _alarm(alarm: dict[str, Any]) -> dict[str, Any]:
    # A person is told once, by the alarm that this is a copy of.
    silent = ("AlarmActions", "OKActions")
    kept = {name: each for name, each in alarm["Properties"].items() if name not in silent}
    return {**alarm, "Properties": kept}


def _role() -> dict[str, Any]:
    # SAM's own role knows one of the names that CodeDeploy goes by; in China it is another.
    regional = {"Fn::Sub": "codedeploy.${AWS::Region}.${AWS::URLSuffix}"}
    allowed = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["codedeploy.amazonaws.com", regional]},
    }
    policy = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]},
            "ManagedPolicyArns": [{"Fn::Sub": policy}],
        },
    }


def _release(parameters: list[str]) -> str:
    """Name what is deployed: whatever was built, with these parameters."""
    digest = hashlib.sha256("\n".join(sorted(parameters)).encode())
    for path in sorted(BUILT.parent.rglob("*")):
        if path.is_file() and path != GRADUAL:
            digest.update(path.relative_to(BUILT.parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def main() -> int:
    """Print the path of the template to deploy."""
    parameters = sys.argv[1:]
    if not parameters:
        print(BUILT)
        return 0
    watching = load_template(BUILT.parent / "Monitoring" / "template.yaml")
    changed = gradual(load_template(BUILT), watching, _release(parameters))
    GRADUAL.write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True), "utf-8")
    print(GRADUAL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
