"""Serves ministack over HTTP/1.1: a server for the short requests of AWS clients.

ministack comes with hypercorn, which takes twice as long for a request as ministack itself, and
sends an answer in several packets, which each wake the client.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from local.emulator_guard import Application, Message, Scope

log = logging.getLogger(__name__)

LONGEST_HEAD = 64 * 1024
_LAST_ANSWERS_SECONDS = 5
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


async def serve(application: Application, listener: socket.socket, end: Awaitable[object]) -> None:
    """Serve an ASGI application until `end`: then answer the requests in progress."""
    connections: set[_Connection] = set()
    async with _Lifespan(application):
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(application, connections), sock=listener, backlog=1024
        )
        await end
        server.close()
        answers = [each.answering for each in connections if each.answering]
        if answers:
            await asyncio.wait(answers, timeout=_LAST_ANSWERS_SECONDS)
        for each in list(connections):
            each.close()


class _Lifespan:
    """Starts the application, and lets it save its state at the end.

    https://asgi.readthedocs.io/en/latest/specs/lifespan.html
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._to: asyncio.Queue[Message] = asyncio.Queue()
        self._from: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> None:
        self._running = asyncio.create_task(self._run())
        await self._ask("startup")

    async def __aexit__(self, *_: object) -> None:
        await self._ask("shutdown")
        await self._running

    async def _run(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        await self._application(scope, self._to.get, self._from.put)

    async def _ask(self, what: str) -> None:
        await self._to.put({"type": f"lifespan.{what}"})
        answer = asyncio.create_task(self._from.get())
        await asyncio.wait([answer, self._running], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != f"lifespan.{what}.complete":
            raise RuntimeError(f"ministack's {what} failed")


class _Connection(asyncio.Protocol):
    """One client; its requests are answered one after another."""

    def __init__(self, application: Application, connections: "set[_Connection]") -> None:
        self.answering: asyncio.Task[None] | None = None
        self._application = application
        self._connections = connections
        self._received = bytearray()
        self._head: tuple[Scope, int] | None = None  # of the next request, and its body's length
        self._is_awaited = False  # its body, by a client that has our 100 Continue

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.answering is None:
            self._next()

    def _next(self) -> None:
        """Answer the next request, if it has arrived."""
        try:
            if self._head is None:
                self._head = self._parse_head()
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._head is None:
            return
        scope, length = self._head
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(self._received) >= length:
            body = bytes(self._received[:length])
            del self._received[:length]
            self._head, self._is_awaited = None, False
            self.answering = asyncio.create_task(self._answer(scope, body))
        elif not self._is_awaited and (b"expect", b"100-continue") in scope["headers"]:
            # boto3 waits a second for this before it sends a body to S3.
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._is_awaited = True

    def _parse_head(self) -> tuple[Scope, int] | None:
        """Return the next request's head, or None if it is not complete. Raises `ValueError`."""
        end = self._received.find(b"\r\n\r\n", 0, LONGEST_HEAD)
        if end < 0:
            if len(self._received) >= LONGEST_HEAD:
                raise ValueError("the head is too long")
            return None
        first, *lines = bytes(self._received[:end]).split(b"\r\n")
        del self._received[: end + 4]
        method, target, version = first.split(b" ")
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise ValueError("no HTTP/1")
        headers = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon:
                raise ValueError("no header")
            headers.append((name.lower(), value.strip()))
        lengths = {value for name, value in headers if name == b"content-length"} or {b"0"}
        (length,) = lengths
        if not length.isdigit():
            raise ValueError("no length")
        path, _, query = target.partition(b"?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": version[5:].decode(),
            "method": method.decode("ascii"),
            "scheme": "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self._transport.get_extra_info("peername"),
            "server": self._transport.get_extra_info("sockname"),
            "extensions": {},
        }
        return scope, int(length)

    async def _answer(self, scope: Scope, body: bytes) -> None:
        request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return request.pop() if request else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self._application(scope, receive, send)
        except Exception:
            log.exception("ministack failed")
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        start, *parts = sent
        wanted = dict(scope["headers"]).get(b"connection", b"").lower()
        is_last = wanted == b"close" or scope["http_version"] == "1.0"
        self._write(
            start["status"],
            start["headers"],
            b"".join(each.get("body", b"") for each in parts),
            has_body=scope["method"] != "HEAD",
            is_last=is_last,
        )
        self.answering = None
        if is_last:
            self.close()
        else:
            self._next()

    def _refuse(self, status: HTTPStatus) -> None:
        self._write(status, [], b"", is_last=True)
        self.close()

    def _write(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        has_body: bool = True,
        is_last: bool,
    ) -> None:
        head = [b"HTTP/1.1 %d %s" % (status, _PHRASES.get(status, b""))]
        head += [
            b"%s: %s" % (name, value)
            for name, value in headers
            if name.lower() not in (b"content-length", b"connection")
        ]
        head.append(b"content-length: %d" % len(body))
        if is_last:
            head.append(b"connection: close")
        self._transport.write(b"\r\n".join([*head, b"", b""]) + (body if has_body else b""))
