"""Each API words its errors in its own style."""

import re

import pytest

LOGIN = "/sns/jscode2session"
PLAIN = "/cgi-bin/token"
PHONE = "/wxa/business/getuserphonenumber"
CHECK = "/wxa/checksession"


RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"


@pytest.mark.parametrize(
    ("errcode", "path", "text"),
    [
        (40029, LOGIN, rf"invalid code, rid: {RID}"),
        (40163, LOGIN, rf"code been used, rid: {RID}"),
        (40125, LOGIN, rf"invalid appsecret, rid: {RID}"),
        (40013, LOGIN, rf"invalid appid, rid: {RID}"),
        (41002, LOGIN, rf"appid missing, rid: {RID}"),
        (40226, LOGIN, r"code blocked, hints: \[ req_id: [\w-]{16} \]"),
        (45011, LOGIN, "api minute-quota reach limit, must slower, retry next minute"),
        (-1, PHONE, rf"system error rid: {RID}"),
        (40029, PHONE, rf"invalid code hint: \[[\w-]{{16}}\] rid: {RID}"),
        (42001, PHONE, rf"access_token expired rid: {RID}"),
        (40001, PHONE, rf"invalid credential, access_token is invalid or not latest, .* {RID}"),
        (45009, PLAIN, rf"reach max api daily quota limit, could get access_token .* {RID}"),
        (87009, CHECK, "invalid signature"),
        (99999, LOGIN, rf"simulated error, rid: {RID}"),
    ],
)
def test_each_api_writes_errors_in_its_own_style(wechat, backend, errcode, path, text):
    wechat.fault(path, "errcode", errcode=errcode)

    answer = backend.get(path)

    assert answer["errcode"] == errcode
    assert re.fullmatch(text, answer["errmsg"])


def test_a_request_id_starts_with_the_time(backend, clock):
    rid = backend.login("unknown")["errmsg"].rpartition("rid: ")[2]

    assert int(rid[:8], 16) == int(clock())
