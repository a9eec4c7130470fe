"""A stage: its environment in samconfig.toml, and its stack in AWS or the local run."""

# ruff: noqa: TID251 - the layer's rule, that only wiring knows boto3, is not for tools
import json
import os
import shlex
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stack.errors import BadParameter
from stack.parameters import parse_parameters

ROOT = Path(__file__).resolve().parent.parent
SAMCONFIG = ROOT / "samconfig.toml"
LOCAL = "local"
ALIAS = "live"  # each function's alias in template.yaml
APPID = "appid"
APP_SECRETS = "app-secrets"
AWS_KEY = "alias/aws/ssm"  # what SSM encrypts by if it is given no key
QUICK = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


class CannotGoOn(Exception):
    """A prerequisite is missing or wrong; the message is one line with the remedy."""


def confirm(act: str, otherwise: str) -> None:
    """Read `yes` from the terminal. Raises `CannotGoOn` with `otherwise` if it is not typed."""
    print(f"{act}: type yes to go on: ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a prompt
    if sys.stdin.readline().strip() != "yes":
        raise CannotGoOn(otherwise)


@dataclass(frozen=True)
class Stage:
    """One deployment, as samconfig.toml and the AWS profile describe it."""

    name: str
    stack_name: str
    overrides: Mapping[str, str]
    session: boto3.Session = field(repr=False)
    profile: str | None = None
    endpoint: str | None = None
    running: Mapping[str, Any] = field(default_factory=dict)  # the local run's own account

    @property
    def prefix(self) -> str:
        """Return the prefix of its parameters' names."""
        return f"/wechat-login/{self.overrides.get('Stage', self.name)}/"

    @property
    def is_local(self) -> bool:
        """Return whether this is `python -m local`."""
        return bool(self.running)

    def client(self, service: str) -> Any:
        """Return a client of an AWS service, in the stage's region."""
        make: Any = self.session.client  # boto3's stubs know only literal names
        # The local run invokes functions itself, not ministack.
        endpoint = self.running["api"] if self.running and service == "lambda" else self.endpoint
        return make(service, endpoint_url=endpoint, config=QUICK)

    @property
    def options(self) -> list[str]:
        """Return the AWS CLI's and SAM CLI's options for the stage's region and profile."""
        region = ["--region", str(self.session.region_name)]
        return region + (["--profile", self.profile] if self.profile else [])

    def aws_command(self, text: str) -> str:
        """Return a command of the AWS CLI for a person to run."""
        return shlex.join(["aws", *shlex.split(text), *self.options])

    def stack(self) -> Mapping[str, Any] | None:
        """Return the stack as CloudFormation describes it, or None. Raises `CannotGoOn`."""
        describe = self.client("cloudformation").describe_stacks
        try:
            found: Mapping[str, Any] = describe(StackName=self.stack_name)["Stacks"][0]
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "ValidationError":
                raise _refused(f"finding the stack {self.stack_name}", refused) from None
            return None
        except BotoCoreError as failed:
            raise _failed(f"finding the stack {self.stack_name}", failed) from None
        return found

    def function(self, logical_id: str) -> str:
        """Return the qualified name of a function's live alias. Raises `CannotGoOn`."""
        return f"{self.resource(logical_id)}:{ALIAS}"

    def resource(self, logical_id: str) -> str:
        """Return the name of one of the stack's resources. Raises `CannotGoOn`."""
        found = aws(
            f"finding {logical_id}",
            self.client("cloudformation").describe_stack_resource,
            StackName=self.stack_name,
            LogicalResourceId=logical_id,
        )
        # The stack has none before it is created, or if its creation failed.
        name: str = found["StackResourceDetail"].get("PhysicalResourceId", "")
        if not name:
            raise CannotGoOn(f"the stack {self.stack_name} has no {logical_id} yet")
        return name


def find(name: str) -> Stage:
    """Find a stage by its name. Raises `CannotGoOn`."""
    if name == LOCAL:
        return _local()
    deploy = _deploy(name)
    # boto3 itself reads only AWS_DEFAULT_REGION; other tools read both.
    region = deploy.get("region") or os.environ.get("AWS_REGION") or None
    profile = deploy.get("profile")
    session = boto3.Session(region_name=region, profile_name=profile)
    if not session.region_name:
        raise CannotGoOn("no region: set AWS_REGION, or one in the AWS profile or samconfig.toml")
    return Stage(name, str(deploy["stack_name"]), find_overrides(name), session, profile)


def find_overrides(name: str) -> dict[str, str]:
    """Return the parameters of a stage in samconfig.toml, without AWS. Raises `CannotGoOn`."""
    return {"Stage": name, **parsed(_deploy(name).get("parameter_overrides", []))}


def parsed(given: str | list[str]) -> dict[str, str]:
    """Read `parameter_overrides` in either form of samconfig.toml."""
    text = given if isinstance(given, str) else shlex.join(given)
    try:
        return parse_parameters(text)
    except BadParameter as fault:
        raise CannotGoOn(f"samconfig.toml: {fault}") from None


def keys_of(stage: Stage) -> dict[str, str]:
    """Return the KMS key of each SecureString of a stage, by our names. Raises `CannotGoOn`."""
    pages = stage.client("ssm").get_paginator("describe_parameters")
    ours = {"Key": "Path", "Option": "Recursive", "Values": [stage.prefix.rstrip("/")]}
    listed = aws(
        "looking at the parameters", pages.paginate(ParameterFilters=[ours]).build_full_result
    )
    return {
        each["Name"].removeprefix(stage.prefix): each.get("KeyId", AWS_KEY)
        for each in listed["Parameters"]
        if each["Type"] == "SecureString"
    }


def aws(what: str, call: Any, **request: Any) -> dict[str, Any]:
    """Call AWS. Raises `CannotGoOn` with AWS's code, but not its text, which may quote values."""
    try:
        answer: dict[str, Any] = call(**request)
    except ClientError as refused:
        raise _refused(what, refused) from None
    except BotoCoreError as failed:
        raise _failed(what, failed) from None
    return answer


def _refused(what: str, refused: ClientError) -> CannotGoOn:
    return CannotGoOn(f"{what}: AWS says {refused.response['Error']['Code']}")


def _failed(what: str, failed: BotoCoreError) -> CannotGoOn:
    return CannotGoOn(f"{what}: {type(failed).__name__}; are you signed in to AWS?")


def _deploy(name: str) -> dict[str, Any]:
    environment = _environment(name)
    return {**_parameters(environment, "global"), **_parameters(environment, "deploy")}


def _environment(name: str) -> dict[str, Any]:
    if not name:
        raise CannotGoOn("choose a stage: STAGE=prod, an environment of samconfig.toml")
    config = tomllib.loads(SAMCONFIG.read_text("utf-8"))
    environments = {key: each for key, each in config.items() if isinstance(each, dict)}
    if name not in environments:
        known = ", ".join(environments)
        raise CannotGoOn(f"samconfig.toml has no environment {name}; there are {known}, and local")
    found: dict[str, Any] = environments[name]
    return found


def _parameters(environment: dict[str, Any], command: str) -> dict[str, Any]:
    found: dict[str, Any] = environment.get(command, {}).get("parameters", {})
    return found


def _local() -> Stage:
    folder = Path(os.environ.get("LOCAL_DIR", ROOT / ".local"))
    try:
        running = json.loads((folder / "running.json").read_text("utf-8"))
    except FileNotFoundError:
        raise CannotGoOn("no local run was found: start it with make run") from None
    session = boto3.Session(running["accessKey"], "local", region_name=running["region"])
    return Stage(
        LOCAL, "", running["parameters"], session, endpoint=running["aws"], running=running
    )
