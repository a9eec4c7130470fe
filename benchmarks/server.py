"""An HTTP server on the loopback address, with or without TLS, answered by a function."""

import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.http_server import HOST

Headers = Mapping[str, str]  # their names in lower case, where they are a request's
Answer = Callable[[str, str, Headers, bytes], tuple[int, Headers, bytes]]


class Server(ThreadingHTTPServer):
    """Serves at once, until `stop`; `connecting` is called before each TLS handshake."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    connecting: Callable[[], None] | None = None

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        super().__init__((HOST, 0), _Connection)
        self.answer = answer
        self.context = context
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # The client's container was ended.
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        if self.server.connecting:
            self.server.connecting()
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        given = {name.lower(): value for name, value in self.headers.items()}
        status, headers, answer = self.server.answer(self.command, self.path, given, body)
        head = {**headers, "Content-Length": str(len(answer))}
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in head.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + answer)

    do_GET = do_POST  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""
