"""The simulated WeChat on a port of this machine: HTTP and sockets, no rules."""

import contextlib
import logging
import os
import re
import socket
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from simulated_wechat.control import Console
from simulated_wechat.message_push import MessagePush
from simulated_wechat.rules import Request, SimulatedWeChat

log = logging.getLogger(__name__)

LONGEST_BODY = 1_000_000
SECONDS_TO_NOTICE_STOP = 0.05
CONTROL = "/simulated"

_LOCAL_PAGE = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]+)?")


def serve(  # noqa: PLR0917 - one argument for each thing a server is told when it starts
    wechat: SimulatedWeChat,
    port: int = 0,
    host: str = "127.0.0.1",
    api_url: str | None = None,
    event_token: str | None = None,
    event_aes_key: str | None = None,
) -> "SimulatedWeChatServer":
    """Start serving in the background, or raise OSError when the port is taken."""
    push = None
    if api_url and event_token and event_aes_key:
        push = MessagePush(api_url, event_token, event_aes_key)
    server = SimulatedWeChatServer(Console(wechat, push), host, port)
    threading.Thread(
        target=server.serve_forever,
        args=(SECONDS_TO_NOTICE_STOP,),
        name="simulated-wechat",
        daemon=True,
    ).start()
    return server


class SimulatedWeChatServer(ThreadingHTTPServer):
    daemon_threads = True
    # Hundreds of clients may connect at the same moment.
    request_queue_size = 1024
    # On Windows this option would let two servers have one port.
    allow_reuse_address = os.name != "nt"
    allow_reuse_port = False

    def __init__(self, console: Console, host: str, port: int) -> None:
        self.console = console
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((host, port), _Connection)

    @property
    def port(self) -> int:
        return self.server_port

    @property
    def url(self) -> str:
        return f"http://{self.server_name}:{self.server_port}"

    def stop(self) -> None:
        """Stop listening and close what is open: nobody gets an answer after this."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        # HTTPServer would ask DNS for the name of this machine, which takes seconds on some.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = cast("tuple[str, int]", self.server_address)

    def opened(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.add(connection)

    def closing(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        log.exception("the simulated WeChat failed")  # noqa: LOG004 - called while handling it


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SimulatedWeChatServer
    # Headers and body leave in one write and at once; otherwise Nagle's algorithm and delayed
    # acknowledgements cost every keep-alive answer some 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        self.server.closing(self.connection)
        with contextlib.suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        body = self._body()
        if body is None:
            return
        if address.path in {"/", CONTROL} or address.path.startswith(f"{CONTROL}/"):
            self._answer_control(address.path, body)
        else:
            self._answer_as_wechat(address.path, address.query, body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - http.server's names

    def do_OPTIONS(self) -> None:
        self._send(HTTPStatus.NO_CONTENT, "", b"", self._cors_headers())

    def _answer_as_wechat(self, path: str, query: str, body: bytes) -> None:
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        request = Request(self.command, path, parameters, body, str(self.client_address[0]))
        answer = self.server.console.wechat.receive(request)
        if answer.delay_seconds:
            time.sleep(answer.delay_seconds)
        if answer.dropped:
            self.close_connection = True
            return
        self._send(answer.status, answer.content_type, answer.body, {})

    def _answer_control(self, path: str, body: bytes) -> None:
        # A page from elsewhere, open in the same browser, must not play with the simulation.
        if "Origin" in self.headers and not self._cors_headers():
            self._send(403, "application/json", b'{"error": "Only local pages may do this."}', {})
            return
        answer = self.server.console.answer(self.command, path, body)
        self._send(answer.status, "application/json", answer.body, self._cors_headers())

    def _cors_headers(self) -> dict[str, str]:
        origin = self.headers.get("Origin", "")
        if not self.path.startswith(CONTROL) or not _LOCAL_PAGE.fullmatch(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Vary": "Origin",
        }

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self._send(413, "text/plain", b"", {})
            return None
        return self.rfile.read(int(length))

    def _send(self, status: int, content_type: str, body: bytes, further: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in further.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing: the addresses carry the AppSecret and access tokens."""
