"""A plain HTTP/1.1 server on a port of this machine, with its requests and responses.

The server listens on the loopback interface and answers only requests whose Host is loopback: a
page whose host name resolves to this machine (DNS rebinding) gets 403. The module has no rules of
API Gateway or WeChat, and imports only the standard library.
"""

import contextlib
import os
import random
import re
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast
from urllib.parse import unquote

from local.errors import PortTaken

HOST = "127.0.0.1"
# Larger than any body that an application here accepts; the rest is read and dropped.
KEPT_OF_A_BODY = 16 * 1024 * 1024

_LAST_ANSWERS_SECONDS = 5
# The ports that `free_port` has returned, on which their users may not listen yet.
_given: set[int] = set()
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_OUR_NAME = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", re.IGNORECASE)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str  # the path and the query, as they were sent
    headers: Headers = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    received_at: float = field(default_factory=time.time)

    @property
    def path(self) -> str:
        """Return the path, decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> str:
        """Return the query as it was sent."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return the header of this lower-case name; several are joined with commas."""
        values = [value for each, value in self.headers if each.lower() == name]
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers
    body: bytes


class Application(Protocol):
    def answer(self, request: Request) -> Response | None:
        """Return the response, or None to close the connection without one."""


Report = Callable[[Request, Response, float], None]


def names_this_machine(host: str) -> bool:
    """Return whether a Host header names the loopback interface, with any port or none."""
    return _OUR_NAME.fullmatch(host) is not None


class HttpServer(ThreadingHTTPServer):
    """One thread for each connection; `stop` waits for the requests in progress."""

    daemon_threads = True
    block_on_close = False
    # Hundreds of clients may connect at the same moment.
    request_queue_size = 1024
    # On Windows this option would allow two servers on one port.
    allow_reuse_address = os.name != "nt"

    def __init__(
        self, application: Application, port: int = 0, report: Report | None = None
    ) -> None:
        """Listen on the port, 0 being any free one.

        Raises `OSError`: the port is taken.
        """
        self.application = application
        self.report = report
        self._connections: set[socket.socket] = set()
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._serve, name="http-server", daemon=True)
        super().__init__((HOST, port), _Connection)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, answer the requests in progress, and close every connection."""
        self._stopped = True
        # The server waits for a connection. serve_forever would look up, many times a second.
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.server_port), _LAST_ANSWERS_SECONDS).close()
        self._thread.join(_LAST_ANSWERS_SECONDS)
        self.server_close()
        with self._change:
            # An idle connection ends at once, a busy connection after its answer.
            self._shut_down(socket.SHUT_RD)
            self._change.wait_for(lambda: not self._connections, _LAST_ANSWERS_SECONDS)
            self._shut_down(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._stopped:
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether to answer: not the connection with which `stop` wakes the server."""
        del request, client_address
        return not self._stopped

    def _shut_down(self, how: int) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(how)

    def server_bind(self) -> None:
        # HTTPServer would ask DNS for the name of this machine, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = cast("tuple[str, int]", self.server_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._change:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._change:
            self._connections.discard(request)
            self._change.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that has disconnected is not an error.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer
    # Otherwise Nagle's algorithm and delayed acknowledgements delay an answer by 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        began = time.perf_counter()
        hosts = self.headers.get_all("Host", [])
        try:
            if len(hosts) != 1 or not names_this_machine(hosts[0]):
                raise _Refused(HTTPStatus.FORBIDDEN)  # noqa: TRY301 - rejected like the others
            body = self._body()
        except _Refused as fault:
            self.send_error(fault.status)
            return
        request = Request(
            method=self.command,
            # http.server's own `path` merges several slashes at the start.
            target=self.requestline.split()[1],
            headers=tuple(self.headers.items()),
            body=body,
            source_ip=str(self.client_address[0]),
            protocol=self.request_version,
        )
        response = self.server.application.answer(request)
        if response is None:
            self.close_connection = True
            return
        self._send(response)
        if self.server.report:
            self.server.report(request, response, time.perf_counter() - began)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer any other method too: the application decides which ones there are."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self.do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Reject in one line a request that is not HTTP, or not for this machine."""
        del message, explain
        self.close_connection = True
        text = HTTPStatus(code).phrase.encode()
        self._send(Response(code, (("content-type", "text/plain"),), text))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing: a URL may contain secrets."""

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdecimal():
            raise _Refused(HTTPStatus.BAD_REQUEST)
        return self._read(int(length))

    def _read(self, length: int) -> bytes:
        """Read the whole body, so that the client reads our answer, but keep only its start."""
        body = b""
        while length:
            part = self.rfile.read(min(length, KEPT_OF_A_BODY))
            if not part:
                raise ConnectionAbortedError
            length -= len(part)
            body = (body + part)[:KEPT_OF_A_BODY]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while length := self._chunk_length():
            body = (body + self._read(length))[:KEPT_OF_A_BODY]
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass  # Trailers, which are not needed.
        return body

    def _chunk_length(self) -> int:
        length = self.rfile.readline(1000).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", length):
            raise _Refused(HTTPStatus.BAD_REQUEST)
        return int(length, 16)

    def _send(self, response: Response) -> None:
        headers = [*response.headers, ("date", self.date_time_string())]
        if self.close_connection:
            headers.append(("connection", "close"))
        if response.status not in _BODILESS:
            headers.append(("content-length", str(len(response.body))))
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        has_body = self.command != "HEAD" and response.status not in _BODILESS
        # One write: a second one would wait for the acknowledgement of the first.
        self.wfile.write(head + response.body if has_body else head)


def free_port() -> int:
    """Return a port that nobody listens on, and that this process has not returned before.

    The port is below the range that systems assign, so that no other program gets it meanwhile.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_768), 200):
        if port not in _given:
            with contextlib.suppress(OSError), socket.create_server((HOST, port)):
                _given.add(port)
                return port
    raise PortTaken("200 ports between 20000 and 32767 are all taken")


def require_free(port: int, setting: str) -> None:
    """Check that a port is free, before any slow start.

    Raises `PortTaken`: it is not; the message names the setting that chooses another port.
    """
    try:
        socket.create_server((HOST, port)).close()
    except OverflowError as fault:
        raise PortTaken(f"{setting}={port}: a port is a number up to 65535") from fault
    except OSError as fault:
        said = os.strerror(fault.errno or 0)
        raise PortTaken(f"port {port}: {said}; choose another with {setting}=…") from fault
