"""The whole backend on this machine: ministack, the simulated WeChat and the HTTP API."""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.deployment import Deployment, deployed
from local.emulator import Emulator, emulator
from local.http_server import HOST, Report, free_port
from simulated_wechat import SimulatedWeChat, serve
from simulated_wechat.wechat import APPID
from stack.template import read_stack


@dataclass(frozen=True, slots=True)
class Backend:
    api: Deployment
    aws: Emulator
    wechat: SimulatedWeChat
    wechat_url: str
    access_key: str = field(repr=False)  # of the emulator, another one in each run


@contextlib.contextmanager
def backend(
    parameters: Mapping[str, str] | None = None,
    *,
    port: int = 0,
    wechat_port: int = 0,
    state_dir: Path | None = None,
    log_file: Path | None = None,
    report: Report | None = None,
    pages: Mapping[str, Path] | None = None,
) -> Iterator[Backend]:
    """Run everything until the end of the block; by default on free ports, with an empty table.

    Raises `BadParameter`: a template parameter is unknown or not allowed.
    Raises `BrokenTemplate`: the template cannot be run here.
    Raises `EmulatorFailed`: ministack could not be installed or started.
    Raises `OSError`: a port is taken.
    """
    # Both addresses are settings of the stack, so they are chosen before any server listens.
    port, wechat_port = port or free_port(), wechat_port or free_port()
    wechat_url = f"http://{HOST}:{wechat_port}"
    defaults = {
        "Stage": "local",
        "WeChatAppId": APPID,
        "WeChatUrl": wechat_url,
        "Issuer": f"http://{HOST}:{port}",
    }
    stack = read_stack({**defaults, **(parameters or {})})
    wechat = SimulatedWeChat(stack.parameters["WeChatAppId"])

    access_key = secrets.token_hex(16)

    with contextlib.ExitStack() as running:
        aws = running.enter_context(emulator(state_dir, access_key=access_key))
        if log_file is not None:
            # The handlers log to standard output, as in Lambda.
            log = running.enter_context(log_file.open("w", encoding="utf-8", buffering=1))
            running.enter_context(contextlib.redirect_stdout(log))
        # WeChat stops after the deployment, whose last requests may still call WeChat.
        wechat_runs = running.enter_context(contextlib.ExitStack())
        api = running.enter_context(
            deployed(
                stack,
                aws.url,
                {each.appid: each.app_secret for each in wechat.mini_programs()},
                port=port,
                pages=pages,
                report=report,
                access_key=access_key,
            )
        )
        # Those that were added in an earlier run.
        for appid, app_secret in json.loads(api.parameters["app-secrets"]).items():
            if appid not in {each.appid for each in wechat.mini_programs()}:
                wechat.add_mini_program(appid, app_secret)
        server = serve(
            wechat,
            port=wechat_port,
            api_url=api.url,
            event_token=api.parameters.get("event-token"),
            event_aes_key=api.parameters.get("event-aes-key"),
        )
        wechat_runs.callback(server.stop)
        yield Backend(api, aws, wechat, wechat_url, access_key)
