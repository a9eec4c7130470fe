"""Sets the stage: ministack, the simulated WeChat, a deployed stack, and bundles to run on it."""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from Crypto.PublicKey import RSA

from benchmarks.bundles import Bundle, make_bundles
from benchmarks.certificate import make_certificate, public_part
from benchmarks.container import Container
from benchmarks.cpu_share import Group, Groups, Share
from benchmarks.places import WORK
from benchmarks.upstream import AsAWS, Call, Upstream, as_wechat
from local.deployment import deployed
from local.emulator import emulator
from simulated_wechat import SimulatedWeChat
from stack.cloudformation import REGION
from stack.template import Stack, read_stack

STAGE = "bench"
ISSUER = "https://login.example"
PREFIX = f"/wechat-login/{STAGE}"
CREDENTIALS = {
    "aws_access_key_id": "local",
    "aws_secret_access_key": "local",
    "region_name": REGION,
}
# The function of ours that does a flow.
FLOWS = {"login": "Login", "look-up": "LookUpToken", "phone": "RegisterPhone"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a measurement needs."""

    stack: Stack
    bundles: Mapping[str, Bundle]
    groups: Groups
    wechat: SimulatedWeChat
    wechat_server: Upstream
    aws: AsAWS
    aws_server: Upstream
    parameters: Mapping[str, str]  # "signing-keys" -> its value in SSM
    dynamodb: Any
    ssm: Any

    @property
    def table(self) -> str:
        """Return the name of the one table."""
        return self.stack.tables[0].name

    def far(self, seconds: float) -> None:
        """Put that much time before each answer of WeChat and of AWS."""
        self.wechat_server.latency = self.aws_server.latency = seconds

    def take_calls(self) -> list[Call]:
        """Return the calls since the last time, of WeChat first, and forget them."""
        calls = [*self.wechat_server.calls, *self.aws_server.calls]
        self.wechat_server.calls.clear()
        self.aws_server.calls.clear()
        return calls

    def container(
        self,
        bundle: str,
        function: str,
        *,
        memory_mb: int = 512,
        group: Group | None = None,
        share: Share = Share.WHOLE,
        more: Mapping[str, str] | None = None,
        handler: str | None = None,
        timeout: int = 20,
    ) -> Container:
        """Start a function (by its logical id) out of a bundle, or the bundle's like of it."""
        environment = {
            **self.stack.functions[function].environment,
            **_aws_environment(self.aws_server.url),
            "PRIVATE_KEY_PARAMETER": f"{PREFIX}/private-key",
            **(more or {}),
        }
        command = self.bundles[bundle].command(
            handler or self.handler(bundle, function), environment, memory_mb, timeout
        )
        return Container(command, group=group, share=share)

    def handler(self, bundle: str, function: str) -> str:
        """Return the name of the handler that a bundle has for a function of ours."""
        ours = self.stack.functions[function].handler
        return f"app.{ours.partition('.')[0]}" if bundle == "floor" else ours

    def forget_access_token(self) -> None:
        """Leave no access token in SSM, as if this were the first day."""
        with contextlib.suppress(self.ssm.exceptions.ParameterNotFound):
            self.ssm.delete_parameter(Name=f"{PREFIX}/access-token")

    def share_access_token(self) -> None:
        """Leave a good access token in SSM, as the schedule does."""
        with self.container("ours", "RenewAccessToken") as renewal:
            renewal.invoke({})


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Run everything until the end of the block, on free ports and from nothing."""
    WORK.mkdir(parents=True, exist_ok=True)
    context = make_certificate(WORK / "certificate.pem")
    bundles = make_bundles(public_part(WORK / "certificate.pem"))
    wechat = SimulatedWeChat()
    wechat.quotas, wechat.phone_balance = {}, 10**9
    with contextlib.ExitStack() as running:
        groups = Groups()
        running.callback(groups.close)
        aws_emulator = running.enter_context(emulator(folder=WORK))
        aws = AsAWS(aws_emulator.url)
        servers = [Upstream(context, as_wechat(wechat)), Upstream(context, aws)]
        for server in servers:
            running.callback(server.stop)
        stack = read_stack(
            {
                "Stage": STAGE,
                "WeChatAppId": wechat.appid,
                "WeChatUrl": servers[0].url,
                "Issuer": ISSUER,
            }
        )
        clients = [aws_client(name, aws_emulator.url) for name in ("dynamodb", "ssm")]
        with deployed(stack, aws_emulator.url, wechat.app_secret) as deployment:
            # What is made for a deployment stays after it.
            parameters = dict(deployment.parameters)
        clients[1].put_parameter(
            Name=f"{PREFIX}/private-key",
            Value=_pem(parameters["signing-keys"]),
            Type="SecureString",
        )
        yield Stage(
            stack, bundles, groups, wechat, servers[0], aws, servers[1], parameters, *clients
        )


def aws_client(service: str, url: str, **options: Any) -> Any:
    """Return boto3's client of a service, as the benchmarks themselves use it."""
    make: Any = boto3.client
    return make(service, endpoint_url=url, **CREDENTIALS, **options)


def _aws_environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "AWS_SESSION_TOKEN": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    }


def _pem(signing_keys: str) -> str:
    jwk = json.loads(signing_keys)["keys"][0]
    key = RSA.construct([_integer(jwk[name]) for name in ("n", "e", "d", "p", "q")])
    return key.export_key().decode()


def _integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")
