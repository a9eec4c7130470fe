"""The setting of a benchmark: ministack, simulated WeChat, a deployed stack, and bundles."""

import contextlib
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Crypto.PublicKey import RSA

from benchmarks.bundles import FLOOR, OURS, Bundle
from benchmarks.container import Container
from benchmarks.upstream import AsAWS, Call, Upstream, as_wechat
from local.deployment import aws_environment, deployed
from simulated_wechat import SimulatedWeChat
from simulated_wechat.rules import Request
from stack.template import Stack, read_stack

# SSM parameters of the other contestants, and the variables that name them.
OTHERS = {
    name: f"/benchmark/{name}" for name in ("PLAIN_SECRET", "PLAIN_TOKEN", "PLAIN_PRIVATE_KEY")
}
# The function of ours that does a flow.
FLOWS = {"login": "Login", "look-up": "LookUpToken", "phone": "RegisterPhone"}


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers and bundles of a measurement."""

    stack: Stack
    bundles: Mapping[str, Bundle]
    wechat: SimulatedWeChat
    wechat_server: Upstream
    aws: AsAWS
    aws_server: Upstream
    ssm: Any

    def far(self, seconds: float) -> None:
        """Delay each answer of WeChat and AWS by this time."""
        self.wechat_server.latency = self.aws_server.latency = seconds

    def take_calls(self) -> list[Call]:
        """Return and clear the calls since the last time, WeChat's first."""
        calls = [*self.wechat_server.calls, *self.aws_server.calls]
        self.wechat_server.calls.clear()
        self.aws_server.calls.clear()
        return calls

    def container(self, bundle: str, function: str, *, niceness: int = 0) -> Container:
        """Return a container of a function (by its logical id), or of the bundle's equivalent."""
        environment = {
            **self.stack.functions[function].environment,
            **aws_environment(self.aws_server.url, "local"),
            **OTHERS,
            "AWS_SESSION_TOKEN": "local",
        }
        handler = self.stack.functions[function].handler
        if bundle == FLOOR:
            handler = f"app.{handler.partition('.')[0]}"
        return self.bundles[bundle].container(handler, environment, niceness=niceness)

    def forget_access_token(self) -> None:
        """Leave no access token of ours in SSM, as on the first day."""
        folder = self.stack.functions["RegisterPhone"].environment["ACCESS_TOKENS_PARAMETER"]
        name = f"{folder}/{self.stack.parameters['WeChatAppId']}"
        with contextlib.suppress(self.ssm.exceptions.ParameterNotFound):
            self.ssm.delete_parameter(Name=name)

    def share_access_token(self) -> None:
        """Put a valid access token into SSM, as the schedule does."""
        with self.container(OURS, "RenewAccessToken") as renewal:
            renewal.invoke({})


@contextlib.contextmanager
def stage(
    url: str, folder: Path, bundles_of: Callable[[str], Mapping[str, Bundle]]
) -> Iterator[Stage]:
    """Run everything until the end of the block, on free ports, with the ministack at `url`.

    `bundles_of` makes the bundles, which must trust the certificate in its argument.
    """
    context, certificate = _certificate(folder)
    bundles = bundles_of(certificate)
    wechat = SimulatedWeChat()
    wechat.quotas, wechat.phone_balance = {}, 10**9
    with contextlib.ExitStack() as running:
        wechat_server = Upstream(context, as_wechat(wechat))
        running.callback(wechat_server.stop)
        where = {"WeChatUrl": wechat_server.url, "Issuer": "https://login.example"}
        stack = read_stack({"Stage": "bench", "WeChatAppId": wechat.appid, **where})
        with deployed(stack, url, {wechat.appid: wechat.app_secret}) as deployment:
            # They go on, and so do the table and the parameters.
            dynamodb, ssm = deployment.dynamodb, deployment.ssm
        aws = AsAWS(url, dynamodb)
        aws_server = Upstream(context, aws)
        running.callback(aws_server.stop)
        values = {
            "PLAIN_SECRET": wechat.app_secret,
            "PLAIN_TOKEN": _access_token(wechat),
            "PLAIN_PRIVATE_KEY": RSA.generate(2048).export_key().decode(),
        }
        for name, value in values.items():
            ssm.put_parameter(Name=OTHERS[name], Value=value, Type="SecureString", Overwrite=True)
        yield Stage(stack, bundles, wechat, wechat_server, aws, aws_server, ssm)


def _access_token(wechat: SimulatedWeChat) -> str:
    wanted = {"grant_type": "client_credential", "appid": wechat.appid, "secret": wechat.app_secret}
    request = Request("POST", "/cgi-bin/stable_token", {}, json.dumps(wanted).encode())
    return str(json.loads(wechat.receive(request).body)["access_token"])


def _certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Make a certificate for 127.0.0.1, so that a cold start pays for TLS as it does in AWS."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=benchmark"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate.read_text("ascii")
