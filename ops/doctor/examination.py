"""All checks of a deployment, in the order in which an operator fixes faults."""

from collections.abc import Iterator, Mapping

import requests

from ops.doctor.account import check_concurrency, check_throughput
from ops.doctor.api import check_api, check_discovery, check_domain
from ops.doctor.deployment import Deployment
from ops.doctor.finding import FAIL, Finding, unknown
from ops.doctor.mini_programs import MiniPrograms
from ops.doctor.stack import check_alarms, check_events, check_release, check_stack
from ops.doctor.storage import check_encryption, check_keys, check_secrets, check_table
from ops.stage import CannotGoOn
from wechat_login.errors import LoginError


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Make every check, even if earlier checks fail."""
    for name, findings in _checks(deployment).items():
        try:
            yield from findings
        except CannotGoOn as reason:
            yield Finding(FAIL, name, str(reason), "Fix that first")
        except LoginError as refusal:
            yield unknown(name, refusal)
        except requests.RequestException as failed:
            result = f"{deployment.url} does not answer ({type(failed).__name__})"
            yield Finding(FAIL, name, result, f"Is it deployed? {deployment.deploy}")


def _checks(deployment: Deployment) -> Mapping[str, Iterator[Finding]]:
    """Return the checks by name; each runs only when its findings are read."""
    mini_programs = MiniPrograms(deployment)
    return {
        "stack": check_stack(deployment),
        "release": check_release(deployment),
        "parameters": check_secrets(deployment),
        "encryption": check_encryption(deployment),
        "keys": check_keys(deployment),
        "AppSecret": mini_programs.check_app_secrets(),
        "AppID": mini_programs.check_appids(),
        "access token": mini_programs.check_access_tokens(),
        "phone numbers": mini_programs.check_phone_numbers(),
        "phone": mini_programs.check_phone_required(),
        "table": check_table(deployment),
        "SSM throughput": check_throughput(deployment),
        "concurrency": check_concurrency(deployment),
        "API": check_api(deployment),
        "discovery": check_discovery(deployment),
        "domain": check_domain(deployment),
        "request domain": mini_programs.check_request_domain(),
        "push address": mini_programs.check_push_address(),
        "events": check_events(deployment),
        "alarms": check_alarms(deployment),
    }
