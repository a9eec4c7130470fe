"""The gateway asks and answers as an HTTP API of API Gateway does."""

import base64
import json
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from local.functions import Context, FunctionError, Functions
from local.gateway import LARGEST_BODY, Gateway, Routes
from local.http_server import Request
from local.payload import MalformedAnswer, authorizer_event_for, event_for, response_from
from stack.template import Authorizer, Cors, Function, Route, Stack

JSON = (("Content-Type", "application/json"),)


# The function's event.


def test_an_event_has_the_fields_of_api_gateway():
    request = Request(
        method="POST",
        target="/login?a=1",
        headers=(("Host", "api.example.com:3000"), ("User-Agent", "phone"), *JSON),
        body=b'{"code": "x"}',
        source_ip="127.0.0.1",
        id="r1",
        received_at=1_795_163_716.5,
    )

    assert event_for(request, Route("POST", "/login", "Login"), {}, None) == {
        "version": "2.0",
        "routeKey": "POST /login",
        "rawPath": "/login",
        "rawQueryString": "a=1",
        "headers": {
            "host": "api.example.com:3000",
            "user-agent": "phone",
            "content-type": "application/json",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"a": "1"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "api.example.com:3000",
            "domainPrefix": "api",
            "http": {
                "method": "POST",
                "path": "/login",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "phone",
            },
            "requestId": "r1",
            "routeKey": "POST /login",
            "stage": "$default",
            "time": "20/Nov/2026:08:35:16 +0000",
            "timeEpoch": 1_795_163_716_500,
        },
        "body": '{"code": "x"}',
        "isBase64Encoded": False,
    }


def event(request: Request, route: Route | None = None, **path_parameters: str) -> dict:
    return event_for(request, route or Route("ANY", "$default", "Echo"), path_parameters, None)


@pytest.mark.parametrize("absent", ["body", "cookies", "queryStringParameters", "pathParameters"])
def test_absent_parts_of_a_request_are_absent_from_its_event(absent):
    assert absent not in event(Request("GET", "/"))


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        pytest.param((("X-One", "a"),), {"x-one": "a"}, id="lower case"),
        pytest.param((("X-One", "a"), ("x-one", "b")), {"x-one": "a,b"}, id="several are joined"),
        pytest.param((("X-Forwarded-For", "1.2.3.4"),), {"x-forwarded-for": "1.2.3.4,127.0.0.1"},
                     id="the caller's address comes last"),
    ],
)  # fmt: skip
def test_headers_arrive_as_one_object(headers, seen):
    assert seen.items() <= event(Request("GET", "/", headers))["headers"].items()


