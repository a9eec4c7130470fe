"""Rejects requests to the emulator from web pages and from other users of this machine.

ministack itself asks for no credential, answers every Host and allows every origin.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from local.http_server import names_this_machine

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Only browsers send these headers, and no page may use the emulator.
OF_BROWSERS = frozenset({b"origin", b"sec-fetch-site"})

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
_CREDENTIAL = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^/\s]+)/")


class Guard:
    """An ASGI middleware that passes only allowed requests to its application."""

    def __init__(self, application: Application, access_key: str | None) -> None:
        """Require the access key in each request's AWS signature; None requires none."""
        self._application = application
        self._access_key = access_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and self._may_pass(scope["headers"])
        ):
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close"})

    def _may_pass(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        sent = [(name.lower(), value) for name, value in headers]
        hosts = [value.decode("latin-1") for name, value in sent if name == b"host"]
        return (
            len(hosts) == 1
            and names_this_machine(hosts[0])
            and not any(name in OF_BROWSERS for name, _ in sent)
            and self._is_signed_with_the_key(dict(sent).get(b"authorization", b""))
        )

    def _is_signed_with_the_key(self, authorization: bytes) -> bool:
        if self._access_key is None:
            return True
        signed = _CREDENTIAL.match(authorization)
        return signed is not None and hmac.compare_digest(signed[1], self._access_key.encode())


def authorization(access_key: str) -> str:
    """Return a header that the guard accepts, for requests that no AWS client signs."""
    return f"AWS4-HMAC-SHA256 Credential={access_key}/local"
