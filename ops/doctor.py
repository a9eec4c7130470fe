"""`python -m ops.doctor STAGE`: looks at a deployment and says, one line each, what is wrong.

A line begins with `ok`, with `note` for what is worth knowing, or with `FAIL`; then it names the
remedy, and the exit code is 1. Nothing is changed, but for WeChat's access token being renewed.
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
from wechat_login.errors import CodeRejected, LoginError
from wechat_login.settings import PARAMETERS
from wechat_login.storage.sealing import Keyring
from wechat_login.tokens.signing_keys import KEY_DAYS
from wechat_login.wechat.client import WeChatClient

PATIENCE = 15.0
DAY = 86_400
# WeChat and API Gateway both refuse signatures of a clock that is further off.
CLOCK_SECONDS = 30
CERTIFICATE_DAYS = 21
# Which of the parameters a deployment can do without, and what it then does not do.
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
PAST_MENDING = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
STUCK = "UPDATE_ROLLBACK_FAILED"
SECONDS_OF_A_LOGIN = 0.3
RESTORE_KEYS = "Restore signing-keys and public-keys from SSM's parameter history"
CONSOLE = "WeChat's console (mp.weixin.qq.com), development settings"
# What a check that could not be made is called, where its own name is not the word for it.
LABELS = {"api": "API", "appid": "AppID", "secrets": "parameters", "wechat": "AppSecret"}
OK, NOTE, FAIL = "ok", "note", "FAIL"


@dataclass(frozen=True)
class Finding:
    """What one check has found."""

    grade: str
    what: str
    told: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the line that a person reads."""
        line = f"{self.grade:5} {self.what}: {self.told}"
        return f"{line}. {self.remedy}" if self.remedy else line


