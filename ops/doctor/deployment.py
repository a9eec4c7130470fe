"""A deployment as the doctor sees it: a stack in AWS, or a running `make run`."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops.releases import outputs_of
from ops.stage import APPID, CannotGoOn, Stage, aws
from wechat_login.settings import PARAMETERS

# CloudFormation's words for a stack that no deployment has begun to make yet, for one that a first
# deployment could not make, which takes no other deployment, and for one that could not go back:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
NOT_BEGUN = "REVIEW_IN_PROGRESS"
PAST_FIXING = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
STUCK = "UPDATE_ROLLBACK_FAILED"
# The only parameter that the functions make: the first renewal stores it.
ACCESS_TOKEN = "access-token"


@dataclass
class Deployment:
    """The deployment to check."""

    stage: Stage
    api: str | None = None  # instead of the stack's own output

    @cached_property
    def _stack(self) -> Mapping[str, Any]:
        stack = self.stage.stack()
        if stack is None:
            raise CannotGoOn(f"there is no stack {self.stage.stack_name}")
        return stack

    @property
    def outputs(self) -> Mapping[str, str]:
        """Return all outputs of the stack."""
        return outputs_of(self._stack)

    @property
    def status(self) -> str:
        """Return the stack's status in CloudFormation. Raises `CannotGoOn` without a stack."""
        return "running locally" if self.stage.is_local else str(self._stack["StackStatus"])

    @property
    def is_whole(self) -> bool:
        """Return whether the last deployment has succeeded."""
        ended = self.status.endswith("_COMPLETE") and "ROLLBACK" not in self.status
        return ended or self.stage.is_local

    @property
    def deploy(self) -> str:
        """Return the command that deploys it."""
        return f"make deploy STAGE={self.stage.name}"

    @property
    def set_up(self) -> str:
        """Return the command that makes its secrets."""
        return f"make secrets STAGE={self.stage.name}"

    @property
    def way_out(self) -> str:
        """Return the remedy for an incomplete stack."""
        if self.is_whole or self.status == NOT_BEGUN:
            return self.deploy
        if self.status.endswith("_IN_PROGRESS"):
            return "Wait until CloudFormation is done, then run this again"
        remedy = "Look at its events in CloudFormation, fix the failed resource"
        if self.status in PAST_FIXING:
            remedy += f", delete it ({self._command('delete-stack')})"
        if self.status == STUCK:
            remedy += f", continue its rollback ({self._command('continue-update-rollback')})"
        return f"{remedy}, then {self.deploy}"

    def _command(self, name: str) -> str:
        stack = self.stage.stack_name
        return self.stage.aws_command(f"cloudformation {name} --stack-name {stack}")

    def left_tables(self) -> list[str]:
        """Return the tables that a failed first deployment has left."""
        if self.status not in PAST_FIXING:
            return []
        pages = self.stage.client("cloudformation").get_paginator("describe_stack_events")
        listed = aws(
            "its events", pages.paginate(StackName=self.stage.stack_name).build_full_result
        )
        return [
            each["PhysicalResourceId"]
            for each in listed["StackEvents"]
            if each["ResourceType"] == "AWS::DynamoDB::Table"
            and each["ResourceStatus"] == "DELETE_SKIPPED"
        ]

    def setting(self, name: str) -> str:
        """Return a template parameter as it is deployed. Raises `CannotGoOn`."""
        if self.stage.is_local:
            return str(self.stage.running["parameters"][name])
        return self._of_stack("Parameter", name)

    def setting_or_none(self, name: str) -> str:
        """Return a template parameter, or nothing if the stack has none: `stack` reports that."""
        with contextlib.suppress(CannotGoOn, KeyError):
            return self.setting(name)
        return ""

    def output(self, name: str) -> str:
        """Return one of the stack's outputs. Raises `CannotGoOn` if the stack has none (yet)."""
        if self.stage.is_local:
            running = self.stage.running
            issuer = running["parameters"]["Issuer"]
            known = {"ApiUrl": running["api"], "TableName": running["table"], "TokenIssuer": issuer}
            return str(known[name])
        return self._of_stack("Output", name)

    def _of_stack(self, kind: str, name: str) -> str:
        found = {
            each[f"{kind}Key"]: each[f"{kind}Value"] for each in self._stack.get(f"{kind}s", [])
        }
        if name not in found:
            stack = f"the stack {self.stage.stack_name} is {self.status}"
            raise CannotGoOn(f"{stack} and has no {kind.lower()} {name}. {self.way_out}")
        return str(found[name])

    @property
    def url(self) -> str:
        """Return the API's URL."""
        return self.api or self.output("ApiUrl")

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Return the parameters in SSM, by our names."""
        names = [self.stage.prefix + each for each in (*PARAMETERS.values(), APPID)]
        answer = aws(
            "reading the parameters",
            self.stage.client("ssm").get_parameters,
            Names=names,
            WithDecryption=True,
        )
        return {
            each["Name"].removeprefix(self.stage.prefix): each["Value"]
            for each in answer["Parameters"]
        }
