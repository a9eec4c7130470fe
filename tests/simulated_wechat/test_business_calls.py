"""The rules of all calls with an access token."""

import pytest

PHONE = "/wxa/business/getuserphonenumber"
ENCRYPTED = "/wxa/business/checkencryptedmsg"
CHECK = "/wxa/checksession"
RESET = "/wxa/resetusersessionkey"
RISK = "/wxa/getuserriskrank"
CONTENT = "/wxa/msg_sec_check"


@pytest.mark.parametrize("path", [PHONE, ENCRYPTED, RISK, CONTENT])
def test_no_business_call_goes_without_a_token(backend, path):
    assert backend.post(path, {})["errcode"] == 41001
    assert backend.get(path)["errcode"] == 43002


@pytest.mark.parametrize("path", [CHECK, RESET])
def test_session_calls_go_by_get_and_with_a_token(backend, path):
    assert backend.get(path)["errcode"] == 41001
    assert backend.post(path, {})["errcode"] == 43001


@pytest.mark.parametrize(
    ("token", "errcode"),
    [
        pytest.param("nonsense", 40014, id="malformed"),
        pytest.param("92_" + "a" * 134, 40001, id="never issued"),
    ],
)
def test_a_foreign_token_is_refused(backend, token, errcode):
    assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == errcode


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        pytest.param(b"", 44002, id="empty"),
        pytest.param(b"{", 47001, id="no JSON"),
        pytest.param(b"[]", 47001, id="no object"),
        pytest.param(b'"\xff"', 47001, id="no UTF-8"),
        pytest.param(b"[" * 100_000, 47001, id="too deep"),
        pytest.param(b"{}", 47001, id="no code"),
        pytest.param(b'{"code": 5}', 47001, id="a code that is no string"),
    ],
)
def test_the_body_must_be_an_object_with_what_is_needed(backend, body, errcode):
    token = backend.stable()["access_token"]

    assert backend.post(PHONE, body, access_token=token)["errcode"] == errcode


def test_an_unknown_path_is_an_invalid_url(backend):
    assert backend.get("/cgi-bin/nothing")["errcode"] == 40066
