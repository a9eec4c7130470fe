"""Checks the limits that this deployment shares with the whole AWS account."""

import math
from collections.abc import Iterator

from ops.doctor.deployment import Deployment
from ops.doctor.finding import NOTE, OK, Finding
from ops.parameters import one
from ops.stage import CannotGoOn, aws

THROUGHPUT = "/ssm/parameter-store/high-throughput-enabled"
SECONDS_OF_A_LOGIN = 0.3


def check_throughput(deployment: Deployment) -> Iterator[Finding]:
    """Report SSM's throughput; the whole account shares its default."""
    stage = deployment.stage
    if stage.is_local:
        return
    ask = stage.client("ssm").get_service_setting
    try:
        answer = aws("SSM's setting", ask, SettingId=THROUGHPUT)
    except CannotGoOn as reason:
        yield Finding(NOTE, "SSM throughput", f"unknown: {reason}")
        return
    if answer["ServiceSetting"]["SettingValue"] == "true":
        yield Finding(OK, "SSM throughput", "higher")
        return
    result = "standard, 40 reads a second for the whole account"
    command = stage.aws_command(
        f"ssm update-service-setting --setting-id {THROUGHPUT} --setting-value true"
    )
    remedy = f"Enough for this alone; for more, at a charge: {command}"
    yield Finding(NOTE, "SSM throughput", result, remedy)


def check_concurrency(deployment: Deployment) -> Iterator[Finding]:
    """Check that Lambda's concurrency suffices for logins; new accounts get ten."""
    stage = deployment.stage
    if stage.is_local:
        return
    try:
        limits = aws("Lambda's limits", stage.client("lambda").get_account_settings)
    except CannotGoOn as reason:
        yield Finding(NOTE, "concurrency", f"unknown: {reason}")
        return
    there = int(limits["AccountLimit"]["UnreservedConcurrentExecutions"])
    logins = int(one("LoginsPerSecond", stage.name))
    needed = math.ceil(logins * SECONDS_OF_A_LOGIN)
    if there >= needed:
        yield Finding(OK, "concurrency", f"{there} executions at once")
        return
    result = f"the account runs {there} at once, and {logins} logins a second need {needed}"
    ask = stage.aws_command(
        "service-quotas request-service-quota-increase --service-code lambda"
        " --quota-code L-B99A9384 --desired-value 1000"
    )
    yield Finding(NOTE, "concurrency", result, f"Ask for more ({ask}), or lower LoginsPerSecond")
