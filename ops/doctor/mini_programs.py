"""Checks each mini program at WeChat: AppSecret, access token, phone numbers, addresses."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ops.doctor.deployment import ACCESS_TOKEN, Deployment
from ops.doctor.finding import FAIL, NOTE, OK, Finding, either, unknown
from ops.doctor.refusals import CONSOLE, NO_RID, NOT_IN_WHITELIST, explained
from ops.doctor.wechat_numbers import FAST, NO_PUSH_ADDRESS, REALTIME, PhonePacks, WeChatNumbers
from ops.stage import APP_SECRETS, CannotGoOn, aws
from wechat_login.errors import CodeRejected, LoginError
from wechat_login.wechat.access_token import SharedToken
from wechat_login.wechat.client import WeChatClient
from wechat_login.wechat.transport import Transport

PATIENCE = 15.0  # seconds
DAY = 86_400
# WeChat's own first warnings are at a fifth, and 15 days before the end.
SCARCE, PACK_DAYS = 0.1, 15
BUTTONS = {FAST: "getPhoneNumber", REALTIME: "getRealtimePhoneNumber"}


@dataclass
class MiniPrograms:
    """The mini programs of a deployment, as WeChat sees them."""

    deployment: Deployment
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)  # by AppID: WeChat's refusals

    def check_app_secrets(self) -> Iterator[Finding]:
        """Ask WeChat whether it takes the AppSecret, from where the functions call."""
        for appid in self._app_secrets:
            asked_by, refused = self._ask_wechat(appid)
            what = self._label("AppSecret", appid)
            if not refused:
                yield Finding(OK, what, f"WeChat takes it ({asked_by})")
                continue
            self.refused[appid] = refused
            result, remedy = explained(refused, self._rotate(appid))
            yield Finding(FAIL, what, f"{result} ({asked_by})", remedy)

    def check_appids(self) -> Iterator[Finding]:
        """Check that the AppID is a mini program's: WeChat rejects the login codes of any other."""
        for appid in self._app_secrets:
            if appid not in self.refused:
                yield self._kind_of(appid)

    def check_access_tokens(self) -> Iterator[Finding]:
        """Check that WeChat's access token is renewed in time."""
        for appid in self._app_secrets:
            if appid not in self.refused:
                yield self._freshness(appid)

    def check_phone_numbers(self) -> Iterator[Finding]:
        """Report how many numbers of each phone button are left, and until when."""
        if self._numbers is None:
            return
        for spu, button in BUTTONS.items():
            yield self._packs(button, self._numbers.phone_packs(spu), is_logins=spu == FAST)

    def check_phone_required(self) -> Iterator[Finding]:
        """Report a released mini program that locks out users who refuse to give their number."""
        setting = self.deployment.setting_or_none
        if setting("PhoneRequired") == setting("DeletionProtection") == "true":
            found = "PhoneRequired=true gives no token to users who refuse their number"
            rule = "WeChat's rule 15.1.3.2 forbids to lock them out of all else"
            remedy = "Set PhoneRequired=false, unless nothing works without a number"
            yield Finding(NOTE, "phone", f"{found}, and {rule}", remedy)

    def check_request_domain(self) -> Iterator[Finding]:
        """Check that WeChat allows the mini program to call the API's own domain."""
        name = self.deployment.setting_or_none("DomainName").lower()
        if not name or self._numbers is None:
            return
        found = f"{name} is in WeChat's list"
        wrong = f"{name} is not in WeChat's list, so the released mini program cannot call it"
        remedy = f"Add https://{name} as request 合法域名 in {CONSOLE}"
        listed = name in self._numbers.request_domains()
        yield either(listed, "request domain", found, wrong, remedy)

    def check_push_address(self) -> Iterator[Finding]:
        """Check that WeChat finds the address of its message pushes."""
        if self._numbers is None:
            return
        what, path = "push address", "/wechat/events"
        try:
            answered = self._numbers.push_address()
        except LoginError as refusal:
            if refusal.facts.get("errcode") != NO_PUSH_ADDRESS:
                raise
            found = "none is set, so withdrawals, closed accounts and warnings do not arrive"
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
            remedy = f"API Gateway answers none; save the address again in {CONSOLE}: that calls it"
            yield Finding(NOTE, what, found, remedy)

    def explain(self, rid: str) -> Iterator[Finding]:
        """Report what WeChat knows about a call that it refused under this id."""
        if self._numbers is None:
            remedy = f"make doctor STAGE={self.deployment.stage.name} says why"
            yield Finding(NOTE, "rid", "cannot tell: there is no access token", remedy)
            return
        try:
            call = self._numbers.refused_call(rid)
        except LoginError as refusal:
            reason = NO_RID.get(refusal.facts.get("errcode"))
            yield Finding(NOTE, "rid", reason) if reason else unknown("rid", refusal)
            return
        said = f"WeChat answered {call.errcode} ({call.errmsg}) to {call.client_ip}"
        remedy = "docs/troubleshooting.md says what that means"
        yield Finding(NOTE, "rid", f"{said} at {call.at}, in {call.ms} ms", remedy)

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
        """Return the name of a check, with the AppID if there are several mini programs."""
        return what if len(self._app_secrets) == 1 else f"{what} of {appid}"

    def _rotate(self, appid: str) -> str:
        """Return the command that replaces an AppSecret."""
        return f"{self.deployment.set_up} ROTATE=app-secret APPID={appid}"

    def _ask_wechat(self, appid: str) -> tuple[str, dict[str, Any]]:
        """Renew the access token; return where from, and the facts of WeChat's refusal, if any."""
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
        kind = {"code": str(failed.get("errorType", "it failed"))}
        # A LoginError's text is JSON; that of a crash or a timeout is not.
        try:
            return {**kind, **json.loads(failed["errorMessage"])}
        except (KeyError, TypeError, ValueError):
            return kind

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

    def _kind_of(self, appid: str) -> Finding:
        what = self._label("AppID", appid)
        try:
            self._client(appid).jscode2session("doctor")
        except CodeRejected:
            return Finding(OK, what, "it is a mini program's")
        except LoginError as refusal:
            result, remedy = explained({"code": refusal.code, **refusal.facts}, self._rotate(appid))
            if refusal.facts.get("errcode") == NOT_IN_WHITELIST:
                result = "the whitelist lets no check through from this machine, which is right"
                return Finding(NOTE, what, result)
            hint = "Is it an official account's, and not the mini program's?"
            return Finding(FAIL, what, f"no login code is exchanged: {result}", f"{hint} {remedy}")
        return Finding(
            FAIL, what, "WeChat has exchanged a code that does not exist", "Is WeChatUrl right?"
        )

    def _freshness(self, appid: str) -> Finding:
        what = self._label("access token", appid)
        token = self._shared_token(appid)
        remedy = "Look at the log of RenewAccessToken, and at its schedule in EventBridge Scheduler"
        if token is None:
            return Finding(FAIL, what, "nothing has renewed it yet", remedy)
        left = token.expires_at - int(time.time())
        return either(left > 0, what, f"fresh for {left // 60} minutes", "it has expired", remedy)

    def _shared_token(self, appid: str) -> SharedToken | None:
        answer = aws(
            "reading the access token",
            self.deployment.stage.client("ssm").get_parameters,
            Names=[f"{self.deployment.stage.prefix}{ACCESS_TOKEN}/{appid}"],
            WithDecryption=True,
        )
        found = answer["Parameters"]
        return SharedToken.from_json(found[0]["Value"]) if found else None

    @cached_property
    def _numbers(self) -> WeChatNumbers | None:
        """Return WeChat's numbers of the first mini program, or None without an access token."""
        with contextlib.suppress(CannotGoOn):
            appid = self.deployment.setting("WeChatAppId")
            token = self._shared_token(appid)
            known = appid in self._app_secrets and appid not in self.refused
            if known and token is not None and token.expires_at > time.time():
                return WeChatNumbers(self._client(appid), token.value)
        return None

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