def test_cookies_leave_the_headers_for_an_array():
    seen = event(Request("GET", "/", (("Cookie", "a=1; b=2"), ("Cookie", "c=3"))))

    assert seen["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in seen["headers"]


@pytest.mark.parametrize(
    ("target", "raw", "parameters"),
    [
        pytest.param("/?a=1&a=2&b=", "a=1&a=2&b=", {"a": "1,2", "b": ""}, id="several are joined"),
        pytest.param("/?a=%20x+y", "a=%20x+y", {"a": " x y"}, id="decoded beside raw"),
        pytest.param("/?a=b?c", "a=b?c", {"a": "b?c"}, id="a second question mark is a letter"),
    ],
)
def test_a_query_arrives_raw_and_decoded(target, raw, parameters):
    seen = event(Request("GET", target))

    assert (seen["rawQueryString"], seen["queryStringParameters"]) == (raw, parameters)


def test_the_path_arrives_decoded():
    seen = event(Request("GET", "/a%20b/%E4%BD%A0"))

    assert seen["rawPath"] == seen["requestContext"]["http"]["path"] == "/a b/你"


@pytest.mark.parametrize(
    ("content_type", "body", "is_text"),
    [
        pytest.param("application/json", b'{"a": 1}', True, id="json"),
        pytest.param("application/json; charset=utf-8", "你".encode(), True, id="json, charset"),
        pytest.param("APPLICATION/JSON", b"1", True, id="capitals"),
        pytest.param("text/xml", b"<a/>", True, id="xml as WeChat sends it"),
        pytest.param("application/vnd.a+json", b"1", True, id="a kind of json"),
        pytest.param("application/x-www-form-urlencoded", b"a=1", False, id="form"),
        pytest.param("application/octet-stream", b"\x00\xff", False, id="bytes"),
        pytest.param(None, b"a", False, id="no type"),
        pytest.param("application/json", b"\xff", False, id="text that is no text"),
    ],
)
def test_a_body_is_text_or_base64_by_its_type(content_type, body, is_text):
    headers = () if content_type is None else (("Content-Type", content_type),)

    seen = event(Request("POST", "/", headers, body))

    assert seen["isBase64Encoded"] is not is_text
    assert seen["body"] == (body.decode() if is_text else base64.b64encode(body).decode())


def test_an_authorizers_event_has_an_identity_and_no_body():
    request = Request("POST", "/me", (("Authorization", "Bearer t"), *JSON), b"{}")

    seen = authorizer_event_for(request, Route("POST", "/me", "Me", "Guard"), {}, ["Bearer t"])

    assert seen["type"] == "REQUEST"
    assert seen["identitySource"] == ["Bearer t"]
    assert seen["routeArn"].endswith(":local/$default/POST/me")
    assert "body" not in seen


# The caller's response.


@pytest.mark.parametrize(
    ("answer", "status", "headers", "body"),
    [
        pytest.param({"statusCode": 204}, 204, {}, b"", id="status alone"),
        pytest.param(
            {"statusCode": 200, "headers": {"Content-Type": "a/b", "X-N": 5}, "body": "你"},
            200, {"content-type": "a/b", "x-n": "5"}, "你".encode(), id="headers and body",
        ),
        pytest.param(
            {"statusCode": "201", "body": "x"},
            201, {"content-type": "text/plain;charset=UTF-8"}, b"x", id="text by default",
        ),
        pytest.param(
            {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True, "headers": {"x": "y"}},
            200, {"content-type": "text/plain;charset=UTF-8", "x": "y"}, b"\xff\x00", id="base64",
        ),
        pytest.param({"a": 1}, 200, {"content-type": "application/json"}, b'{"a":1}', id="object"),
        pytest.param([1], 200, {"content-type": "application/json"}, b"[1]", id="array"),
        pytest.param("hi", 200, {"content-type": "application/json"}, b'"hi"', id="string"),
    ],
)  # fmt: skip
def test_an_answer_becomes_a_response(answer, status, headers, body):
    response = response_from(answer)

    assert (response.status, dict(response.headers), response.body) == (status, headers, body)


def test_each_cookie_is_a_header_of_its_own():
    response = response_from({"statusCode": 200, "cookies": ["a=1", "b=2; Secure"]})

    assert response.headers == (("set-cookie", "a=1"), ("set-cookie", "b=2; Secure"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"statusCode": "soon"}, id="status is no number"),
        pytest.param({"statusCode": 99}, id="status that HTTP does not have"),
        pytest.param({"statusCode": None}, id="status null"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body is an object"),
        pytest.param({"statusCode": 200, "body": "*", "isBase64Encoded": True}, id="no base64"),
        pytest.param({"statusCode": 200, "headers": []}, id="headers are an array"),
        pytest.param({"statusCode": 200, "headers": {"a": None}}, id="header null"),
        pytest.param(
            {"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, id="header with a line end"
        ),
        pytest.param({"statusCode": 200, "headers": {"a b": "c"}}, id="header name with a blank"),
        pytest.param({"statusCode": 200, "cookies": "a=1"}, id="cookies are a string"),
    ],
)
def test_a_malformed_answer_is_no_response(answer):
    with pytest.raises(MalformedAnswer):
        response_from(answer)


# The choice of the route.


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/pets/dog", "GET /pets/dog", {}),
        ("GET", "/pets/cat", "GET /pets/{name}", {"name": "cat"}),
        ("POST", "/pets/dog", "ANY /pets/{any+}", {"any": "dog"}),
        ("GET", "/pets/cat/1", "ANY /pets/{any+}", {"any": "cat/1"}),
        ("GET", "/pets/", "$default", {}),
        ("GET", "/pets", "$default", {}),
        ("GET", "/", "$default", {}),
        ("DELETE", "/things/a.b", "DELETE /things/a.b", {}),
        ("DELETE", "/things/axb", "$default", {}),
        ("GET", "/things/1/parts/2", "ANY /things/{a}/parts/{b}", {"a": "1", "b": "2"}),
        ("GET", "/both", "GET /both", {}),
        ("PUT", "/both", "ANY /both", {}),
    ],
)
def test_the_most_specific_route_is_taken(method, path, route, parameters):
    keys = [
        "ANY /pets/{any+}", "$default", "GET /pets/{name}", "GET /pets/dog", "ANY /both",
        "DELETE /things/a.b", "ANY /things/{a}/parts/{b}", "GET /both",
    ]  # fmt: skip
    pairs = [key.split() if " " in key else ["ANY", key] for key in keys]
    routes = [Route(method, path, "Echo") for method, path in pairs]

    found = Routes(tuple(routes)).find(method, path)

    assert found is not None
    assert (found[0].key, found[1]) == (route, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/login"),
        ("HEAD", "/login"),
        ("OPTIONS", "/login"),
        ("POST", "/login/"),
        ("POST", "/Login"),
    ],
)
def test_a_path_without_a_route_for_this_method_has_none(method, path):
    assert Routes((Route("POST", "/login", "Login"),)).find(method, path) is None


