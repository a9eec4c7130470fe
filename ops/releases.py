"""Releases: a build and its parameters, under one name.

SAM publishes a version of a function if its code changes, and misses a changed parameter or layer.
So each release has a name, which SAM includes in its comparison and in the description of each
version. The stack's outputs name the deployed release and the one before; the aliases point to the
live release.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.stage import ALIAS, ROOT, Stage, aws
from stack.cloudformation import FUNCTION

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
# Files of `make deploy` beside the built template. SAM CLI parses the template ten times, which
# takes two seconds for YAML and none for JSON.
RELEASED, PARAMETERS = BUILT.with_name("release.json"), BUILT.with_name("parameters.yaml")
NEW, OLD = "Release", "PreviousRelease"
UNIQUE, CONTENT = 10, 16


@dataclass(frozen=True)
class Live:
    """The version of a function that its alias points at."""

    function: str
    version: str
    release: str


def content_of(parameters: Mapping[str, str]) -> str:
    """Return a digest of everything that was built, with these parameters."""
    lines = sorted(f"{name}={value}" for name, value in parameters.items())
    digest = hashlib.sha256("\n".join(lines).encode())
    for path in sorted(BUILT.parent.rglob("*")):
        if path.is_file() and path not in (RELEASED, PARAMETERS):
            digest.update(path.relative_to(BUILT.parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:CONTENT]


def name_of(content: str, outputs: Mapping[str, str], live: list[Live]) -> str:
    """Return the name for a release with this content.

    If every function runs a release with this content, return its name: nothing changes. Otherwise
    return a new name, because Lambda publishes no version for an existing name
    (https://github.com/aws/serverless-application-model/issues/3745): after a failed deployment or
    `make rollback`, the same build can be deployed again.
    """
    deployed = outputs.get(NEW, "")
    if deployed.endswith(content) and {each.release for each in live} == {deployed}:
        return deployed
    # SAM names a version by the first ten characters.
    unique = hashlib.sha256(f"{content} {time.time_ns()}".encode()).hexdigest()[:UNIQUE]
    return unique + content


def released(
    template: Mapping[str, Any], name: str, outputs: Mapping[str, str], live: list[Live]
) -> dict[str, Any]:
    """Return a template that deploys a release, and records the release to roll back to."""
    resources = {
        logical_id: {
            **resource,
            "Properties": {**resource["Properties"], "AutoPublishCodeSha256": name},
        }
        if resource["Type"] == FUNCTION
        else resource
        for logical_id, resource in template["Resources"].items()
    }
    before = live[0].release if live else ""
    before = outputs.get(OLD, "") if before == name else before
    noted = {
        NEW: {"Description": "The release that was deployed", "Value": name},
        OLD: {"Description": "The release that make rollback goes back to", "Value": before or "-"},
    }
    return {**template, "Resources": resources, "Outputs": {**template["Outputs"], **noted}}


def outputs_of(stack: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the outputs of a stack as CloudFormation describes it."""
    return {each["OutputKey"]: each["OutputValue"] for each in (stack or {}).get("Outputs", [])}


def live(stage: Stage) -> list[Live]:
    """Return the live version of each function of the stack. Raises `CannotGoOn`."""
    pages = stage.client("cloudformation").get_paginator("list_stack_resources")
    listed = aws("listing the stack", pages.paginate(StackName=stage.stack_name).build_full_result)
    arns = [
        each["PhysicalResourceId"]
        for each in listed["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::Lambda::Alias" and each.get("PhysicalResourceId")
    ]
    return [_live(stage, arn.rsplit(":", 2)[1]) for arn in arns]


def _live(stage: Stage, function: str) -> Live:
    configured = stage.client("lambda").get_function_configuration
    found = aws(f"looking at {function}", configured, FunctionName=function, Qualifier=ALIAS)
    return Live(function, found["Version"], release_of(found))


def release_of(configuration: Mapping[str, Any]) -> str:
    """Return the release of a version, from the description that SAM wrote."""
    return str(configuration.get("Description", "")).rpartition(" ")[2]
