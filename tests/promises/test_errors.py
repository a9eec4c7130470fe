"""One status and one code for each error, the same in the code and the documents."""

import inspect
import re
from collections import Counter

import pytest

from stack.template import ROOT
from tests.support.written import openapi, operations, referred, routes, span, spans, table
from wechat_login import errors
from wechat_login.errors import BadRequest, LoginError, Misconfigured
from wechat_login.wechat import authorized_client, client

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, LoginError) and each.__module__ == errors.__name__
]
# For the caller, a class without its own code is its parent.
BY_CODE = {each.code: each for each in CLASSES if "code" in vars(each)}
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"

each_route = pytest.mark.parametrize("route", operations())


def test_no_two_errors_share_a_code():
    counts = Counter(each.code for each in CLASSES if "code" in vars(each))

    assert counts.most_common(1)[0][1] == 1


def test_an_error_sets_status_code_and_message_or_none_of_them():
    for each in CLASSES:
        assert len({"status", "code", "message"} & set(vars(each))) in {0, 3}, each


def test_every_error_is_documented_with_its_status():
    rows = table(ROOT / "docs" / "errors.md", "code", "status")

    assert {(span(code), int(status)) for code, status, *_ in rows} == {
        (code, each.status) for code, each in BY_CODE.items()
    }
    assert all(when and what for _, _, when, what in rows)


def test_no_function_answers_404():
    assert 404 not in {each.status for each in CLASSES}


def test_the_openapi_file_names_every_code():
    assert set(openapi()["components"]["schemas"]["ErrorCode"]["enum"]) == set(BY_CODE)


@pytest.mark.parametrize("code", BY_CODE)
def test_the_openapi_file_shows_each_error_as_it_is(code):
    shown = openapi()["components"]["examples"][code]["value"]

    assert shown["success"] is False
    assert shown["error"]["code"] == code
    if BY_CODE[code] is not BadRequest:  # Its message depends on the fault.
        assert shown["error"]["message"] == BY_CODE[code].message


@each_route
def test_an_answer_shows_only_errors_of_its_status(route):
    for status, response in operations()[route]["responses"].items():
        for code in codes_shown(response):
            assert str(BY_CODE[code].status) == status, code
            if BY_CODE[code].retry_after:
                assert "Retry-After" in referred(response)["headers"], code


@each_route
def test_a_route_that_takes_a_session_can_refuse_it(route):
    operation = operations()[route]
    taken = operation.get("security", openapi()["security"])
    codes = {code for response in operation["responses"].values() for code in codes_shown(response)}

    if any("session" in each for each in taken):
        assert {"session_required", "session_invalid"} <= codes
    assert route in routes()


def test_troubleshooting_has_the_error_of_each_errcode():
    said = {}
    for errcodes, codes, *_ in table(TROUBLESHOOTING, "errcode", "our code"):
        for errcode in errcodes.split(", "):
            assert int(errcode) not in said, errcode
            said[int(errcode)] = set(spans(codes))

    known = {**vars(client), **vars(authorized_client)}
    apis = [each for each in known.values() if isinstance(each, client.Api)]
    listed = {*client.ERRORS, *(errcode for api in apis for errcode in api.errors)}
    errors = [{**client.ERRORS, **api.errors} for api in apis]
    becomes = {
        errcode: {each.get(errcode, Misconfigured).code for each in errors} for errcode in listed
    }

    assert said == {errcode: becomes.get(errcode, {Misconfigured.code}) for errcode in said}
    assert set(becomes) <= set(said)


def test_troubleshooting_has_the_mini_programs_errors():
    for _, codes, sees, *_ in table(TROUBLESHOOTING, "errcode", "our code"):
        seen = set(spans(sees)) & set(BY_CODE) or set(spans(codes))
        statuses = {str(BY_CODE[code].status) for code in seen}
        assert set(re.findall(r"\b\d{3}\b", sees)) == statuses or sees.startswith("nothing:"), sees


def test_troubleshooting_names_only_codes_that_exist():
    seen = {name for row in table(TROUBLESHOOTING, "what you see") for name in spans(row[0])}
    codes = {name for name in seen if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)}

    assert codes - {"missing_parameter"} <= set(BY_CODE)


def codes_shown(response):
    """Return the codes of a response's failures."""
    content = referred(response).get("content", {}).get("application/json", {})
    shown = [referred(example)["value"] for example in content.get("examples", {}).values()]
    return [each["error"]["code"] for each in shown if each.get("success") is False]
