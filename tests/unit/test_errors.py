"""The response of each class of error."""

import datetime as dt
import json

import pytest

from wechat_login import errors
from wechat_login.errors import BadRequest, LoginError, StorageUnavailable, TooManyAttempts

TABLE = [
    (errors.LoginError, 500, "internal"),
    (errors.BadRequest, 400, "bad_request"),
    (errors.SessionRequired, 401, "session_required"),
    (errors.SessionInvalid, 401, "session_invalid"),
    (errors.CodeRejected, 401, "code_rejected"),
    (errors.TokenInvalid, 401, "token_invalid"),
    (errors.SessionMismatch, 403, "session_mismatch"),
    (errors.UserBlocked, 403, "user_blocked"),
    (errors.PhoneTaken, 409, "phone_taken"),
    (errors.LegacyPhoneDisabled, 409, "legacy_phone_disabled"),
    (errors.PayloadTooLarge, 413, "payload_too_large"),
    (errors.TooManyAttempts, 429, "too_many_attempts"),
    (errors.Misconfigured, 500, "misconfigured"),
    (errors.AppSecretRejected, 500, "misconfigured"),
    (errors.SealBroken, 500, "misconfigured"),
    (errors.WeChatUnavailable, 502, "wechat_unavailable"),
    (errors.AccessTokenRejected, 502, "wechat_unavailable"),
    (errors.CheckUnavailable, 502, "wechat_unavailable"),
    (errors.StorageUnavailable, 503, "storage_unavailable"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE)
def test_status_and_code_never_change(error, status, code):
    raised = error()

    assert (raised.status, raised.code) == (status, code)
    assert isinstance(raised, LoginError)


def test_facts_are_for_the_log_and_not_for_the_caller():
    error = StorageUnavailable(operation="get_item")

    assert error.facts == {"operation": "get_item"}
    assert "get_item" not in error.message


@pytest.mark.parametrize(
    ("facts", "read"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"errcode": 40164, "rid": "r-1"}, {"errcode": 40164, "rid": "r-1"}, id="some"),
        pytest.param({"day": dt.date(2026, 11, 20)}, {"day": "2026-11-20"}, id="not JSON's"),
    ],
)
def test_lambda_reports_an_error_by_code_and_facts_as_json(facts, read):
    assert json.loads(str(errors.Misconfigured(**facts))) == {"code": "misconfigured", **read}


def test_a_bad_request_shows_its_reason():
    error = BadRequest("code is missing.", field="code")

    assert error.message == "code is missing."
    assert error.facts == {"field": "code", "reason": "code is missing."}


def test_reasons_of_two_requests_do_not_mix():
    first, second = BadRequest("one"), BadRequest()

    assert first.message == "one"
    assert second.message == BadRequest.message


@pytest.mark.parametrize("error", [TooManyAttempts, StorageUnavailable])
def test_a_throttled_caller_gets_the_time_to_wait(error):
    assert error().retry_after > 0


def test_a_time_to_wait_can_be_given():
    assert TooManyAttempts(retry_after=7).retry_after == 7
    assert TooManyAttempts().retry_after == 60
