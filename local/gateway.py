"""An HTTP API of API Gateway: finds the route, asks its authorizer, invokes its function."""

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from local.functions import FunctionError, Functions
from local.http_server import Headers, Request, Response
from local.payload import (
    Event,
    MalformedAnswer,
    authorizer_event_for,
    event_for,
    json_response,
    response_from,
)
from stack.template import Authorizer, Cors, Route, Stack

log = logging.getLogger(__name__)

LARGEST_BODY = 10 * 1024 * 1024


def gateway_says(status: int, message: str) -> Response:
    """Return API Gateway's own response, for a request that no function answers."""
    return json_response(status, {"message": message})


NOT_FOUND = gateway_says(404, "Not Found")
UNAUTHORIZED = gateway_says(401, "Unauthorized")
FORBIDDEN = gateway_says(403, "Forbidden")
TOO_LARGE = gateway_says(413, "Request Entity Too Large")
FAILED = gateway_says(500, "Internal Server Error")

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")


class Refused(Exception):
    """The authorizer rejects the request, with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Gateway:
    """Answers requests; each response has the request's id in `apigw-requestid`."""

    def __init__(self, stack: Stack, functions: Functions) -> None:
        self._functions = functions
        self._routes = Routes(stack.routes)
        self._authorizers = {
            name: _AskedAuthorizer(authorizer, functions)
            for name, authorizer in stack.authorizers.items()
        }
        self._cors = stack.cors

    def answer(self, request: Request) -> Response:
        """Answer a request; never raise."""
        answer = self._answer(request)
        return replace(answer, headers=(("apigw-requestid", request.id), *answer.headers))

    def _answer(self, request: Request) -> Response:
        if len(request.body) > LARGEST_BODY:
            return TOO_LARGE
        found = self._routes.find(request.method, request.path)
        if found is None:
            return self._preflight(request) or NOT_FOUND
        route, path_parameters = found
        try:
            authorized = None
            if route.authorizer is not None:
                asked = self._authorizers[route.authorizer]
                authorized = asked.context_for(request, route, path_parameters)
            event = event_for(request, route, path_parameters, authorized)
            answer = response_from(self._functions.invoke(route.function, event))
            return self._shared(answer, request)
        except Refused as refused:
            return refused.response
        except (FunctionError, MalformedAnswer) as fault:
            log.error("%s failed: %s", route.key, fault)  # noqa: TRY400 - the log has the traceback
            return FAILED

    def _preflight(self, request: Request) -> Response | None:
        """Answer a browser's preflight request.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
        """
        if self._cors is None or not _is_preflight(request):
            return None
        return Response(204, _cors_headers(self._cors, request), b"")

    def _shared(self, answer: Response, request: Request) -> Response:
        """Return the answer with the API's CORS headers, and without the function's."""
        if self._cors is None:
            return answer
        own = tuple(each for each in answer.headers if not each[0].startswith("access-control-"))
        return replace(answer, headers=(*own, *_cors_headers(self._cors, request)))


def _is_preflight(request: Request) -> bool:
    asks = (request.header(name) for name in ("origin", "access-control-request-method"))
    return request.method == "OPTIONS" and all(asks)


def _cors_headers(cors: Cors, request: Request) -> Headers:
    origin = request.header("origin") or ""
    if not origin or not any(_is_of(origin, allowed) for allowed in cors.origins):
        return ()
    allowed = (("access-control-allow-origin", "*" if "*" in cors.origins else origin),)
    if not _is_preflight(request):
        return allowed
    return (
        *allowed,
        ("access-control-allow-methods", ",".join(cors.methods)),
        ("access-control-allow-headers", ",".join(cors.headers)),
        ("access-control-max-age", str(cors.max_age)),
    )


def _is_of(origin: str, allowed: str) -> bool:
    # `*` allows all origins, `https://*` all with TLS.
    return origin == allowed or (allowed.endswith("*") and origin.startswith(allowed[:-1]))


class Routes:
    """Finds the most specific route, as API Gateway does.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._patterns = [(_pattern(route), route) for route in sorted(routes, key=_generality)]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        for pattern, route in self._patterns:
            if route.method in (method, "ANY") and (match := pattern.fullmatch(path)):
                return route, match.groupdict()
        return None


def _pattern(route: Route) -> re.Pattern[str]:
    if route.path == "$default":
        return re.compile(r".*", re.DOTALL)
    return re.compile("/".join(_segment_pattern(segment) for segment in route.path.split("/")))


def _segment_pattern(segment: str) -> str:
    if not (variable := _VARIABLE.fullmatch(segment)):
        return re.escape(segment)
    return f"(?P<{variable[1]}>.+)" if variable[2] else f"(?P<{variable[1]}>[^/]+)"


def _generality(route: Route) -> tuple[list[int], bool]:
    if route.path == "$default":
        return [3], True
    kinds = [_VARIABLE.fullmatch(segment) for segment in route.path.split("/")[1:]]
    return [0 if kind is None else 2 if kind[2] else 1 for kind in kinds], route.method == "ANY"


class _AskedAuthorizer:
    """A Lambda authorizer and the cache of its answers."""

    def __init__(self, authorizer: Authorizer, functions: Functions) -> None:
        self._authorizer = authorizer
        self._functions = functions
        self._answers: dict[tuple[str, ...], tuple[float, Event]] = {}
        self._lock = threading.Lock()

    def context_for(
        self, request: Request, route: Route, path_parameters: Mapping[str, str]
    ) -> Event:
        """Return the authorizer's context for the function.

        Raises `Refused`: the request is rejected.
        """
        given = [request.header(name) for name in self._authorizer.identity_headers]
        identity = tuple(value for value in given if value)
        if len(identity) < len(given):
            raise Refused(UNAUTHORIZED)
        answer = self._kept(identity)
        if answer is None:
            event = authorizer_event_for(request, route, path_parameters, identity)
            answer = self._functions.invoke(self._authorizer.function, event)
            if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
                raise MalformedAnswer("the authorizer's answer has no isAuthorized")
            self._keep(identity, answer)
        if not answer["isAuthorized"]:
            raise Refused(FORBIDDEN)
        return dict(answer.get("context") or {})

    def _kept(self, identity: tuple[str, ...]) -> Event | None:
        with self._lock:
            until, answer = self._answers.get(identity, (0.0, {}))
        return answer if time.monotonic() < until else None

    def _keep(self, identity: tuple[str, ...], answer: Event) -> None:
        # Without an identity source the cache could not distinguish callers.
        if not identity or not self._authorizer.reuse_seconds:
            return
        now = time.monotonic()
        with self._lock:
            self._answers = {
                each: kept for each, kept in self._answers.items() if kept[0] > now
            } | {identity: (now + self._authorizer.reuse_seconds, answer)}
