"""The simulated WeChat over HTTP: WeChat's own paths, and the control routes beside them."""

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from local.http_server import Headers, HttpServer, Request, Response
from simulated_wechat import rules
from simulated_wechat.answers import encoded
from simulated_wechat.control import Console
from simulated_wechat.message_push import MessagePush
from simulated_wechat.wechat import SimulatedWeChat

LONGEST_BODY = 1_000_000
CONTROL = "/simulated"

_LOCAL_PAGE = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]+)?")


def serve(
    wechat: SimulatedWeChat,
    port: int = 0,
    *,
    api_url: str | None = None,
    event_token: str | None = None,
    event_aes_key: str | None = None,
) -> HttpServer:
    """Start serving in the background. Raises `OSError`: the port is taken.

    Message pushes go to `/wechat/events` at `api_url`, if it and both secrets are given.
    """
    push = None
    if api_url and event_token and event_aes_key:
        push = MessagePush(api_url, event_token, event_aes_key)
    server = HttpServer(_Site(Console(wechat, push)), port)
    server.start()
    return server


@dataclass(frozen=True, slots=True)
class _Site:
    console: Console

    def answer(self, request: Request) -> Response | None:
        if len(request.body) > LONGEST_BODY:
            return Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, (), b"")
        if request.method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, _cors_headers(request), b"")
        if request.path == "/" or _is_control(request.path):
            return self._answer_control(request)
        return self._answer_as_wechat(request)

    def _answer_as_wechat(self, request: Request) -> Response | None:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        answer = self.console.wechat.receive(
            rules.Request(request.method, request.path, query, request.body, request.source_ip)
        )
        time.sleep(answer.delay_seconds)
        if answer.dropped:
            return None
        return Response(answer.status, (("content-type", answer.content_type),), answer.body)

    def _answer_control(self, request: Request) -> Response:
        # A page of another origin, open in the same browser, must not use the simulation.
        shared = _cors_headers(request)
        if request.header("origin") is not None and not shared:
            return _json(HTTPStatus.FORBIDDEN, {"error": "Only local pages may do this."})
        query = dict(parse_qsl(request.query))
        answer = self.console.answer(request.method, request.path, request.body, query)
        return _json(answer.status, answer.fields, *shared)


def _is_control(path: str) -> bool:
    return path == CONTROL or path.startswith(f"{CONTROL}/")


def _cors_headers(request: Request) -> Headers:
    origin = request.header("origin") or ""
    if not _is_control(request.path) or not _LOCAL_PAGE.fullmatch(origin):
        return ()
    return (
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "Content-Type"),
        ("vary", "Origin"),
    )


def _json(status: int, fields: object, *further: tuple[str, str]) -> Response:
    return Response(status, (("content-type", "application/json"), *further), encoded(fields))