# All together, with test functions.


class Calls:
    """Test functions, and their recorded events."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.allowed: object = {"isAuthorized": True, "context": {"user": "u1", "n": 1}}

    def echo(self, event: dict, context: Context) -> object:
        self.events.append(event)
        return {
            "event": event,
            "left": context.get_remaining_time_in_millis(),
            "name": context.function_name,
        }

    def fail(self, event: dict, context: Context) -> object:  # noqa: ARG002 - the real signature
        raise ValueError("secret")

    def strange(self, event: dict, context: Context) -> object:  # noqa: ARG002 - the real signature
        return {"statusCode": 200, "body": {1, 2}}

    def guard(self, event: dict, context: Context) -> object:  # noqa: ARG002 - the real signature
        self.events.append(event)
        return self.allowed

    def share(self, event: dict, context: Context) -> object:  # noqa: ARG002 - the real signature
        """Answer like a function with its own CORS headers."""
        headers = {"Access-Control-Allow-Origin": "https://own.example", "X-Own": "1"}
        return {"statusCode": 200, "headers": headers}


@pytest.fixture
def calls() -> Iterator[Calls]:
    calls = Calls()
    module = ModuleType("stand_in")
    for name in ("echo", "fail", "strange", "guard", "share"):
        setattr(module, name, getattr(calls, name))
    sys.modules["stand_in"] = module
    yield calls
    del sys.modules["stand_in"]


def function(name: str) -> Function:
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    handler = f"stand_in.{name.lower()}"
    return Function(name, f"test-{name}", arn, handler, "", {}, 20, 512, ())


def gateway(
    *routes: Route,
    reuse_seconds: int = 60,
    cors: Cors | None = None,
) -> Gateway:
    functions = {name: function(name) for name in ("Echo", "Fail", "Strange", "Guard", "Share")}
    guard = Authorizer("Guard", "Guard", ("authorization",), reuse_seconds)
    stack = Stack("test", {}, functions, routes, {"Guard": guard}, (), (), cors)
    return Gateway(stack, Functions(functions.values()))


def said(response) -> tuple[int, Any]:
    return response.status, json.loads(response.body)


@pytest.mark.usefixtures("calls")
def test_a_request_reaches_its_function_and_its_answer_the_caller():
    response = gateway(Route("GET", "/hi/{name}", "Echo")).answer(Request("GET", "/hi/a%20b"))

    status, answer = said(response)
    assert (status, answer["name"]) == (200, "test-Echo")
    assert answer["event"]["pathParameters"] == {"name": "a b"}
    assert 10_000 < answer["left"] <= 20_000


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        pytest.param(Request("GET", "/nix"), 404, "Not Found", id="unknown path"),
        pytest.param(Request("PUT", "/echo"), 404, "Not Found", id="unknown method"),
        pytest.param(Request("TRACE", "/echo"), 404, "Not Found", id="method of no route"),
        pytest.param(Request("POST", "/fail"), 500, "Internal Server Error", id="function fails"),
        pytest.param(Request("POST", "/strange"), 500, "Internal Server Error", id="no JSON"),
        pytest.param(
            Request("POST", "/echo", JSON, b" " * (LARGEST_BODY + 1)),
            413, "Request Entity Too Large", id="body too large",
        ),
        pytest.param(Request("POST", "/mine"), 401, "Unauthorized", id="no identity"),
        pytest.param(
            Request("POST", "/mine", (("Authorization", ""),)),
            401, "Unauthorized", id="empty identity",
        ),
    ],
)  # fmt: skip
def test_the_gateways_own_answers_are_api_gateways(request_, status, message):
    routes = (
        Route("POST", "/echo", "Echo"),
        Route("POST", "/fail", "Fail"),
        Route("POST", "/strange", "Strange"),
    )

    response = gateway(*routes, Route("POST", "/mine", "Echo", "Guard")).answer(request_)

    assert said(response) == (status, {"message": message})


@pytest.mark.usefixtures("calls")
def test_a_failed_function_is_logged_as_lambda_does_and_not_shown_to_the_caller(capsys):
    response = gateway(Route("POST", "/fail", "Fail")).answer(Request("POST", "/fail"))

    assert b"secret" not in response.body
    assert json.loads(capsys.readouterr().out)["errorType"] == "ValueError"


# Authorizers.

MINE = Route("GET", "/mine", "Echo", "Guard")
OTHER = Route("GET", "/other", "Echo", "Guard")


def ask(gateway: Gateway, path: str = "/mine", authorization: str | None = "Bearer t"):
    headers = () if authorization is None else (("Authorization", authorization),)
    return gateway.answer(Request("GET", path, headers))


def test_an_authorizers_context_reaches_the_function(calls):
    assert ask(gateway(MINE)).status == 200

    assert calls.events[-1]["requestContext"]["authorizer"] == {"lambda": {"user": "u1", "n": 1}}


def test_without_an_identity_the_authorizer_is_not_called(calls):
    assert said(ask(gateway(MINE), authorization=None)) == (401, {"message": "Unauthorized"})

    assert calls.events == []


def test_an_unauthorized_caller_is_forbidden_and_the_function_not_called(calls):
    calls.allowed = {"isAuthorized": False}

    assert said(ask(gateway(MINE))) == (403, {"message": "Forbidden"})
    assert [seen["type"] for seen in calls.events] == ["REQUEST"]


@pytest.mark.parametrize("answer", [None, {}, {"isAuthorized": "yes"}, [True]])
def test_an_authorizer_with_an_invalid_answer_allows_nobody(calls, answer):
    calls.allowed = answer

    assert said(ask(gateway(MINE))) == (500, {"message": "Internal Server Error"})


def test_an_authorizers_answer_serves_all_its_routes_until_it_is_too_old(calls):
    open_gate = gateway(MINE, OTHER)
    ask(open_gate)
    calls.allowed = {"isAuthorized": False}

    assert ask(open_gate).status == 200
    assert ask(open_gate, "/other").status == 200
    assert ask(open_gate, authorization="Bearer else").status == 403


def test_an_authorizer_that_keeps_nothing_is_asked_each_time(calls):
    closed_gate = gateway(MINE, reuse_seconds=0)
    ask(closed_gate)
    calls.allowed = {"isAuthorized": False}

    assert ask(closed_gate).status == 403


def test_a_kept_refusal_is_a_refusal(calls):
    calls.allowed = {"isAuthorized": False}
    gate = gateway(MINE)
    ask(gate)
    calls.allowed = {"isAuthorized": True}

    assert ask(gate).status == 403


# Pages beside the API.


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("path", ["/echo", "/fail", "/nix"])
def test_each_response_names_its_request(path):
    gate = gateway(Route("GET", "/echo", "Echo"), Route("GET", "/fail", "Fail"))

    response = gate.answer(Request("GET", path, id="r1"))

    assert dict(response.headers)["apigw-requestid"] == "r1"


# Web pages of other origins.

SHARE = Route("GET", "/share", "Share")


def own_headers(answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name != "apigw-requestid"}


def shared_with(*origins: str) -> Cors:
    return Cors(origins, methods=("GET", "PUT"), headers=("accept", "x-own"), max_age=60)


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        pytest.param("https://a.example", "https://a.example", "https://a.example", id="it"),
        pytest.param("https://*", "https://b.example", "https://b.example", id="one with TLS"),
        pytest.param("*", "http://c.example", "*", id="any"),
        pytest.param("https://a.example", "https://b.example", None, id="another"),
        pytest.param("https://a.example", "https://a.example.b.example", None, id="longer"),
        pytest.param("https://a.example", "http://a.example", None, id="without TLS"),
        pytest.param("https://a.example", None, None, id="none"),
        pytest.param("*", None, None, id="none of any"),
    ],
)
def test_a_page_may_see_an_answer_if_its_origin_is_allowed(allowed, origin, expected):
    headers = () if origin is None else (("Origin", origin),)

    answer = gateway(SHARE, cors=shared_with(allowed)).answer(Request("GET", "/share", headers))

    # The function's own CORS headers are ignored.
    shared = {} if expected is None else {"access-control-allow-origin": expected}
    assert own_headers(answer) == {"x-own": "1", **shared}


@pytest.mark.usefixtures("calls")
def test_without_cors_a_functions_own_headers_are_left_alone():
    answer = gateway(SHARE).answer(Request("GET", "/share", (("Origin", "https://a.example"),)))

    own = {"access-control-allow-origin": "https://own.example", "x-own": "1"}
    assert own_headers(answer) == own


ASKING = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(ASKING, 204, id="a preflight"),
        pytest.param(ASKING[:1], 404, id="no method asked for"),
        pytest.param(ASKING[1:], 404, id="no origin"),
    ],
)
def test_a_preflight_is_answered_for_every_path_and_reaches_no_function(calls, headers, status):
    gate = gateway(SHARE, MINE, cors=shared_with("https://a.example"))

    for path in ("/share", "/mine", "/nix"):
        assert gate.answer(Request("OPTIONS", path, headers)).status == status
    assert calls.events == []


def test_a_route_of_its_own_answers_options_before_the_gateway_does(calls):
    gate = gateway(Route("OPTIONS", "/share", "Echo"), cors=shared_with("https://a.example"))

    answer = gate.answer(Request("OPTIONS", "/share", ASKING))

    assert answer.status == 200
    assert dict(answer.headers)["access-control-allow-methods"] == "GET,PUT"
    assert len(calls.events) == 1


# Functions without a gateway.


@pytest.mark.usefixtures("calls")
def test_a_function_gets_its_own_copy_of_the_event():
    mine = {"list": [1]}
    answer = Functions([function("Echo")]).invoke("Echo", mine)

    answer["event"]["list"].append(2)
    assert mine == {"list": [1]}


@pytest.mark.usefixtures("calls")
def test_an_answer_that_is_not_json_is_unusable():
    with pytest.raises(FunctionError, match="Strange: TypeError"):
        Functions([function("Strange")]).invoke("Strange", {})


def test_the_time_left_never_falls_below_nothing():
    context = Context("f", "arn", "512", "/log", deadline=time.monotonic() - 1)

    assert context.get_remaining_time_in_millis() == 0
