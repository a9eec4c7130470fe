"""POST /login: a wx.login code becomes a session, once."""

import json

import pytest

from tests.support import stored
from tests.support.backend import ACCESS_TOKEN

EXCHANGE = "/sns/jscode2session"
JSON = ("Content-Type", "application/json")


def test_a_first_login_makes_one_user_with_one_id_and_one_session(person, items, wechat):
    alice = person("alice")

    answer = alice.log_in()

    ((key, profile),) = stored.profiles(items()).items()
    assert key == f"USER#{wechat.appid}#{alice.openid}"
    assert profile["unionid"] == wechat.unionid("alice")
    assert answer["registered"] is False
    assert len(stored.id_claims(items())) == len(stored.sessions(items())) == 1
    assert stored.contradictions(items()) == []


def test_a_later_login_finds_the_same_user_and_opens_another_session(person, items):
    alice = person("alice")
    first = alice.log_in()
    (profile,) = stored.profiles(items()).values()

    second = alice.log_in()

    (same,) = stored.profiles(items()).values()
    assert same["userId"] == profile["userId"]
    assert second["session"] != first["session"]
    assert len(stored.sessions(items())) == 2


def test_a_registered_user_gets_the_token_with_the_login(person):
    alice = person("alice")
    alice.register()

    answer = alice.log_in()

    assert answer["registered"] is True
    assert answer["token"].count(".") == 2
    assert answer["tokenExpiresIn"] == 7200


def test_a_login_code_works_once(person, items, wechat, call):
    alice = person("alice")
    code = alice.login_code()
    alice.log_in(code)
    before = items()

    status, body = call("login", code=code)

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == before
    assert wechat.calls()["paths"][EXCHANGE]["outcomes"] == {"0": 1, "40163": 1}


@pytest.mark.parametrize("code", ["0" * 32, "A", "_" * 128], ids=["shaped", "short", "longest"])
def test_a_code_wechat_never_gave_is_refused_and_nothing_is_written(call, items, code):
    status, body = call("login", code=code)

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == {}


def test_a_phone_code_is_no_login_code(call, items, person):
    status, body = call("login", code=person("alice").phone_code())

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == {}


def test_a_user_whom_wechat_blocks_is_rejected(call, items, person, wechat):
    wechat.block("mallory")

    status, body = call("login", code=person("mallory").login_code())

    assert (status, body["error"]["code"]) == (403, "user_blocked")
    assert items() == {}


def test_a_unionid_is_added_when_wechat_first_sends_it(person, items, wechat):
    alice = person("alice")
    wechat.unionids = False
    without = alice.log_in()
    wechat.unionids = True

    later = alice.log_in()

    (profile,) = stored.profiles(items()).values()
    assert without["unionid"] is None
    assert later["unionid"] == profile["unionid"] == wechat.unionid("alice")


def test_a_unionid_stays_when_wechat_no_longer_sends_it(person, items, wechat):
    alice = person("alice")
    alice.log_in()
    wechat.unionids = False

    later = alice.log_in()

    (profile,) = stored.profiles(items()).values()
    assert later["unionid"] == profile["unionid"] == wechat.unionid("alice")


def test_the_table_holds_neither_session_nor_code_nor_number_nor_session_key(person, items, wechat):
    alice = person("alice")
    code, phone_code = alice.login_code(), alice.phone_code()
    alice.log_in(code)
    alice.register(phone_code)

    everything = json.dumps([*items().values()])

    secret = alice.session.partition(".")[2]
    key = wechat.person("alice").session_key.text
    for hidden in (secret, code, phone_code, key, wechat.app_secret, alice.phone, alice.phone[3:]):
        assert hidden not in everything


def test_login_asks_wechat_once_and_never_for_an_access_token(person, wechat):
    person("alice").log_in()

    assert {path: of["count"] for path, of in wechat.calls()["paths"].items() if of["count"]} == {
        EXCHANGE: 1
    }


def test_login_works_while_no_access_token_can_be_had(person, wechat, backend):
    wechat.fault("/cgi-bin/stable_token", "errcode", 1000, errcode=-1)

    answer = person("alice").log_in()

    assert answer["openid"] == wechat.openid("alice")
    assert backend.parameter(ACCESS_TOKEN) is None
    assert wechat.asked("/cgi-bin/stable_token") == 0


def test_a_wrong_app_secret_is_the_operators_affair(call, items, person, wechat):
    wechat.rotate_app_secret("f" * 32)

    status, body = call("login", code=person("alice").login_code())

    assert (status, body["error"]["code"]) == (500, "misconfigured")
    assert "secret" not in json.dumps(body).lower()
    assert items() == {}


def test_a_mock_code_of_the_developer_tools_is_reported(call, wechat):
    status, body = call("login", code="the code is a mock one")

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert "AppID" in body["error"]["message"]
    assert wechat.asked(EXCHANGE) == 0


