"""Serves a gateway on a port of this machine: sockets and HTTP/1.1, no rules of API Gateway."""

import contextlib
import os
import random
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast

from local.errors import PortTaken
from local.gateway import LARGEST_BODY
from local.payload import Request, Response, gateway_says

HOST = "127.0.0.1"

_LAST_ANSWERS_SECONDS = 5
# What `free_port` has found, for somebody who may not listen there yet.
_given: set[int] = set()
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Answering(Protocol):
    def answer(self, request: Request) -> Response: ...


Report = Callable[[Request, Response, float], None]


class HttpServer(ThreadingHTTPServer):
    """One thread for each connection; `stop` lets the requests that are under way be answered."""

    daemon_threads = True
    block_on_close = False
    # Hundreds of clients may connect at the same moment.
    request_queue_size = 1024
    # On Windows this option would let two servers have one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, gateway: Answering, port: int = 0, report: Report | None = None) -> None:
        """Listen on the port, 0 being any free one.

        Raises `OSError`: the port is taken.
        """
        self.gateway = gateway
        self.report = report
        self._connections: set[socket.socket] = set()
        self._change = threading.Condition()
        super().__init__((HOST, port), _Connection)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def start(self) -> None:
        threading.Thread(
            target=self.serve_forever, args=(0.05,), name="gateway", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening, let what is under way be answered, and close every connection."""
        self.shutdown()
        self.server_close()
        with self._change:
            # An idle connection ends at once; a busy one when its answer has been sent.
            self._shut_down(socket.SHUT_RD)
            self._change.wait_for(lambda: not self._connections, _LAST_ANSWERS_SECONDS)
            self._shut_down(socket.SHUT_RDWR)

    def _shut_down(self, how: int) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(how)

    def server_bind(self) -> None:
        # HTTPServer would ask DNS for the name of this machine, which takes seconds on some.
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
        # A client that has gone is no fault of ours.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Unreadable(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer
    # Otherwise Nagle's algorithm and delayed acknowledgements cost an answer some 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        began = time.perf_counter()
        try:
            body = self._body()
        except _Unreadable as fault:
            self.close_connection = True
            self.send_error(fault.status)
            return
        request = Request(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=body,
            source_ip=str(self.client_address[0]),
            protocol=self.request_version,
        )
        response = self.server.gateway.answer(request)
        self._send(response, ("apigw-requestid", request.id))
        if self.server.report:
            self.server.report(request, response, time.perf_counter() - began)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in API Gateway's form what is not even HTTP."""
        del message, explain
        self.close_connection = True
        self._send(gateway_says(code, HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing: an address may carry what has no business in a log."""

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdecimal():
            raise _Unreadable(HTTPStatus.BAD_REQUEST)
        return self._read(int(length))

    def _read(self, length: int) -> bytes:
        """Read all, or the client would not read our answer, but keep no more than is refused."""
        body = b""
        while length:
            part = self.rfile.read(min(length, LARGEST_BODY + 1))
            if not part:
                raise ConnectionAbortedError
            length -= len(part)
            body = (body + part)[: LARGEST_BODY + 1]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while length := self._chunk_length():
            body = (body + self._read(length))[: LARGEST_BODY + 1]
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass  # Trailers, which API Gateway drops.
        return body

    def _chunk_length(self) -> int:
        length = self.rfile.readline(1000).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", length):
            raise _Unreadable(HTTPStatus.BAD_REQUEST)
        return int(length, 16)

    def _send(self, response: Response, *further: tuple[str, str]) -> None:
        headers = [*further, *response.headers, ("date", self.date_time_string())]
        if self.close_connection:
            headers.append(("connection", "close"))
        if response.status not in _BODILESS:
            headers.append(("content-length", str(len(response.body))))
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        has_body = self.command != "HEAD" and response.status not in _BODILESS
        # In one write: in two, the second would wait for the first to be acknowledged.
        self.wfile.write(head + response.body if has_body else head)


def free_port() -> int:
    """Find a port that nobody listens on, and that this process has not been given before.

    It lies below those that systems give to whoever asks for any, so that none is taken meanwhile.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_768), 200):
        if port not in _given:
            with contextlib.suppress(OSError), socket.create_server((HOST, port)):
                _given.add(port)
                return port
    raise PortTaken("200 ports between 20000 and 32767 are all taken")


def require_free(port: int, setting: str) -> None:
    """Look whether one could listen here, before anything slow is started.

    Raises `PortTaken`: one could not; the message names the setting that chooses another port.
    """
    try:
        socket.create_server((HOST, port)).close()
    except OverflowError as fault:
        raise PortTaken(f"{setting}={port}: a port is a number up to 65535") from fault
    except OSError as fault:
        said = os.strerror(fault.errno or 0)
        raise PortTaken(f"port {port}: {said}; choose another with {setting}=…") from fault
