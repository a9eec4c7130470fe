"""Where a stage is: its environment in samconfig.toml, its stack in AWS, or the local run."""

# ruff: noqa: TID251 - the layer's rule, that only wiring knows boto3, is not for tools
import json
import os
import shlex
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
APPID = "appid"
QUICK = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


class CannotGoOn(Exception):
    """Something is missing or wrong; the message is one line that says what to do."""


@dataclass(frozen=True)
class Stage:
    """One deployment, as samconfig.toml and the AWS profile describe it."""

    name: str
    stack_name: str
    overrides: Mapping[str, str]
    session: boto3.Session = field(repr=False)
    endpoint: str | None = None
    running: Mapping[str, Any] = field(default_factory=dict)  # the local run's own account

    @property
    def prefix(self) -> str:
        """Return what the names of all its parameters begin with."""
        return f"/wechat-login/{self.overrides.get('Stage', self.name)}/"

    @property
    def is_local(self) -> bool:
        """Tell whether this is `python -m local`."""
        return bool(self.running)

    def client(self, service: str) -> Any:
        """Return a client of one of AWS's services, there where the stage is."""
        make: Any = self.session.client  # boto3's stubs know only literal names
        return make(service, endpoint_url=self.endpoint, config=QUICK)

    def function(self, logical_id: str) -> str:
        """Return the name that a function of the stack has in AWS. Raises `CannotGoOn`."""
        found = aws(
            f"finding {logical_id}",
            self.client("cloudformation").describe_stack_resource,
            StackName=self.stack_name,
            LogicalResourceId=logical_id,
        )
        # It has none before it is made, and where that failed.
        name: str = found["StackResourceDetail"].get("PhysicalResourceId", "")
        if not name:
            raise CannotGoOn(f"the stack {self.stack_name} has no {logical_id} yet")
        return name


def find(name: str) -> Stage:
    """Find a stage by its name. Raises `CannotGoOn`."""
    if name == LOCAL:
        return _local()
    deploy = _deploy(name)
    # boto3 itself knows AWS_DEFAULT_REGION only; other tools know both.
    region = deploy.get("region") or os.environ.get("AWS_REGION")
    session = boto3.Session(region_name=region, profile_name=deploy.get("profile"))
    if session.region_name is None:
        raise CannotGoOn("no region: set AWS_REGION, or one in the AWS profile or samconfig.toml")
    return Stage(name, str(deploy["stack_name"]), overrides(name), session)


def overrides(name: str) -> dict[str, str]:
    """Return the parameters of a stage in samconfig.toml, without AWS. Raises `CannotGoOn`."""
    return {"Stage": name, **parsed(_deploy(name).get("parameter_overrides", []))}


def parsed(given: str | list[str]) -> dict[str, str]:
    """Read `parameter_overrides` in either of the ways that samconfig.toml knows."""
    text = given if isinstance(given, str) else shlex.join(given)
    try:
        return parse_parameters(text)
    except BadParameter as fault:
        raise CannotGoOn(f"samconfig.toml: {fault}") from None


def aws(what: str, call: Any, **request: Any) -> dict[str, Any]:
    """Call AWS. Raises `CannotGoOn` with AWS's code, but not its text, which may quote values."""
    try:
        answer: dict[str, Any] = call(**request)
    except ClientError as refused:
        raise CannotGoOn(f"{what}: AWS says {refused.response['Error']['Code']}") from None
    except BotoCoreError as failed:
        raise CannotGoOn(f"{what}: {type(failed).__name__}; are you signed in to AWS?") from None
    return answer


def _deploy(name: str) -> dict[str, Any]:
    environment = _environment(name)
    return {**_parameters(environment, "global"), **_parameters(environment, "deploy")}


def _environment(name: str) -> dict[str, Any]:
    if not name:
        raise CannotGoOn("say which stage: STAGE=prod, an environment of samconfig.toml")
    config = tomllib.loads(SAMCONFIG.read_text("utf-8"))
    environments = {key: each for key, each in config.items() if isinstance(each, dict)}
    if name not in environments:
        known = ", ".join(each for each in environments if each != "default")
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
    return Stage(LOCAL, "", running["parameters"], session, running["aws"], running)
