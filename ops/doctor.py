"""`python -m ops.doctor STAGE`: checks a deployment, and prints one line for each result.

A line begins with `ok`, with `note` for useful facts, or with `FAIL`; then the line names the
remedy, and the exit code is 1. Nothing is changed, but for WeChat's access token being renewed.
With `--rid RID` it says instead what became of the call that WeChat refused under this id.
"""

# ruff: noqa: T201 - a command line's module
import argparse
import contextlib
import email.utils
import json
import math
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import requests

from ops.parameters import one
from ops.releases import NEW, live, outputs_of
from ops.stage import APP_SECRETS, APPID, AWS_KEY, CannotGoOn, Stage, aws, find, keys_of
from ops.wechat_numbers import FAST, NO_PUSH_ADDRESS, REALTIME, PhonePacks, WeChatNumbers
from wechat_login.errors import CodeRejected, LoginError
from wechat_login.settings import PARAMETERS
from wechat_login.storage.sealing import Keyring
from wechat_login.tokens.signing_keys import KEY_DAYS
from wechat_login.wechat.access_token import SharedToken
from wechat_login.wechat.client import WeChatClient
from wechat_login.wechat.transport import Transport

PATIENCE = 15.0
DAY = 86_400
# WeChat and API Gateway reject signatures from a clock that differs by more.
CLOCK_SECONDS = 30
CERTIFICATE_DAYS = 21
# WeChat's own first warnings are at a fifth, and 15 days before the end.
SCARCE, PACK_DAYS = 0.1, 15
BUTTONS = {FAST: "getPhoneNumber", REALTIME: "getRealtimePhoneNumber"}
# Why WeChat says nothing about a rid.
NO_RID: dict[object, str] = {
    76001: "WeChat knows no such call; those of /sns, such as logins, are not kept: see the log",
    76002: "this is no rid of WeChat's",
    76003: "the call was another mini program's",
    76004: "the call is older than seven days",
    76022: "the call was one of /sns, such as a login, which are not kept: see the log",
}
# The optional parameters, and the effect of their absence.
OPTIONAL = {
    "event-token": "message pushes are refused",
    "event-aes-key": "message pushes are refused",
}
# Comes with the first renewal.
BY_ITSELF = "access-token"
THROUGHPUT = "/ssm/parameter-store/high-throughput-enabled"
# CloudFormation's words for a stack that no deployment has begun to make yet, for one that a first
# deployment could not make, which takes no other deployment, and for one that could not go back:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
NOT_BEGUN = "REVIEW_IN_PROGRESS"
PAST_FIXING = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
STUCK = "UPDATE_ROLLBACK_FAILED"
SECONDS_OF_A_LOGIN = 0.3
RESTORE_KEYS = "Restore signing-keys and public-keys from SSM's parameter history"
CONSOLE = "WeChat's console (mp.weixin.qq.com), development settings"
# The labels of checks that could not be made, if they differ from the checks' names.
LABELS = {"api": "API", "appid": "AppID", "secrets": "parameters", "wechat": "AppSecret"}
OK, NOTE, FAIL = "ok", "note", "FAIL"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    grade: str
    what: str
    result: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the line that a person reads."""
        line = f"{self.grade:5} {self.what}: {self.result}"
        return f"{line}. {self.remedy}" if self.remedy else line


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
        """Return the stack's status in CloudFormation."""
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

    def output(self, name: str) -> str:
        """Return one of the stack's outputs. Raises `CannotGoOn`: it has none before it is made."""
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


