"""API Gateway's edge: checks requests, and makes responses.

An endpoint gets a `Request` and returns a `Reply`; only this module turns errors into responses.
Payload format 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from wechat_login.errors import (
    BadRequest,
    LoginError,
    PayloadTooLarge,
    SessionRequired,
    TokenInvalid,
)
from wechat_login.frozen import frozen
from wechat_login.invocation import SERVER_ERROR, Event, count, invocation, note, note_act, task

__all__ = ["Event", "count", "note", "note_act", "task"]  # functions import them from here

Answer = dict[str, Any]

# The largest body is legacy phone data, under 1 KB; API Gateway itself allows 10 MB.
LARGEST_BODY = 16 * 1024
HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}

# WeChat does not document the form of codes, so this pattern is lenient.
CODE = re.compile(r"[A-Za-z0-9_-]{1,128}")
# The developer tools' answer, in place of a code, if no real AppID is set.
MOCK_CODE = "the code is a mock one"


@frozen
class Request:
    """One HTTP request, read from an API Gateway event."""

    event: Event

    @property
    def route(self) -> str:
        """Return the route, such as `POST /login`."""
        return str(self.event.get("routeKey") or "unknown")

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def id(self) -> str:
        """Return API Gateway's id of this request."""
        return str(self._context.get("requestId", ""))

    @property
    def domain(self) -> str:
        """Return the domain name of the request; API Gateway sets it, not the caller."""
        return str(self._context.get("domainName", ""))

    @property
    def source_ip(self) -> str:
        """Return the caller's address, as API Gateway saw it."""
        return str(_object(self._context.get("http")).get("sourceIp", ""))

    @property
    def query(self) -> Mapping[str, str]:
        query = _object(self.event.get("queryStringParameters"))
        return {name: str(value) for name, value in query.items()}

    def path_parameter(self, name: str) -> str:
        """Return a variable of the route's path, such as `id` of `/account/sessions/{id}`."""
        return str(_object(self.event.get("pathParameters")).get(name, ""))

    def claim(self, name: str) -> str:
        """Return a value that our authorizer gave, or raise `TokenInvalid`."""
        value = _object(_object(self._context.get("authorizer")).get("lambda")).get(name)
        if not isinstance(value, str):
            raise TokenInvalid(why="no authorizer")
        return value

    def bearer(self) -> str:
        """Return the credential of `Authorization: Bearer`, or raise `SessionRequired`."""
        scheme, _, credential = self.header("authorization").partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise SessionRequired
        return credential.strip()

    def header(self, name: str) -> str:
        """Return a header by its name in any case, or an empty string."""
        headers = _object(self.event.get("headers"))
        return next((str(value) for key, value in headers.items() if key.lower() == name), "")

    def text(self, name: str, *, longest: int = 128) -> str:
        """Return a text field of the body. Raises `BadRequest`, `PayloadTooLarge`."""
        value = self.body().get(name)
        if not isinstance(value, str) or not value:
            raise BadRequest(f"{name} is missing or not a text.")
        if len(value) > longest:
            raise BadRequest(f"{name} is longer than {longest} characters.")
        return value

    def code(self) -> str:
        """Return the field `code`, a login or phone code of WeChat's. Raises like `text`."""
        code = self.text("code")
        if code == MOCK_CODE:
            raise BadRequest("This is the developer tools' mock code: set a real AppID there.")
        if not CODE.fullmatch(code):
            raise BadRequest("code is not a code of WeChat's.")
        return code

    def texts(self, **longest: int) -> dict[str, str | None]:
        """Return those of some text fields that the body has; null is None. Raises like `text`."""
        present = {name: most for name, most in longest.items() if name in self.body()}
        return {
            name: self.text(name, longest=most) if self.has(name) else None
            for name, most in present.items()
        }

    def flag(self, name: str) -> bool:
        """Return a boolean field of the body; absent is false. Raises like `text`."""
        value = self.body().get(name, False)
        if not isinstance(value, bool):
            raise BadRequest(f"{name} is neither true nor false.")
        return value

    def has(self, name: str) -> bool:
        """Return whether the body has a field. Raises like `text`."""
        return self.body().get(name) is not None

    def body(self) -> Answer:
        """Return the JSON object of the body; no body is an empty one. Raises like `text`."""
        raw = self.raw_body()
        if not raw:
            return {}
        if self.header("content-type").partition(";")[0].strip().lower() != "application/json":
            raise BadRequest("Send the body as application/json.")
        try:
            body = json.loads(raw.decode())
            # A lone surrogate is valid JSON, but cannot be encoded as UTF-8 later.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise BadRequest("The body is not a JSON object.")
        return body

    def raw_body(self) -> bytes:
        """Return the body as it was sent. Raises `BadRequest`, `PayloadTooLarge`."""
        body = self.event.get("body") or ""
        if not self.event.get("isBase64Encoded"):
            raw = str(body).encode(errors="surrogatepass")
        else:
            try:
                raw = base64.b64decode(body, validate=True)
            except ValueError:
                raise BadRequest("The body is not base64.") from None
        if len(raw) > LARGEST_BODY:
            raise PayloadTooLarge
        return raw

    @property
    def _context(self) -> Mapping[str, Any]:
        return _object(self.event.get("requestContext"))


