"""The edge: the responses to events, errors and bugs."""

import base64
import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.context import Context
from wechat_login import errors
from wechat_login.api import Reply, Request, authorizer, endpoint, task
from wechat_login.errors import BadRequest, PayloadTooLarge, SessionRequired

JSON = {"content-type": "application/json"}


def event(body=None, headers=JSON, **more):
    made = {"routeKey": "POST /test", "headers": headers, "requestContext": {"requestId": "r-1"}}
    if body is not None:
        made["body"] = body if isinstance(body, str) else json.dumps(body)
    return {**made, **more}


def call(handle, given=None):
    answer = endpoint(handle)(event() if given is None else given, Context())
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def test_a_reply_is_a_success_with_its_data_and_further_fields():
    status, body, headers = call(lambda _: Reply("t", expiresIn=7))

    assert (status, body) == (200, {"success": True, "data": "t", "expiresIn": 7})
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["cache-control"] == "no-store"


def test_chinese_is_answered_as_it_is():
    _, body, _ = call(lambda _: Reply("微信"))

    assert body["data"] == "微信"


CLASSES = [
    getattr(errors, name)
    for name in dir(errors)
    if isinstance(getattr(errors, name), type)
    and issubclass(getattr(errors, name), errors.LoginError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_each_error_is_answered_with_its_status_and_code(error):
    def refuse(_):
        raise error(hidden="fact")

    status, body, headers = call(refuse)

    assert status == error.status
    assert body["success"] is False
    assert body["error"]["code"] == error.code
    assert body["error"]["requestId"] == "r-1"
    assert "fact" not in json.dumps(body)
    assert ("retry-after" in headers) == (error().retry_after is not None)


@pytest.mark.parametrize("bug", [ValueError, KeyError, ZeroDivisionError, RecursionError, OSError])
def test_a_bug_gets_a_constant_answer_and_a_place_in_the_log(lines, bug):
    def handle(_):
        raise bug("s3cret")

    status, body, _ = call(handle)

    assert status == 500
    assert body["error"] == {
        "code": "internal",
        "message": errors.LoginError.message,
        "requestId": "r-1",
    }
    ((level, line),) = lines
    assert level == "ERROR"
    assert line["bug"] == bug.__name__
    assert any("test_api.py" in place for place in line["where"])
    assert "s3cret" not in json.dumps(line)


@pytest.mark.parametrize("make", [authorizer, task])
def test_no_text_of_a_bug_escapes_to_lambda_which_would_log_it(lines, make):
    @make
    def handler(_):
        raise ValueError("s3cret")

    with pytest.raises(errors.LoginError) as escaped:
        handler({"requestContext": {}}, Context())

    assert "s3cret" not in "".join(traceback.format_exception(escaped.value))
    ((level, line),) = lines
    assert (level, line["bug"]) == ("ERROR", "ValueError")
    assert "s3cret" not in json.dumps(line)


@pytest.mark.parametrize(
    ("error", "level"),
    [(errors.CodeRejected, "WARNING"), (errors.Misconfigured, "ERROR"), (None, "INFO")],
)
def test_a_request_is_one_line_whose_level_shows_who_has_to_act(lines, error, level):
    def handle(_):
        if error:
            raise error(errcode=40029)
        return Reply(None)

    call(handle)

    ((found, line),) = lines
    assert found == level
    assert line["route"] == "POST /test"
    assert line["requestId"] == "r-1"
    assert line["ms"] >= 0
    assert line.get("errcode") == (40029 if error else None)


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_header_names_are_read_in_any_case(name):
    request = Request(event({"code": "a"}, {name: "application/json"}))

    assert request.text("code") == "a"
    assert request.header("content-type") == "application/json"


@pytest.mark.parametrize("headers", [None, {}, {"other": "x"}])
def test_a_header_that_is_not_there_is_empty(headers):
    assert Request(event(headers=headers)).header("authorization") == ""


@pytest.mark.parametrize(
    ("value", "credential"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER  abc ", "abc"), ("Bearer a b", "a b")],
)
def test_a_bearers_credential_is_what_follows(value, credential):
    assert Request(event(headers={"Authorization": value})).bearer() == credential


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc", "\tBearer"]
)
def test_without_a_bearer_a_session_is_required(value):
    with pytest.raises(SessionRequired):
        Request(event(headers={"authorization": value})).bearer()


def base64_event(raw, **more):
    return event(base64.b64encode(raw).decode(), isBase64Encoded=True, **more)


def test_a_base64_body_is_decoded():
    assert Request(base64_event('{"code": "微"}'.encode())).text("code") == "微"


@pytest.mark.parametrize("body", ["%%%", "A", "eyJ", "微信", "eyJ9\n"])
def test_a_body_that_is_no_base64_is_refused(body):
    with pytest.raises(BadRequest):
        Request(event(body, isBase64Encoded=True)).body()


@pytest.mark.parametrize(
    ("size", "refused"), [(16 * 1024, False), (16 * 1024 + 1, True), (1_000_000, True)]
)
def test_a_body_is_as_large_as_sixteen_kilobytes(size, refused):
    raw = b'{"a": "' + b"x" * (size - 9) + b'"}'

    for given_event in (event(raw.decode()), base64_event(raw)):
        if refused:
            with pytest.raises(PayloadTooLarge):
                Request(given_event).body()
        else:
            assert len(Request(given_event).body()["a"]) == size - 9


def test_a_body_is_measured_in_bytes():
    with pytest.raises(PayloadTooLarge):
        Request(event(json.dumps({"a": "微" * 6000}, ensure_ascii=False))).body()


@pytest.mark.parametrize("given_event", [event(), event(""), event(body=None), {"routeKey": "x"}])
def test_no_body_is_an_empty_one(given_event):
    assert Request(given_event).body() == {}


@given(some.one_of(some.text(max_size=300), some.binary(max_size=300)))
def test_any_body_is_an_object_or_refused(body):
    given_event = event(body) if isinstance(body, str) else base64_event(body)

    try:
        found = Request(given_event).body()
    except (BadRequest, PayloadTooLarge):
        return

    assert isinstance(found, dict)
    json.dumps(found, ensure_ascii=False).encode()


JSON_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_a_field_is_a_text_of_its_length_or_refused(value):
    request = Request(event({"field": value}))

    try:
        text = request.text("field", longest=10)
    except BadRequest:
        assert not isinstance(value, str) or not 0 < len(value) <= 10
        return

    assert text == value
    assert 0 < len(text) <= 10


@given(JSON_VALUES)
def test_a_flag_is_true_or_false_or_refused(value):
    request = Request(event({"flag": value}))

    if isinstance(value, bool):
        assert request.flag("flag") is value
    else:
        with pytest.raises(BadRequest):
            request.flag("flag")


def test_a_flag_that_is_absent_is_false():
    assert Request(event({})).flag("flag") is False


@pytest.mark.parametrize(
    "body",
    [
        "[" * 5000 + "]" * 5000,
        '{"a":' * 2500 + "1" + "}" * 2500,
        '{"a": "\\ud800"}',
        "{'a': 1}",
        "nan",
    ],
    ids=["deep arrays", "deep objects", "lone surrogate", "Python", "nan"],
)
def test_unusual_but_valid_json_is_rejected(body):
    with pytest.raises(BadRequest):
        Request(event(body)).body()


def test_a_request_does_not_show_its_event():
    assert "s3cret" not in repr(Request(event({"code": "s3cret"})))


def test_an_event_that_is_hardly_one_is_answered():
    status, body, _ = call(lambda request: Reply(request.domain), {"routeKey": "GET /"})

    assert (status, body["data"]) == (200, "")


@pytest.mark.parametrize("code", ["", "a b", "a&b", "a/b", "a\n", "é", "a" * 129, "a%20"])
def test_an_impossible_code_is_a_bad_request(code):
    status, body, _ = call(lambda request: Reply(request.code()), event({"code": code}))

    assert (status, body["error"]["code"]) == (400, "bad_request")


def test_the_developer_tools_mock_code_is_named():
    given = event({"code": "the code is a mock one"})

    status, body, _ = call(lambda request: Reply(request.code()), given)

    assert status == 400
    assert "AppID" in body["error"]["message"]
