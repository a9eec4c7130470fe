"""Rejects requests to the emulator from web pages and from other users of this machine.

ministack itself asks for no credential and allows every origin. `http_server` checks the Host.
"""

import hmac
import re

from local.http_server import Application, Request, Response

# Only browsers send these headers, and no page may use the emulator.
OF_BROWSERS = frozenset({"origin", "sec-fetch-site"})

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/\s]+)/")


class Guard:
    """Passes only allowed requests to an application."""

    def __init__(self, application: Application, access_key: str | None) -> None:
        """Require the access key in each request's AWS signature; None requires none."""
        self._application = application
        self._access_key = access_key

    def answer(self, request: Request) -> Response | None:
        names = {name.lower() for name, _ in request.headers}
        if names & OF_BROWSERS or not self._is_signed_with_the_key(request):
            return Response(403, (), b"")
        return self._application.answer(request)

    def _is_signed_with_the_key(self, request: Request) -> bool:
        if self._access_key is None:
            return True
        signed = _CREDENTIAL.match(request.header("authorization") or "")
        return signed is not None and hmac.compare_digest(
            signed[1].encode("latin-1"), self._access_key.encode()
        )


def authorization(access_key: str) -> str:
    """Return a header that the guard accepts, for requests that no AWS client signs."""
    return f"AWS4-HMAC-SHA256 Credential={access_key}/local"