def _object(value: object) -> Mapping[str, Any]:
    # Anybody with permission to invoke a function may send any JSON.
    return value if isinstance(value, Mapping) else {}


class Reply:
    """A successful response: `data`, and fields beside it, such as `expiresIn`."""

    def __init__(self, data: object, **beside: object) -> None:
        self.headers = HEADERS
        self.body = _json({"success": True, "data": data, **beside})


class Document:
    """A successful response: a JSON document in the form of a standard, without our envelope.

    Anybody may cache the document for `max_age` seconds.
    """

    def __init__(self, content: Mapping[str, object], *, max_age: int = 0) -> None:
        self.headers = dict(HEADERS)
        if max_age:
            self.headers["cache-control"] = f"public, max-age={max_age}"
        self.body = _json(content)


class Text:
    """A successful response in plain text."""

    def __init__(self, text: str) -> None:
        self.headers = {**HEADERS, "content-type": "text/plain; charset=utf-8"}
        self.body = text


def endpoint(
    handle: Callable[[Request], Reply | Document | Text],
) -> Callable[[Event, Any], Answer]:
    """Make a Lambda handler for API Gateway from a function that turns a request into a reply."""

    @wraps(handle)
    def handler(event: Event, context: Any) -> Answer:
        request = Request(_object(event))
        try:
            with invocation(request.route, context, requestId=request.id):
                reply = handle(request)
        except LoginError as error:
            return _failure(error, request.id)
        return {"statusCode": 200, "headers": reply.headers, "body": reply.body}

    return handler


def authorizer(
    handle: Callable[[Request], Mapping[str, str]],
) -> Callable[[Event, Any], Answer]:
    """Make a Lambda authorizer (payload 2.0, simple response) from a function returning a context.

    API Gateway caches a refusal, so only the caller's errors (401, 403) refuse; any other error is
    raised as a `LoginError`, and API Gateway answers 500.
    """

    @wraps(handle)
    def handler(event: Event, context: Any) -> Answer:
        request = Request(_object(event))
        try:
            with invocation(handle.__module__, context, requestId=request.id):
                return {"isAuthorized": True, "context": dict(handle(request))}
        except LoginError as error:
            if error.status >= SERVER_ERROR:
                raise
            return {"isAuthorized": False}

    return handler


def _failure(error: LoginError, request_id: str) -> Answer:
    said = {
        "code": error.code,
        "message": error.message,
        "requestId": request_id,
        **error.response_fields,
    }
    headers = dict(HEADERS)
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    body = _json({"success": False, "error": said})
    return {"statusCode": error.status, "headers": headers, "body": body}


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False)