BAD_BODIES = [
    pytest.param(b"", [JSON], 400, id="no body"),
    pytest.param(b"", [], 400, id="neither body nor type"),
    pytest.param(b"{", [JSON], 400, id="half an object"),
    pytest.param(b"code=1", [JSON], 400, id="a form called JSON"),
    pytest.param(b'{"code": "0a1b"}', [("Content-Type", "text/plain")], 400, id="text"),
    pytest.param(b'{"code": "0a1b"}', [("Content-Type", "text/json")], 400, id="text/json"),
    pytest.param(b'{"code": "0a1b"}', [("Content-Type", "application/x")], 400, id="other type"),
    pytest.param(b'{"code": "0a1b"}', [], 400, id="no type"),
    pytest.param(b"[]", [JSON], 400, id="array"),
    pytest.param(b'["code"]', [JSON], 400, id="array of one"),
    pytest.param(b"null", [JSON], 400, id="null"),
    pytest.param(b'"code"', [JSON], 400, id="text instead of an object"),
    pytest.param(b"17", [JSON], 400, id="number instead of an object"),
    pytest.param(b"{}", [JSON], 400, id="empty object"),
    pytest.param(b'{"code": ""}', [JSON], 400, id="empty code"),
    pytest.param(b'{"code": null}', [JSON], 400, id="code null"),
    pytest.param(b'{"code": 12345678}', [JSON], 400, id="code a number"),
    pytest.param(b'{"code": true}', [JSON], 400, id="code true"),
    pytest.param(b'{"code": ["a"]}', [JSON], 400, id="code an array"),
    pytest.param(b'{"code": {"a": 1}}', [JSON], 400, id="code an object"),
    pytest.param(b'{"Code": "0a1b"}', [JSON], 400, id="code in other letters"),
    pytest.param(b'{"code": "' + b"a" * 129 + b'"}', [JSON], 400, id="code too long"),
    pytest.param(b'{"code": "a b"}', [JSON], 400, id="code with a blank"),
    pytest.param(b'{"code": "a&secret=b"}', [JSON], 400, id="code that would change the query"),
    pytest.param(b'{"code": "../token"}', [JSON], 400, id="code that would change the path"),
    pytest.param('{"code": "微信"}'.encode(), [JSON], 400, id="code in Chinese"),
    pytest.param(b'{"code": "a\\n"}', [JSON], 400, id="code with a line's end"),
    pytest.param(b'{"code": "a\\u0000"}', [JSON], 400, id="code with a null character"),
    pytest.param(b'{"code": "\\ud800"}', [JSON], 400, id="lone surrogate"),
    pytest.param(b'{"code": "a", "x": "\\udfff"}', [JSON], 400, id="lone surrogate elsewhere"),
    pytest.param(b'{"\\ud800": "a", "code": "a"}', [JSON], 400, id="lone surrogate as a name"),
    pytest.param(b'{"code": "\xff\xfe"}', [JSON], 400, id="not UTF-8"),
    pytest.param(b"[" * 8000, [JSON], 400, id="deep arrays, open"),
    pytest.param(b"[" * 8000 + b"]" * 8000, [JSON], 400, id="deep arrays"),
    pytest.param(b'{"a":' * 2700 + b"1" + b"}" * 2700, [JSON], 400, id="deep objects"),
    pytest.param(b'{"code": ' + b"9" * 5000 + b"}", [JSON], 400, id="endless number"),
    pytest.param(b'{"code": "a", "x": ' + b"9" * 5000 + b"}", [JSON], 400, id="another number"),
    pytest.param(b'{"code": "' + b"a" * 16384 + b'"}', [JSON], 413, id="over 16 KB"),
    pytest.param(b" " * 1_000_000, [JSON], 413, id="a megabyte of blanks"),
    pytest.param(b"\xff" * 20_000, [JSON], 413, id="over 16 KB and no text"),
]


@pytest.mark.parametrize(("body", "headers", "status"), BAD_BODIES)
def test_a_body_that_is_none_is_refused_before_wechat_is_asked(
    backend, wechat, body, headers, status
):
    answer = backend.send("POST", "/login", body, headers)

    assert answer.status == status
    assert answer.body["error"]["code"] == {400: "bad_request", 413: "payload_too_large"}[status]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert wechat.asked(EXCHANGE) == 0
    assert backend.items() == {}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("content-type", "application/json")], id="lower case"),
        pytest.param([("CONTENT-TYPE", "APPLICATION/JSON")], id="upper case"),
        pytest.param([("Content-Type", "application/json; charset=utf-8")], id="with charset"),
        pytest.param([JSON, ("X-Twice", "1"), ("X-Twice", "2")], id="a header twice"),
        pytest.param([JSON, ("Authorization", "Bearer nonsense")], id="a session nobody needs"),
        pytest.param([JSON, ("Cookie", "a=b"), ("Cookie", "c=d")], id="cookies"),
    ],
)
def test_headers_that_do_not_matter_do_not_matter(backend, person, headers):
    body = json.dumps({"code": person("alice").login_code()}).encode()

    answer = backend.send("POST", "/login", body, headers)

    assert answer.status == 200
    assert answer.body["success"] is True


def test_unknown_fields_are_ignored(call, person):
    code = person("alice").login_code()

    status, _ = call("login", code=code, nickName="alice", deep={"a": [1, None]}, 额外="x")

    assert status == 200


def test_answers_are_never_kept_by_a_cache(backend, person):
    body = json.dumps({"code": person("alice").login_code()}).encode()

    answer = backend.send("POST", "/login", body, [JSON])

    assert answer.headers["cache-control"] == "no-store"
