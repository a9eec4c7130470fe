"""Checks the table and the secrets: present, encrypted, readable, and fitting together."""

import contextlib
import json
import time
from collections.abc import Iterator

from ops.doctor.deployment import ACCESS_TOKEN, Deployment
from ops.doctor.finding import FAIL, NOTE, OK, Finding, either
from ops.stage import APPID, AWS_KEY, CannotGoOn, aws, keys_of
from wechat_login.errors import LoginError
from wechat_login.settings import PARAMETERS
from wechat_login.storage.sealing import Keyring
from wechat_login.tokens.signing_keys import KEY_DAYS

DAY = 86_400
# The optional parameters, and the effect of their absence.
OPTIONAL = {
    "event-token": "message pushes are refused",
    "event-aes-key": "message pushes are refused",
}
RESTORE_KEYS = "Restore signing-keys and public-keys from SSM's parameter history"


def check_secrets(deployment: Deployment) -> Iterator[Finding]:
    """Check the functions' parameters in SSM."""
    found = deployment.parameters
    needed = [each for each in PARAMETERS.values() if each != ACCESS_TOKEN]
    missing = [each for each in needed if each not in found]
    for each in missing:
        grade = NOTE if each in OPTIONAL else FAIL
        result = f"{deployment.stage.prefix}{each} is not there"
        if each in OPTIONAL:
            result += f", so {OPTIONAL[each]}"
        yield Finding(grade, "parameters", result, deployment.set_up)
    if not missing:
        yield Finding(OK, "parameters", f"all {len(needed)} are there and readable")
    in_ssm = found.get(APPID)
    with contextlib.suppress(CannotGoOn):
        deployed = deployment.setting("WeChatAppId")
        if in_ssm not in (None, deployed):
            result = f"the stack has {deployed}, SSM has {in_ssm}"
            yield Finding(FAIL, "AppID", result, f"Decide which it is, then {deployment.deploy}")


def check_encryption(deployment: Deployment) -> Iterator[Finding]:
    """Check that the chosen key encrypts the secrets."""
    stage = deployment.stage
    if stage.is_local:
        return
    wanted = stage.overrides.get("KmsKeyArn") or AWS_KEY
    others = [name for name, key in keys_of(stage).items() if key != wanted]
    if others:
        result = f"{', '.join(sorted(others))} are not encrypted by {wanted}"
        yield Finding(NOTE, "encryption", result, f"{deployment.set_up} moves them")


def check_keys(deployment: Deployment) -> Iterator[Finding]:
    """Check that the keys can be read and fit together."""
    found = deployment.parameters
    if "sealing-key" in found:
        try:
            ring = Keyring.from_json(found["sealing-key"])
            good = ring.open(ring.seal("x", context="doctor"), context="doctor") == "x"
        except (AttributeError, KeyError, ValueError, TypeError, LoginError):
            good = False
        remedy = "Restore it from SSM's parameter history: without it no number can be read"
        yield either(good, "sealing key", "seals and opens", "cannot be read", remedy)
    if {"signing-keys", "public-keys"} <= found.keys():
        yield _signing_keys(found["signing-keys"], found["public-keys"])


def _signing_keys(private: str, public: str) -> Finding:
    what = "signing keys"
    try:
        signing, published = json.loads(private)["keys"], json.loads(public)["keys"]
        active = [key for key in signing if key["activeFrom"] <= time.time()]
        unknown = {key["kid"] for key in signing} - {key["kid"] for key in published}
    except (KeyError, TypeError, ValueError):
        return Finding(FAIL, what, "cannot be read", RESTORE_KEYS)
    if unknown:
        return Finding(FAIL, what, "one that signs is not published", RESTORE_KEYS)
    if not active:
        return Finding(FAIL, what, "none is active yet", RESTORE_KEYS)
    age = (time.time() - max(key["activeFrom"] for key in signing)) / DAY
    if age > KEY_DAYS + 2:
        result = f"the newest is {age:.0f} days old, and {KEY_DAYS} were wanted"
        return Finding(FAIL, what, result, "Invoke RotateSigningKeys, and read its log")
    return Finding(OK, what, f"{len(signing)} signing, {len(published)} published")


def check_table(deployment: Deployment) -> Iterator[Finding]:
    """Check that the table works, and deletes expired items."""
    dynamodb, name = deployment.stage.client("dynamodb"), deployment.output("TableName")
    remedy = "Restore it (docs/runbook.md), or deploy again"
    try:
        described = aws(f"table {name}", dynamodb.describe_table, TableName=name)
    except CannotGoOn as reason:
        yield Finding(FAIL, "table", str(reason), remedy)
        return
    status = described["Table"]["TableStatus"]
    good = status in {"ACTIVE", "UPDATING"}
    yield either(good, "table", f"{name} is {status}", f"{name} is {status}", remedy)
    expiry = aws("its TTL", dynamodb.describe_time_to_live, TableName=name)
    found = expiry["TimeToLiveDescription"]
    on = found.get("AttributeName") == "expiresAt"
    on = on and found["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
    result = "on expiresAt"
    yield either(on, "TTL", result, "expired sessions are never deleted", deployment.deploy)
    if not deployment.stage.is_local:
        backups = aws("its backups", dynamodb.describe_continuous_backups, TableName=name)
        described = backups["ContinuousBackupsDescription"]
        status = described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        result = "the last 35 days can be restored"
        yield either(status == "ENABLED", "backup", result, "is off", deployment.deploy)