@dataclass
class Deployment:
    """What there is to look at."""

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
        """Return CloudFormation's word for the state of the stack."""
        return "running locally" if self.stage.is_local else str(self._stack["StackStatus"])

    @property
    def is_whole(self) -> bool:
        """Tell whether the last deployment has ended, and well."""
        ended = self.status.endswith("_COMPLETE") and "ROLLBACK" not in self.status
        return ended or self.stage.is_local

    @property
    def deploy(self) -> str:
        """Return the command that deploys it."""
        return f"make deploy STAGE={self.stage.name}"

    @property
    def way_out(self) -> str:
        """Return what makes a whole stack of one that is not."""
        if self.is_whole or self.status == NOT_BEGUN:
            return self.deploy
        if self.status.endswith("_IN_PROGRESS"):
            return "Wait until CloudFormation is done, then run this again"
        mend = "Look at its events in CloudFormation, mend what failed"
        if self.status in PAST_MENDING:
            mend += f", delete it ({self._command('delete-stack')})"
        if self.status == STUCK:
            mend += f", let it go on going back ({self._command('continue-update-rollback')})"
        return f"{mend}, then {self.deploy}"

    def _command(self, name: str) -> str:
        stack = self.stage.stack_name
        return self.stage.aws_command(f"cloudformation {name} --stack-name {stack}")

    def left_tables(self) -> list[str]:
        """Return the tables that a first deployment made, and left when it went back."""
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
        """Return where the API answers."""
        return self.api or self.output("ApiUrl")

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Return what lies in SSM, by our names."""
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
    """Makes the checks, in the order in which one mends things."""

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
            self.table,
            self.throughput,
            self.concurrency,
            self.api,
            self.discovery,
            self.domain,
            self.alarms,
        ]

    def examine(self) -> Iterator[Finding]:
        """Make every check, whatever becomes of the ones before."""
        for check in self.checks():
            name = LABELS.get(check.__name__, check.__name__.replace("_", " "))
            try:
                yield from check()
            except CannotGoOn as reason:
                yield Finding(FAIL, name, str(reason), "Mend that first")
            except requests.RequestException as failed:
                told = f"{self.deployment.url} does not answer ({type(failed).__name__})"
                yield Finding(FAIL, name, told, f"Is it deployed? {self._deploy}")

    def stack(self) -> Iterator[Finding]:
        """Tell whether it is deployed, and wholly."""
        try:
            status = self.deployment.status
        except CannotGoOn as reason:
            yield Finding(FAIL, "stack", str(reason), self._deploy)
            return
        if self.deployment.is_whole:
            yield Finding(OK, "stack", status)
        else:
            yield Finding(FAIL, "stack", status, self.deployment.way_out)
        if status in PAST_MENDING:
            for table in self.deployment.left_tables():
                command = self.deployment.stage.aws_command
                unprotect = command(
                    f"dynamodb update-table --table-name {table} --no-deletion-protection-enabled"
                )
                delete = command(f"dynamodb delete-table --table-name {table}")
                told = f"the first deployment has left {table}, which is empty"
                yield Finding(NOTE, "left table", told, f"{unprotect}, then {delete}")

    def release(self) -> Iterator[Finding]:
        """Tell whether what is live is what was deployed."""
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
        told = f"{deployed} was deployed, and live is {', '.join(sorted(found))}"
        yield Finding(
            NOTE, "release", told, f"It was taken back; with what mends it: {self._deploy}"
        )

    def secrets(self) -> Iterator[Finding]:
        """Look in SSM for what the functions read."""
        found = self.deployment.parameters
        needed = [each for each in PARAMETERS.values() if each != BY_ITSELF]
        missing = [each for each in needed if each not in found]
        for each in missing:
            grade = NOTE if each in OPTIONAL else FAIL
            told = f"{self.deployment.stage.prefix}{each} is not there"
            if each in OPTIONAL:
                told += f", so {OPTIONAL[each]}"
            yield Finding(grade, "parameters", told, self._set_up)
        if not missing:
            yield Finding(OK, "parameters", f"all {len(needed)} are there and readable")
        in_ssm = found.get(APPID)
        with contextlib.suppress(CannotGoOn):
            deployed = self.deployment.setting("WeChatAppId")
            if in_ssm not in (None, deployed):
                told = f"the stack has {deployed}, SSM has {in_ssm}"
                yield Finding(FAIL, "AppID", told, f"Decide which it is, then {self._deploy}")

    def encryption(self) -> Iterator[Finding]:
        """Tell which key the secrets are encrypted by, if it is not the one that was chosen."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        wanted = stage.overrides.get("KmsKeyArn") or AWS_KEY
        others = [name for name, key in keys_of(stage).items() if key != wanted]
        if others:
            told = f"{', '.join(sorted(others))} are not encrypted by {wanted}"
            yield Finding(NOTE, "encryption", told, f"{self._set_up} moves them")

    def keys(self) -> Iterator[Finding]:
        """Read the keys, and see whether they belong together."""
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
            told = f"the newest is {age:.0f} days old, and {KEY_DAYS} were wanted"
            return Finding(FAIL, what, told, "Invoke RotateSigningKeys, and read its log")
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
            told, remedy = self._explained(refused, appid)
            yield Finding(FAIL, what, f"{told} ({asked_by})", remedy)

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
            40001: ("WeChat refuses the AppSecret", f"Reset it in {CONSOLE}, then {rotate}"),
            40013: ("WeChat knows no such AppID", f"Look it up in {CONSOLE}; put it into SSM anew"),
            40125: ("WeChat refuses the AppSecret", f"Reset it in {CONSOLE}, then {rotate}"),
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
            told, remedy = explained[errcode]
            return f"{told} (errcode {errcode})", remedy
        if errcode is not None:
            rid = f", rid {refused['rid']}" if "rid" in refused else ""
            return f"WeChat says {errcode}{rid}", "docs/troubleshooting.md says what that means"
        why = refused.get("why") or refused.get("aws") or refused.get("missing_parameter") or ""
        told = f"{refused.get('code', 'it failed')} {why}".strip()
        return told, "Read the log of RenewAccessToken; can it reach WeChat's address, WeChatUrl?"

    def _client(self, appid: str) -> WeChatClient:
        setting, app_secret = self.deployment.setting, self._app_secrets[appid]
        until = time.monotonic() + PATIENCE
        return WeChatClient(
            url=setting("WeChatUrl"),
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
            told, remedy = self._explained({"code": refusal.code, **refusal.facts}, appid)
            if refusal.facts.get("errcode") == 40164:  # noqa: PLR2004 - WeChat's number
                told = "the whitelist lets no check through from this machine, which is right"
                return Finding(NOTE, what, told)
            hint = "Is it an official account's, and not the mini program's?"
            return Finding(FAIL, what, f"no login code is exchanged: {told}", f"{hint} {remedy}")
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
        answer = aws(
            "reading the access token",
            self.deployment.stage.client("ssm").get_parameters,
            Names=[f"{self.deployment.stage.prefix}{BY_ITSELF}/{appid}"],
            WithDecryption=True,
        )
        remedy = "Look at the log of RenewAccessToken, and at its schedule in EventBridge Scheduler"
        try:
            shared = json.loads(answer["Parameters"][0]["Value"])
            left = int(shared["expires_at"]) - int(time.time())
        except (IndexError, KeyError, TypeError, ValueError):
            return Finding(FAIL, what, "nothing has renewed it yet", remedy)
        told = f"fresh for {left // 60} minutes"
        return _either(left > 0, what, told, "it has expired", remedy)

    def table(self) -> Iterator[Finding]:
        """See whether the table takes requests, and forgets what has expired."""
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
        told = "on expiresAt"
        yield _either(on, "TTL", told, "expired sessions are never deleted", self._deploy)
        if not self.deployment.stage.is_local:
            backups = aws("its backups", dynamodb.describe_continuous_backups, TableName=name)
            described = backups["ContinuousBackupsDescription"]
            status = described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
            told = "the last 35 days can be restored"
            yield _either(status == "ENABLED", "backup", told, "is off", self._deploy)

    def throughput(self) -> Iterator[Finding]:
        """Tell how often SSM answers; its default is shared by everything in the account."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        ask = stage.client("ssm").get_service_setting
        try:
            answer = aws("SSM's setting", ask, SettingId=THROUGHPUT)
        except CannotGoOn as reason:
            yield Finding(NOTE, "SSM throughput", f"cannot be told: {reason}")
            return
        if answer["ServiceSetting"]["SettingValue"] == "true":
            yield Finding(OK, "SSM throughput", "higher")
            return
        told = "standard, 40 reads a second for the whole account"
        command = stage.aws_command(
            f"ssm update-service-setting --setting-id {THROUGHPUT} --setting-value true"
        )
        remedy = f"Enough for this alone; for more, at a charge: {command}"
        yield Finding(NOTE, "SSM throughput", told, remedy)

    def concurrency(self) -> Iterator[Finding]:
        """Tell whether Lambda runs as much at once as logins may need; new accounts get ten."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        try:
            limits = aws("Lambda's limits", stage.client("lambda").get_account_settings)
        except CannotGoOn as reason:
            yield Finding(NOTE, "concurrency", f"cannot be told: {reason}")
            return
        there = int(limits["AccountLimit"]["UnreservedConcurrentExecutions"])
        logins = int(one("LoginsPerSecond", stage.name))
        needed = math.ceil(logins * SECONDS_OF_A_LOGIN)
        if there >= needed:
            yield Finding(OK, "concurrency", f"{there} executions at once")
            return
        told = f"the account runs {there} at once, and {logins} logins a second need {needed}"
        ask = stage.aws_command(
            "service-quotas request-service-quota-increase --service-code lambda"
            " --quota-code L-B99A9384 --desired-value 1000"
        )
        yield Finding(NOTE, "concurrency", told, f"Ask for more ({ask}), or lower LoginsPerSecond")

    def api(self) -> Iterator[Finding]:
        """Call the API: it answers as ours does, by a clock that agrees with this one."""
        url = self.deployment.url
        answer = requests.post(f"{url}/login", json={}, timeout=PATIENCE)
        try:
            ours = answer.json()["error"]["code"] == "bad_request"
        except (ValueError, KeyError, TypeError):
            ours = False
        told = f"{url} answers"
        wrong = f"POST {url}/login was answered {answer.status_code}, and not by our function"
        hint = (
            f"Look at the access log. 403 in China: the account has no ICP filing. {self._deploy}"
        )
        yield _either(ours, "API", told, wrong, hint)
        try:
            date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            yield Finding(NOTE, "clock", "cannot be told: the answer has no date that can be read")
            return
        off = abs(date - time.time())
        told, wrong = "agrees with the API's", f"this machine's is {off:.0f} s off the API's"
        yield _either(off <= CLOCK_SECONDS, "clock", told, wrong, "Set it, by NTP")

    def discovery(self) -> Iterator[Finding]:
        """Look for the keys as those do who verify tokens."""
        url, issuer = self.deployment.url, self.deployment.output("TokenIssuer")
        what, place = "discovery", "/.well-known/openid-configuration"
        answer = requests.get(url + place, timeout=PATIENCE)
        try:
            document = answer.json()
            found, keys = document["issuer"], document["jwks_uri"]
        except (ValueError, KeyError, TypeError):
            told = f"{url}{place} was answered {answer.status_code}"
            yield Finding(FAIL, what, told, "Look at the log of PublishKeys")
            return
        if found != issuer or keys != f"{issuer}/.well-known/jwks.json":
            told = f"it names the issuer {found}, and tokens are to name {issuer}"
            yield Finding(FAIL, what, told, f"Set Issuer, or leave it empty, and {self._deploy}")
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
        told, wrong = f"{len(served)} served", "not those that lie in SSM"
        remedy = "They agree within five minutes of a rotation; after that, read PublishKeys' log"
        yield _either(served == wanted != set(), "public keys", told, wrong, remedy)

    def domain(self) -> Iterator[Finding]:
        """Look at the API's own domain: it leads here, and its certificate holds."""
        if self.deployment.stage.is_local:
            return
        name = self.deployment.setting("DomainName")
        if not name:
            told = "none of its own, and a released mini program needs one that is ICP-filed"
            yield Finding(NOTE, "domain", told, "Set DomainName and CertificateArn")
            return
        target = self.deployment.output("DomainTarget")
        try:
            with (
                socket.create_connection((name, 443), PATIENCE) as connection,
                ssl.create_default_context().wrap_socket(connection, server_hostname=name) as tls,
            ):
                ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
        except ssl.SSLError as refused:
            told = f"the certificate of {name} is not valid ({refused.reason})"
            yield Finding(FAIL, "domain", told, "Issue one for this name in ACM, in this region")
            return
        except OSError:
            told = f"{name} leads nowhere"
            yield Finding(FAIL, "domain", told, f"Point its DNS record (CNAME) to {target}")
            return
        days = (ends - time.time()) / DAY
        told = f"{name}, certificate for {days:.0f} days"
        remedy = "ACM renews by itself while the DNS record of its validation stands; restore that"
        yield _either(days > CERTIFICATE_DAYS, "domain", told, told, remedy)

    def alarms(self) -> Iterator[Finding]:
        """Tell whether anybody hears of an alarm."""
        stage = self.deployment.stage
        if stage.is_local:
            return
        ask = stage.client("sns").get_topic_attributes
        try:
            topic = self.deployment.output("AlarmTopicArn")
            subscribed = aws("the alarms' topic", ask, TopicArn=topic)["Attributes"]
        except CannotGoOn as reason:
            yield Finding(NOTE, "alarms", f"cannot be told: {reason}")
            return
        if int(subscribed["SubscriptionsConfirmed"]):
            yield Finding(OK, "alarms", "somebody is told of them")
        elif int(subscribed["SubscriptionsPending"]) or self.deployment.setting("AlarmEmail"):
            told = "nobody is told of them: the subscription has not been confirmed"
            remedy = "Confirm the mail that AWS has sent; after two days, subscribe again in SNS"
            yield Finding(NOTE, "alarms", told, remedy)
        else:
            set_it = "Put AlarmEmail=… into samconfig.toml"
            remedy = f"{set_it}, {self._deploy}, and confirm the mail that AWS sends"
            yield Finding(NOTE, "alarms", "nobody is told of them", remedy)


def _either(good: bool, what: str, told: str, wrong: str, remedy: str) -> Finding:
    return Finding(OK, what, told) if good else Finding(FAIL, what, wrong, remedy)


def main() -> int:
    """Print what was found; return 0 if nothing has failed."""
    parser = argparse.ArgumentParser(prog="python -m ops.doctor", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--api", metavar="URL", help="where the API answers, if not by its output")
    arguments = parser.parse_args()
    try:
        doctor = Doctor(Deployment(find(arguments.stage), arguments.api))
    except CannotGoOn as reason:
        print(f"make doctor: {reason}", file=sys.stderr)
        return 1
    failed = 0
    for finding in doctor.examine():
        print(finding, flush=True)
        failed += finding.grade == FAIL
    print(f"\n{failed} to mend." if failed else "\nAll is well.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