@dataclass
class Doctor:
    """Makes the checks, in the order in which an operator fixes faults."""

    deployment: Deployment
    said: dict[str, dict[str, Any]] = field(default_factory=dict)  # by AppID: WeChat's refusals

    @property
    def _set_up(self) -> str:
        return f"make secrets STAGE={self.deployment.stage.name}"

    @property
    def _deploy(self) -> str:
        return self.deployment.deploy

    def checks(self) -> list[Callable[[], Iterator[Finding]]]:
        """Return all checks."""
        return [
            self.stack,
            self.release,
            self.secrets,
            self.encryption,
            self.keys,
            self.wechat,
            self.appid,
            self.access_token,
            self.phone_numbers,
            self.phone_required,
            self.table,
            self.throughput,
            self.concurrency,
            self.api,
            self.discovery,
            self.domain,
            self.request_domain,
            self.push_address,
            self.events,
            self.alarms,
        ]

    def examine(self) -> Iterator[Finding]:
        """Make every check, even if earlier checks fail."""
        for check in self.checks():
            name = LABELS.get(check.__name__, check.__name__.replace("_", " "))
            try:
                yield from check()
            except CannotGoOn as reason:
                yield Finding(FAIL, name, str(reason), "Fix that first")
            except LoginError as refusal:
                yield _unknown(name, refusal)
            except requests.RequestException as failed:
                result = f"{self.deployment.url} does not answer ({type(failed).__name__})"
                yield Finding(FAIL, name, result, f"Is it deployed? {self._deploy}")

    def stack(self) -> Iterator[Finding]:
        """Check that the stack is deployed completely."""
        try:
            status = self.deployment.status
        except CannotGoOn as reason:
            yield Finding(FAIL, "stack", str(reason), self._deploy)
            return
        if self.deployment.is_whole:
            yield Finding(OK, "stack", status)
        else:
            yield Finding(FAIL, "stack", status, self.deployment.way_out)
        if status in PAST_FIXING:
            for table in self.deployment.left_tables():
                command = self.deployment.stage.aws_command
                unprotect = command(
                    f"dynamodb update-table --table-name {table} --no-deletion-protection-enabled"
                )
                delete = command(f"dynamodb delete-table --table-name {table}")
                result = f"the first deployment has left {table}, which is empty"
                yield Finding(NOTE, "left table", result, f"{unprotect}, then {delete}")

    def release(self) -> Iterator[Finding]:
        """Check that the live release is the deployed release."""
        stage = self.deployment.stage
        try:
            if stage.is_local or not self.deployment.is_whole:
                return
        except CannotGoOn:
            return
        deployed = self.deployment.outputs.get(NEW)
        found = {each.release for each in live(stage)}
        if deployed is None or found == {deployed}:
            return
        result = f"{deployed} was deployed, and live is {', '.join(sorted(found))}"
        yield Finding(
            NOTE, "release", result, f"It was rolled back; deploy a fix with {self._deploy}"
        )

    def secrets(self) -> Iterator[Finding]:
        """Check the functions' parameters in SSM."""
        found = self.deployment.parameters
        needed = [each for each in PARAMETERS.values() if each != BY_ITSELF]
        missing = [each for each in needed if each not in found]
        for each in missing:
            grade = NOTE if each in OPTIONAL else FAIL
            result = f"{self.deployment.stage.prefix}{each} is not there"
            if each in OPTIONAL:
                result += f", so {OPTIONAL[each]}"
            yield Finding(grade, "parameters", result, self._set_up)
        if not missing:
            yield Finding(OK, "parameters", f"all {len(needed)} are there and readable")
        in_ssm = found.get(APPID)
        with contextlib.suppress(CannotGoOn):
            deployed = self.deployment.setting("WeChatAppId")
            if in_ssm not in (None, deployed):
                result = f"the stack has {deployed}, SSM has {in_ssm}"
                yield Finding(FAIL, "AppID", result, f"Decide which it is, then {self._deploy}")

    def encryption(self) -> Iterator[Finding]:
        """Check that the chosen key encrypts the secrets."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        wanted = stage.overrides.get("KmsKeyArn") or AWS_KEY
        others = [name for name, key in keys_of(stage).items() if key != wanted]
        if others:
            result = f"{', '.join(sorted(others))} are not encrypted by {wanted}"
            yield Finding(NOTE, "encryption", result, f"{self._set_up} moves them")

    def keys(self) -> Iterator[Finding]:
        """Check that the keys can be read and fit together."""
        found = self.deployment.parameters
        if "sealing-key" in found:
            try:
                ring = Keyring.from_json(found["sealing-key"])
                good = ring.open(ring.seal("x", context="doctor"), context="doctor") == "x"
            except (AttributeError, KeyError, ValueError, TypeError, LoginError):
                good = False
            remedy = "Restore it from SSM's parameter history: without it no number can be read"
            yield _either(good, "sealing key", "seals and opens", "cannot be read", remedy)
        if {"signing-keys", "public-keys"} <= found.keys():
            yield self._signing_keys(found["signing-keys"], found["public-keys"])

    def _signing_keys(self, private: str, public: str) -> Finding:
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

    def wechat(self) -> Iterator[Finding]:
        """Ask WeChat whether it takes the AppSecret, from where the functions call."""
        for appid in self._app_secrets:
            asked_by, refused = self._ask_wechat(appid)
            what = self._label("AppSecret", appid)
            if not refused:
                yield Finding(OK, what, f"WeChat takes it ({asked_by})")
                continue
            self.said[appid] = refused
            result, remedy = self._explained(refused, appid)
            yield Finding(FAIL, what, f"{result} ({asked_by})", remedy)

    @cached_property
    def _app_secrets(self) -> Mapping[str, str]:
        """Return the AppSecret of each AppID, or nothing if there is none yet."""
        try:
            found: dict[str, str] = dict(json.loads(self.deployment.parameters[APP_SECRETS]))
        except KeyError:
            return {}
        except (TypeError, ValueError):
            name = self.deployment.stage.prefix + APP_SECRETS
            raise CannotGoOn(f"{name} cannot be read: it is no JSON object") from None
        return found

    def _label(self, what: str, appid: str) -> str:
        """Return what a check is called: it names the mini program if there are several."""
        return what if len(self._app_secrets) == 1 else f"{what} of {appid}"

    def _ask_wechat(self, appid: str) -> tuple[str, dict[str, Any]]:
        """Renew the access token; give who asked, and the facts of the refusal, if it was one."""
        if not self.deployment.stage.is_local:
            with contextlib.suppress(CannotGoOn):
                return "asked by the function", self._renewal(appid)
        try:
            self._client(appid).stable_token()
        except LoginError as refusal:
            return "asked from this machine", {"code": refusal.code, **refusal.facts}
        return "asked from this machine", {}

    def _renewal(self, appid: str) -> dict[str, Any]:
        stage = self.deployment.stage
        name = stage.function("RenewAccessToken")
        invoke, payload = stage.client("lambda").invoke, json.dumps({"appid": appid}).encode()
        answer = aws("invoking it", invoke, FunctionName=name, Payload=payload)
        if "FunctionError" not in answer:
            return {}
        failed = json.loads(answer["Payload"].read())
        unknown = {"code": str(failed.get("errorType", "it failed"))}
        # A LoginError's text is JSON; that of a crash or a timeout is not.
        try:
            return {**unknown, **json.loads(failed["errorMessage"])}
        except (KeyError, TypeError, ValueError):
            return unknown

    def _explained(self, refused: Mapping[str, Any], appid: str) -> tuple[str, str]:
        errcode = refused.get("errcode")
        rotate = f"{self._set_up} ROTATE=app-secret APPID={appid}"
        ip = refused.get("refused_ip", "this address")
        explained = {
            40001: ("WeChat rejects the AppSecret", f"Reset it in {CONSOLE}, then {rotate}"),
            40013: ("WeChat knows no such AppID", f"Look it up in {CONSOLE}; put it into SSM anew"),
            40125: ("WeChat rejects the AppSecret", f"Reset it in {CONSOLE}, then {rotate}"),
            40164: (
                f"{ip} is not in WeChat's IP whitelist",
                f"Add {ip} in {CONSOLE}, or switch it off; VpcSubnetIds give a fixed address",
            ),
            45009: ("today's calls are used up", "Find the other program that uses this AppID"),
            50004: ("WeChat has forbidden this account to do it", f"Read the notices in {CONSOLE}"),
            50007: ("WeChat has frozen this account", f"Read the notices in {CONSOLE}"),
            89501: (
                f"{ip} waits for the administrator",
                "Confirm it in WeChat, then run this again",
            ),
            89503: (
                "WeChat wants the administrator to confirm this address",
                "Confirm the message that the administrator has got in WeChat, then run this again",
            ),
            89506: (
                "the administrator refused this address, for 24 hours",
                "Wait, then confirm it",
            ),
            89507: ("the administrator refused this address, for an hour", "Wait, then confirm it"),
        }
        if errcode in explained:
            result, remedy = explained[errcode]
            return f"{result} (errcode {errcode})", remedy
        if errcode is not None:
            rid = f", rid {refused['rid']}" if "rid" in refused else ""
            return f"WeChat says {errcode}{rid}", "docs/troubleshooting.md says what that means"
        why = refused.get("why") or refused.get("aws") or refused.get("missing_parameter") or ""
        result = f"{refused.get('code', 'it failed')} {why}".strip()
        return result, "Read the log of RenewAccessToken; can it reach WeChat's address, WeChatUrl?"

    def _client(self, appid: str) -> WeChatClient:
        setting, app_secret = self.deployment.setting, self._app_secrets[appid]
        until = time.monotonic() + PATIENCE
        return WeChatClient(
            transport=Transport(setting("WeChatUrl")),
            appid=appid,
            app_secret=lambda: app_secret,
            renewed_app_secret=lambda: app_secret,
            connect_timeout=2,
            read_timeout=5,
            reserve=0,
            time_left=lambda: until - time.monotonic(),
            observe=lambda *_: None,
        )

    def appid(self) -> Iterator[Finding]:
        """See whether the AppID is a mini program's: only then are login codes looked at."""
        for appid in self._app_secrets:
            if appid not in self.said:
                yield self._kind_of(appid)

    def _kind_of(self, appid: str) -> Finding:
        what = self._label("AppID", appid)
        try:
            self._client(appid).jscode2session("doctor")
        except CodeRejected:
            return Finding(OK, what, "it is a mini program's")
        except LoginError as refusal:
            result, remedy = self._explained({"code": refusal.code, **refusal.facts}, appid)
            if refusal.facts.get("errcode") == 40164:  # noqa: PLR2004 - WeChat's number
                result = "the whitelist lets no check through from this machine, which is right"
                return Finding(NOTE, what, result)
            hint = "Is it an official account's, and not the mini program's?"
            return Finding(FAIL, what, f"no login code is exchanged: {result}", f"{hint} {remedy}")
        return Finding(
            FAIL, what, "WeChat has exchanged a code that is none", "Is WeChatUrl right?"
        )

    def access_token(self) -> Iterator[Finding]:
        """Tell whether WeChat's access token is kept fresh."""
        for appid in self._app_secrets:
            if appid not in self.said:
                yield self._freshness(appid)

    def _freshness(self, appid: str) -> Finding:
        what = self._label("access token", appid)
        token = self._shared_token(appid)
        remedy = "Look at the log of RenewAccessToken, and at its schedule in EventBridge Scheduler"
        if token is None:
            return Finding(FAIL, what, "nothing has renewed it yet", remedy)
        left = token.expires_at - int(time.time())
        return _either(left > 0, what, f"fresh for {left // 60} minutes", "it has expired", remedy)

    def _shared_token(self, appid: str) -> SharedToken | None:
        answer = aws(
            "reading the access token",
            self.deployment.stage.client("ssm").get_parameters,
            Names=[f"{self.deployment.stage.prefix}{BY_ITSELF}/{appid}"],
            WithDecryption=True,
        )
        found = answer["Parameters"]
        return SharedToken.from_json(found[0]["Value"]) if found else None

    @cached_property
    def _numbers(self) -> WeChatNumbers | None:
        """Return what asks WeChat about the first mini program, or None without a token."""
        with contextlib.suppress(CannotGoOn):
            appid = self.deployment.setting("WeChatAppId")
            token = self._shared_token(appid)
            known = appid in self._app_secrets and appid not in self.said
            if known and token is not None and token.expires_at > time.time():
                return WeChatNumbers(self._client(appid), token.value)
        return None

    def phone_numbers(self) -> Iterator[Finding]:
        """Tell how many numbers of each phone button are left, and until when."""
        if self._numbers is None:
            return
        for spu, button in BUTTONS.items():
            yield self._packs(button, self._numbers.phone_packs(spu), is_logins=spu == FAST)

    def _packs(self, button: str, packs: PhonePacks, *, is_logins: bool) -> Finding:
        what, buy = "phone numbers", "Buy a pack in WeChat's console (付费管理)"
        if not packs.left:
            # A team that uses the other button, or pays nothing, has no reason to buy any.
            grade = FAIL if packs.used or (is_logins and packs.bought) else NOTE
            never = "" if grade == FAIL else ", if a page has this button and you are not exempt"
            return Finding(grade, what, f"{button} has none left", f"{buy}{never}")
        ends = packs.ends_at
        found = f"{button} has {packs.left} of {packs.total} left, until {ends:%Y-%m-%d}"
        soon = ends.timestamp() - time.time() < PACK_DAYS * DAY
        if soon or packs.left < packs.total * SCARCE:
            return Finding(NOTE, what, found, buy)
        return Finding(OK, what, found)

    def phone_required(self) -> Iterator[Finding]:
        """Note a released mini program that locks out users who refuse to give their number."""
        if self._setting("PhoneRequired") == self._setting("DeletionProtection") == "true":
            found = "PhoneRequired=true gives no token to users who refuse their number"
            rule = "WeChat's rule 15.1.3.2 forbids to lock them out of all else"
            remedy = "Set PhoneRequired=false, unless nothing works without a number"
            yield Finding(NOTE, "phone", f"{found}, and {rule}", remedy)

    def _setting(self, name: str) -> str:
        """Return a parameter of the stack, or nothing if the stack has none: `stack` says so."""
        with contextlib.suppress(CannotGoOn, KeyError):
            return self.deployment.setting(name)
        return ""

    def table(self) -> Iterator[Finding]:
        """Check that the table works, and deletes expired items."""
        dynamodb, name = (
            self.deployment.stage.client("dynamodb"),
            self.deployment.output("TableName"),
        )
        remedy = "Restore it (docs/runbook.md), or deploy anew"
        try:
            described = aws(f"table {name}", dynamodb.describe_table, TableName=name)
        except CannotGoOn as reason:
            yield Finding(FAIL, "table", str(reason), remedy)
            return
        status = described["Table"]["TableStatus"]
        good = status in {"ACTIVE", "UPDATING"}
        yield _either(good, "table", f"{name} is {status}", f"{name} is {status}", remedy)
        expiry = aws("its TTL", dynamodb.describe_time_to_live, TableName=name)
        found = expiry["TimeToLiveDescription"]
        on = found.get("AttributeName") == "expiresAt"
        on = on and found["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
        result = "on expiresAt"
        yield _either(on, "TTL", result, "expired sessions are never deleted", self._deploy)
        if not self.deployment.stage.is_local:
            backups = aws("its backups", dynamodb.describe_continuous_backups, TableName=name)
            described = backups["ContinuousBackupsDescription"]
            status = described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
            result = "the last 35 days can be restored"
            yield _either(status == "ENABLED", "backup", result, "is off", self._deploy)

    def throughput(self) -> Iterator[Finding]:
        """Report SSM's throughput; the whole account shares its default."""
        stage = self.deployment.stage
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

    def concurrency(self) -> Iterator[Finding]:
        """Check that Lambda's concurrency suffices for logins; new accounts get ten."""
        stage = self.deployment.stage
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
        yield Finding(
            NOTE, "concurrency", result, f"Ask for more ({ask}), or lower LoginsPerSecond"
        )

    def api(self) -> Iterator[Finding]:
        """Check that the API answers, and that its clock agrees with this machine's."""
        url = self.deployment.url
        answer = requests.post(f"{url}/login", json={}, timeout=PATIENCE)
        try:
            ours = answer.json()["error"]["code"] == "bad_request"
        except (ValueError, KeyError, TypeError):
            ours = False
        result = f"{url} answers"
        wrong = f"POST {url}/login was answered {answer.status_code}, and not by our function"
        hint = (
            f"Look at the access log. 403 in China: the account has no ICP filing. {self._deploy}"
        )
        yield _either(ours, "API", result, wrong, hint)
        try:
            date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            yield Finding(NOTE, "clock", "unknown: the answer has no date that can be read")
            return
        off = abs(date - time.time())
        result, wrong = "agrees with the API's", f"this machine's is {off:.0f} s off the API's"
        yield _either(off <= CLOCK_SECONDS, "clock", result, wrong, "Set it, by NTP")

    def discovery(self) -> Iterator[Finding]:
        """Find the keys like a verifier of tokens."""
        url, issuer = self.deployment.url, self.deployment.output("TokenIssuer")
        what, place = "discovery", "/.well-known/openid-configuration"
        answer = requests.get(url + place, timeout=PATIENCE)
        try:
            document = answer.json()
            found, keys = document["issuer"], document["jwks_uri"]
        except (ValueError, KeyError, TypeError):
            result = f"{url}{place} was answered {answer.status_code}"
            yield Finding(FAIL, what, result, "Look at the log of PublishKeys")
            return
        if found != issuer or keys != f"{issuer}/.well-known/jwks.json":
            result = f"it names the issuer {found}, and tokens are to name {issuer}"
            yield Finding(FAIL, what, result, f"Set Issuer, or leave it empty, and {self._deploy}")
            return
        yield Finding(OK, what, f"the issuer is {issuer}")
        # The issuer's own address may be one that is not up yet, or that only others reach.
        answer = requests.get(f"{url}/.well-known/jwks.json", timeout=PATIENCE)
        public = self.deployment.parameters.get("public-keys", '{"keys": []}')
        try:
            served = {key["kid"] for key in answer.json()["keys"]}
        except (ValueError, KeyError, TypeError):
            served = set()
        try:
            keys = json.loads(public)["keys"]
            wanted = {key["kid"] for key in keys}
            # A key is made a day before it signs, and each container reads anew every five minutes.
            in_use = {key["kid"] for key in keys if key["activeFrom"] <= time.time()}
        except (KeyError, TypeError, ValueError):
            yield Finding(FAIL, "public keys", "those in SSM cannot be read", RESTORE_KEYS)
            return
        if in_use <= served < wanted:
            yield Finding(NOTE, "public keys", "the newest is not served yet; it will be in time")
            return
        result, wrong = f"{len(served)} served", "not those that lie in SSM"
        remedy = "They agree within five minutes of a rotation; after that, read PublishKeys' log"
        yield _either(served == wanted != set(), "public keys", result, wrong, remedy)

    def domain(self) -> Iterator[Finding]:
        """Check that the API's own domain leads here, with a valid certificate."""
        if self.deployment.stage.is_local:
            return
        name = self.deployment.setting("DomainName")
        if not name:
            result = "none of its own, and a released mini program needs one that is ICP-filed"
            yield Finding(NOTE, "domain", result, "Set DomainName and CertificateArn")
            return
        target = self.deployment.output("DomainTarget")
        try:
            with (
                socket.create_connection((name, 443), PATIENCE) as connection,
                ssl.create_default_context().wrap_socket(connection, server_hostname=name) as tls,
            ):
                ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
        except ssl.SSLError as refused:
            result = f"the certificate of {name} is not valid ({refused.reason})"
            yield Finding(FAIL, "domain", result, "Issue one for this name in ACM, in this region")
            return
        except OSError:
            result = f"{name} leads nowhere"
            yield Finding(FAIL, "domain", result, f"Point its DNS record (CNAME) to {target}")
            return
        days = (ends - time.time()) / DAY
        result = f"{name}, certificate for {days:.0f} days"
        remedy = "ACM renews by itself while the DNS record of its validation stands; restore that"
        yield _either(days > CERTIFICATE_DAYS, "domain", result, result, remedy)

    def request_domain(self) -> Iterator[Finding]:
        """Tell whether WeChat lets the mini program call the API's own domain."""
        name = self._setting("DomainName").lower()
        if not name or self._numbers is None:
            return
        found = f"{name} is in WeChat's list"
        wrong = f"{name} is not in WeChat's list, so the released mini program cannot call it"
        remedy = f"Add https://{name} as request 合法域名 in {CONSOLE}"
        listed = name in self._numbers.request_domains()
        yield _either(listed, "request domain", found, wrong, remedy)

    def push_address(self) -> Iterator[Finding]:
        """Tell whether WeChat finds the address that its message pushes go to."""
        if self._numbers is None:
            return
        what, path = "push address", "/wechat/events"
        try:
            answered = self._numbers.push_address()
        except LoginError as refusal:
            if refusal.facts.get("errcode") != NO_PUSH_ADDRESS:
                raise
            found = "none is set, so withdrawals, closed accounts and warnings are not heard of"
            yield Finding(NOTE, what, found, f"Set {self.deployment.url}{path} in {CONSOLE}")
            return
        if not answered:
            wrong = "WeChat finds no IP address for it"
            remedy = f"Compare it in {CONSOLE} with {self.deployment.url}{path}, and its DNS record"
            yield Finding(FAIL, what, wrong, remedy)
        elif any(answered.values()):
            yield Finding(OK, what, "WeChat reaches it")
        else:
            # One ICMP packet, which API Gateway does not answer, nor do many firewalls:
            # https://developers.weixin.qq.com/doc/service/api/base/api_callbackcheck.html
            found = f"WeChat finds {', '.join(sorted(answered))}, and no ping comes back"
            remedy = f"API Gateway answers none; save the address anew in {CONSOLE}, which calls it"
            yield Finding(NOTE, what, found, remedy)

    def rid(self, rid: str) -> Iterator[Finding]:
        """Tell what WeChat knows about a call that it refused."""
        if self._numbers is None:
            remedy = f"make doctor STAGE={self.deployment.stage.name} says why"
            yield Finding(NOTE, "rid", "cannot tell: there is no access token", remedy)
            return
        try:
            call = self._numbers.refused_call(rid)
        except LoginError as refusal:
            reason = NO_RID.get(refusal.facts.get("errcode"))
            yield Finding(NOTE, "rid", reason) if reason else _unknown("rid", refusal)
            return
        said = f"WeChat answered {call.errcode} ({call.errmsg}) to {call.client_ip}"
        remedy = "docs/troubleshooting.md says what that means"
        yield Finding(NOTE, "rid", f"{said} at {call.at}, in {call.ms} ms", remedy)

    def events(self) -> Iterator[Finding]:
        """Check that the bus of the events exists: otherwise EventBridge drops them silently.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
        """
        if self._setting("Events") != "true":
            return
        stage, bus = self.deployment.stage, self._setting("EventBusName")
        buses = stage.client("events").list_event_buses
        there = aws("looking for the bus", buses, NamePrefix=bus)["EventBuses"]
        found = bus in {each["Name"] for each in there}
        make = stage.aws_command(f"events create-event-bus --name {bus}")
        result = f"publishes on the bus {bus}"
        yield _either(found, "events", result, f"there is no bus {bus}", f"Make it: {make}")

    def alarms(self) -> Iterator[Finding]:
        """Check that somebody receives the alarms."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        ask = stage.client("sns").get_topic_attributes
        try:
            topic = self.deployment.output("AlarmTopicArn")
            subscribed = aws("the alarms' topic", ask, TopicArn=topic)["Attributes"]
        except CannotGoOn as reason:
            yield Finding(NOTE, "alarms", f"unknown: {reason}")
            return
        if int(subscribed["SubscriptionsConfirmed"]):
            yield Finding(OK, "alarms", "somebody receives them")
        elif int(subscribed["SubscriptionsPending"]) or self.deployment.setting("AlarmEmail"):
            result = "nobody receives them: the subscription has not been confirmed"
            remedy = "Confirm the mail that AWS has sent; after two days, subscribe again in SNS"
            yield Finding(NOTE, "alarms", result, remedy)
        else:
            set_it = "Put AlarmEmail=… into samconfig.toml"
            remedy = f"{set_it}, {self._deploy}, and confirm the mail that AWS sends"
            yield Finding(NOTE, "alarms", "nobody receives them", remedy)


def _either(good: bool, what: str, result: str, wrong: str, remedy: str) -> Finding:
    return Finding(OK, what, result) if good else Finding(FAIL, what, wrong, remedy)


def _unknown(what: str, refusal: LoginError) -> Finding:
    """Return a note for what WeChat does not say: that is no fault of the deployment."""
    facts = refusal.facts
    if "errcode" not in facts:
        found = f"cannot tell: no answer of WeChat's ({facts.get('why', refusal.code)})"
        return Finding(NOTE, what, found, "Can this machine reach WeChat's address, WeChatUrl?")
    rid = f", rid {facts['rid']}" if "rid" in facts else ""
    found = f"cannot tell: WeChat says {facts['errcode']}{rid}"
    return Finding(NOTE, what, found, "docs/troubleshooting.md says what that means")


def main() -> int:
    """Print the results; return 0 if nothing has failed."""
    parser = argparse.ArgumentParser(prog="python -m ops.doctor", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument(
        "--api", metavar="URL", help="the API's URL, if it differs from the stack's output"
    )
    parser.add_argument("--rid", help="explain this call of WeChat's API, and check nothing")
    arguments = parser.parse_args()
    try:
        doctor = Doctor(Deployment(find(arguments.stage), arguments.api))
    except CannotGoOn as reason:
        print(f"make doctor: {reason}", file=sys.stderr)
        return 1
    if arguments.rid:
        for finding in doctor.rid(arguments.rid):
            print(finding)
        return 0
    failed = 0
    for finding in doctor.examine():
        print(finding, flush=True)
        failed += finding.grade == FAIL
    print(f"\n{failed} to fix." if failed else "\nAll is well.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
