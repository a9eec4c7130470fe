"""Conversions between HTTP and API Gateway's payload 2.0, without a socket.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from local.http_server import Headers, Request, Response
from stack.cloudformation import ACCOUNT, REGION
from stack.template import Route

Event = dict[str, Any]

API_ID = "local"

_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+(json|xml))")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class MalformedAnswer(Exception):
    """API Gateway cannot turn the function's answer into a response."""


def event_for(
    request: Request, route: Route, path_parameters: Mapping[str, str], authorized: Event | None
) -> Event:
    """Make the event of a function; absent parts of the request are absent from it."""
    event = _without_body(request, route, path_parameters)
    if authorized is not None:
        event["requestContext"]["authorizer"] = {"lambda": authorized}
    body, is_base64 = _body(request)
    if body:
        event["body"] = body
    return {**event, "isBase64Encoded": is_base64}


def authorizer_event_for(
    request: Request, route: Route, path_parameters: Mapping[str, str], identity: Iterable[str]
) -> Event:
    """Make the event of a Lambda authorizer: no body, but the identity sources.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
    """
    api = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/$default"
    return {
        **_without_body(request, route, path_parameters),
        "type": "REQUEST",
        "routeArn": f"{api}/{request.method}{request.path}",
        "identitySource": list(identity),
    }


def _without_body(request: Request, route: Route, path_parameters: Mapping[str, str]) -> Event:
    headers, cookies = _headers(request)
    host = headers.get("host", "localhost")
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    present_or_absent = {
        "cookies": cookies,
        "queryStringParameters": query,
        "pathParameters": dict(path_parameters),
    }
    return {
        "version": "2.0",
        "routeKey": route.key,
        # Also decoded: https://github.com/hotsock/voker/pull/8
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        **{name: value for name, value in present_or_absent.items() if value},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.id,
            "routeKey": route.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.received_at)),
            "timeEpoch": int(request.received_at * 1000),
        },
    }


def _headers(request: Request) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    sent = [(name.lower(), value) for name, value in request.headers]
    for name, value in [*sent, ("x-forwarded-for", request.source_ip)]:
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers["x-forwarded-proto"] = "http"
    return headers, cookies


def _body(request: Request) -> tuple[str, bool]:
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if not request.body or _TEXT.fullmatch(kind):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def response_from(answer: object) -> Response:
    """Make the response that API Gateway would send for a function's answer.

    Raises `MalformedAnswer`: API Gateway would answer 500.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return json_response(200, answer)
    try:
        status = int(answer["statusCode"])
        HTTPStatus(status)
    except (TypeError, ValueError):
        raise MalformedAnswer(f"statusCode is {answer['statusCode']!r}") from None
    body = _answered_body(answer)
    headers = _answered_headers(answer)
    if body and not any(name == "content-type" for name, _ in headers):
        headers = (("content-type", "text/plain;charset=UTF-8"), *headers)
    return Response(status, headers, body)


def json_response(status: int, content: object) -> Response:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    return Response(status, (("content-type", "application/json"),), body)


def _answered_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer(f"the body is of type {type(body).__name__}, not a string")
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise MalformedAnswer("the body is not Base64") from None


def _answered_headers(answer: Mapping[str, Any]) -> Headers:
    given, cookies = answer.get("headers", {}), answer.get("cookies", [])
    if not isinstance(given, dict) or not isinstance(cookies, list):
        raise MalformedAnswer("headers is no object, or cookies no array")
    headers = [(name.lower(), value) for name, value in given.items()]
    headers += [("set-cookie", cookie) for cookie in cookies]
    # The function's content-length could contradict the body's.
    return tuple(
        (name, _header_text(name, value)) for name, value in headers if name != "content-length"
    )


def _header_text(name: str, value: object) -> str:
    if not isinstance(value, (str, int, float)):
        raise MalformedAnswer(f"the header {name} is of type {type(value).__name__}")
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if not _HEADER_NAME.fullmatch(name) or not text.isprintable() or not text.isascii():
        raise MalformedAnswer(f"the header {name} has letters that HTTP does not allow")
    return text
