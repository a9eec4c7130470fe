"""Runs an ASGI application behind `http_server`.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from local.http_server import Request, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Asgi = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
VERSION = {"version": "3.0"}
# `http_server` sets these itself.
OF_THE_SERVER = {b"connection", b"content-length", b"date", b"transfer-encoding"}


class AsgiApplication:
    """Answers requests of any thread in one event loop; `load` returns the application."""

    def __init__(self, load: Callable[[], Asgi]) -> None:
        self._load = load

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Load and start the application; at the end of the block it stops, and may save its state.

        https://asgi.readthedocs.io/en/latest/specs/lifespan.html
        """
        self._application = self._load()
        self._loop = asyncio.get_running_loop()
        to: asyncio.Queue[Message] = asyncio.Queue()
        back: asyncio.Queue[Message] = asyncio.Queue()
        scope: Scope = {"type": "lifespan", "asgi": VERSION}
        running = asyncio.ensure_future(self._application(scope, to.get, back.put))

        async def ask(event: str) -> None:
            await to.put({"type": f"lifespan.{event}"})
            answer = asyncio.create_task(back.get())
            await asyncio.wait([answer, running], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or answer.result()["type"] != f"lifespan.{event}.complete":
                raise RuntimeError(f"the application's {event} failed")

        await ask("startup")
        yield
        await ask("shutdown")
        await running

    def answer(self, request: Request) -> Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: Request) -> Response:
        scope: Scope = {
            "type": "http",
            "asgi": VERSION,
            "http_version": request.protocol.removeprefix("HTTP/"),
            "method": request.method,
            "scheme": "http",
            "path": request.path,
            "raw_path": request.target.partition("?")[0].encode("latin-1"),
            "query_string": request.query.encode("latin-1"),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in request.headers
            ],
            "client": (request.source_ip, 0),
        }
        body: list[Message] = [{"type": "http.request", "body": request.body}]
        sent: list[Message] = []

        async def receive() -> Message:
            return body.pop() if body else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        start, *parts = sent
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start.get("headers", ())
            if name.lower() not in OF_THE_SERVER
        )
        return Response(start["status"], headers, b"".join(each.get("body", b"") for each in parts))
