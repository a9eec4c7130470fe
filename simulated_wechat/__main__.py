"""`python -m simulated_wechat`: a WeChat on this machine for the SDK of any language."""

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from local.errors import PortTaken
from local.http_server import require_free
from simulated_wechat.server import serve
from simulated_wechat.wechat import APP_SECRET, BUILT_IN, SimulatedWeChat

PORT = 3001


def main() -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code."""
    arguments = _arguments()
    (appid, app_secret), *further = _given(arguments).items()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        require_free(arguments.port, "--port")
        wechat = SimulatedWeChat(appid, app_secret, further=dict(further))
        server = serve(
            wechat,
            arguments.port,
            api_url=arguments.push_to,
            event_token=arguments.event_token,
            event_aes_key=arguments.event_aes_key,
        )
    except PortTaken as reason:
        print(f"python -m simulated_wechat: {reason}", file=sys.stderr)
        return 1
    with suppress(KeyboardInterrupt):
        print(_banner(server.url, wechat), flush=True)
        threading.Event().wait()
    server.stop()
    print("Stopped.", flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulated_wechat",
        description="Serves a simulated WeChat on 127.0.0.1, for the SDK of any language.",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} if none is given")
    parser.add_argument(
        "--appid",
        action="append",
        default=[],
        help="a further mini program, before the built-in ones; may be given several times",
    )
    parser.add_argument(
        "--app-secret",
        action="append",
        default=[],
        help=f"the AppSecret of each --appid, in order; {APP_SECRET} if none is given",
    )
    push = parser.add_argument_group("message push, which needs all three")
    push.add_argument("--push-to", metavar="URL", help="pushes go to /wechat/events there")
    push.add_argument("--event-token", metavar="TOKEN", help="the Token of WeChat's console")
    push.add_argument("--event-aes-key", metavar="KEY", help="the EncodingAESKey, 43 characters")
    arguments = parser.parse_args()
    given = [arguments.push_to, arguments.event_token, arguments.event_aes_key]
    if any(given) and not all(given):
        parser.error("--push-to, --event-token and --event-aes-key belong together")
    if len(arguments.app_secret) > len(arguments.appid):
        parser.error("each --app-secret belongs to an --appid")
    return arguments


def _given(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the AppSecrets by AppID, of the built-in mini programs if none is given."""
    secrets = dict(zip(arguments.appid, arguments.app_secret, strict=False))
    return {
        appid: secrets.get(appid, BUILT_IN.get(appid, APP_SECRET)) for appid in arguments.appid
    } or BUILT_IN


def _banner(url: str, wechat: SimulatedWeChat) -> str:
    known = "\n".join(f"  {app.appid}  {app.app_secret}" for app in wechat.mini_programs())
    return f"""\
The simulated WeChat answers at {url}, in place of https://api.weixin.qq.com. Ctrl-C stops it.

  AppID               AppSecret
{known}

A login code, as wx.login would give it on alice's phone:

  curl {url}/simulated/wx.login -d '{{"user": "alice"}}'

GET {url}/simulated lists all its control routes."""


if __name__ == "__main__":
    sys.exit(main())
