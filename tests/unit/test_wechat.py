"""The client of WeChat's API: the result of each answer, and errors without secrets."""

import contextlib
import gzip
import itertools
import json
import logging
import socket
import threading
import time
import traceback
import tracemalloc
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.support.clock import Clock
from wechat_login import budget, errors
from wechat_login.errors import LoginError, Misconfigured, WeChatUnavailable
from wechat_login.wechat.authorized_client import AuthorizedClient
from wechat_login.wechat.client import Identity, NewAccessToken, WeChatClient
from wechat_login.wechat.transport import LARGEST_ANSWER, Transport

APPID, SECRET, CODE = "wx1234567890abcdef", "5ecre7" * 5, "c0de" * 8
TOKEN, OPENID = "92_t0ken" * 8, "oI7xAlice012345678901234567A"
PHONE = {
    "phoneNumber": "13800138000",
    "purePhoneNumber": "13800138000",
    "countryCode": "86",
    "watermark": {"timestamp": 1637744274, "appid": APPID},
}


class Upstream:
    """A server on the loopback address that answers each request with the next of its bodies."""

    def __init__(self):
        self.requests = []
        self.answers = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, *bodies):
        self.answers += [
            body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies
        ]

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_read(connection))
                body = self.answers.pop(0)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}"
                connection.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)


def _read(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    wanted = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < wanted:
        body += connection.recv(65536)
    return head.decode(), body.decode()


@pytest.fixture
def upstream():
    server = Upstream()
    yield server
    server.close()


class Seconds:
    """Time that passes only while somebody sleeps."""

    def __init__(self, left=20.0):
        self.left = left

    def sleep(self, seconds):
        self.left -= seconds


def client_of(url, observed=None, seconds=None, **changes):
    seconds = seconds or Seconds()
    return WeChatClient(
        **{
            "transport": Transport(url, now=changes.pop("now", time.time)),
            "appid": APPID,
            "app_secret": lambda: SECRET,
            "renewed_app_secret": lambda: SECRET,
            "connect_timeout": 2,
            "read_timeout": 5,
            "reserve": budget.AFTER_WECHAT,
            "time_left": lambda: seconds.left,
            "observe": lambda *what: (observed if observed is not None else []).append(what),
            "sleep": seconds.sleep,
            **changes,
        }
    )


class Granted:
    """An access token that holds."""

    def call(self, call):
        return call(TOKEN)


def authorized_of(client):
    granted: Any = Granted()
    return AuthorizedClient(
        client,
        granted,
        phone_reserve=budget.AFTER_PHONE_NUMBER,
        risk_reserve=budget.AFTER_RISK_RANK,
    )


@pytest.fixture
def client(upstream):
    return client_of(upstream.url)


@pytest.fixture
def authorized(client):
    return authorized_of(client)


# Row by row from the official pages and the error list they link to:
# https://developers.weixin.qq.com/doc/oplatform/developers/errCode/
LOGIN_ERRORS = [
    (-1, errors.WeChatUnavailable),
    (40001, errors.AppSecretRejected),
    (40002, errors.Misconfigured),
    (40003, errors.BadRequest),
    (40013, errors.Misconfigured),
    (40014, errors.AccessTokenRejected),
    (40029, errors.CodeRejected),
    (40097, errors.Misconfigured),
    (40125, errors.AppSecretRejected),
    (40129, errors.Misconfigured),
    (40163, errors.CodeRejected),
    (40164, errors.Misconfigured),
    (40226, errors.UserBlocked),
    (40230, errors.Misconfigured),
    (40240, errors.Misconfigured),
    (40243, errors.Misconfigured),
    (41001, errors.Misconfigured),
    (41002, errors.Misconfigured),
    (41004, errors.Misconfigured),
    (41008, errors.BadRequest),
    (42001, errors.AccessTokenRejected),
    (43001, errors.Misconfigured),
    (43002, errors.Misconfigured),
    (43003, errors.Misconfigured),
    (43104, errors.Misconfigured),
    (44002, errors.Misconfigured),
    (44991, errors.TooManyAttempts),
    (45009, errors.Misconfigured),
    (45011, errors.TooManyAttempts),
    (45035, errors.Misconfigured),
    (47001, errors.Misconfigured),
    (48001, errors.Misconfigured),
    (48004, errors.Misconfigured),
    (48006, errors.Misconfigured),
    (48017, errors.Misconfigured),
    (50002, errors.Misconfigured),
    (50004, errors.Misconfigured),
    (50007, errors.Misconfigured),
    (61003, errors.Misconfigured),
    (61004, errors.Misconfigured),
    (61007, errors.Misconfigured),
    (61010, errors.CheckUnavailable),
    (61024, errors.Misconfigured),
    (61080, errors.CheckUnavailable),
    (61081, errors.CheckUnavailable),
    (61451, errors.Misconfigured),
    (87007, errors.CodeRejected),
    (87008, errors.Misconfigured),
    (87009, errors.CodeRejected),
    (87014, errors.BadRequest),
    (89002, errors.Misconfigured),
    (89501, errors.Misconfigured),
    (89503, errors.Misconfigured),
    (89506, errors.Misconfigured),
    (89507, errors.Misconfigured),
    (9410009, errors.Misconfigured),
    (12345, errors.Misconfigured),
]


@pytest.mark.parametrize(("errcode", "error"), LOGIN_ERRORS)
def test_an_errcode_of_login_means(upstream, client, errcode, error):
    upstream.say(*[{"errcode": errcode, "errmsg": "…"}] * 3)

    with pytest.raises(LoginError) as raised:
        client.jscode2session(CODE)

    assert type(raised.value) is error
    assert raised.value.facts["errcode"] == errcode


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (-1, errors.WeChatUnavailable),
        (40001, errors.AccessTokenRejected),
        (40013, errors.CodeRejected),
        (40014, errors.AccessTokenRejected),
        (40029, errors.CodeRejected),
        (41001, errors.Misconfigured),
        (42001, errors.AccessTokenRejected),
        (44002, errors.Misconfigured),
        (45011, errors.TooManyAttempts),
        (47001, errors.Misconfigured),
        (48001, errors.Misconfigured),
    ],
)
def test_an_errcode_of_the_phone_number_means(upstream, authorized, errcode, error):
    upstream.say(*[{"errcode": errcode, "errmsg": "…"}] * 3)

    with pytest.raises(LoginError) as raised:
        authorized.getuserphonenumber(CODE, OPENID)

    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (-1, errors.WeChatUnavailable),
        (40001, errors.AppSecretRejected),
        (40002, errors.Misconfigured),
        (40013, errors.Misconfigured),
        (40125, errors.AppSecretRejected),
        (40164, errors.Misconfigured),
        (40243, errors.Misconfigured),
        (41002, errors.Misconfigured),
        (43002, errors.Misconfigured),
        (45009, errors.Misconfigured),
        (45011, errors.TooManyAttempts),
        (89503, errors.Misconfigured),
        (89507, errors.Misconfigured),
    ],
)
def test_an_errcode_of_the_access_token_means(upstream, client, errcode, error):
    upstream.say(*[{"errcode": errcode, "errmsg": "…"}] * 3)

    with pytest.raises(LoginError) as raised:
        client.stable_token()

    assert type(raised.value) is error


@pytest.mark.parametrize("errcode", [40029, "40029", " 40029", 40029.0])
def test_an_errcode_is_a_number_however_it_is_written(upstream, client, errcode):
    upstream.say({"errcode": errcode, "errmsg": "invalid code"})

    with pytest.raises(errors.CodeRejected):
        client.jscode2session(CODE)


@pytest.mark.parametrize(
    ("errmsg", "rid"),
    [
        ("invalid code, rid: 66c69111-4157f271-729ca238", "66c69111-4157f271-729ca238"),
        ("system error rid: 62fc600e-2a276b1a-3991fa3f", "62fc600e-2a276b1a-3991fa3f"),
        ("code blocked, hints: [ req_id: qEjdmsNre-EYNDhA ]", "qEjdmsNre-EYNDhA"),
        (
            "invalid code hint: [WiEBWV0sf-Te2URA] rid: 66165fe0-612cb3df-20194ddf",
            "66165fe0-612cb3df-20194ddf",
        ),
        ("api minute-quota reach limit, must slower, retry next minute", None),
        (None, None),
        (17, None),
    ],
)
def test_wechats_request_id_goes_to_the_facts(upstream, client, errmsg, rid):
    upstream.say({"errcode": 40013, "errmsg": errmsg})

    with pytest.raises(Misconfigured) as raised:
        client.jscode2session(CODE)

    assert raised.value.facts.get("rid") == rid


def test_an_address_that_is_not_whitelisted_is_named_to_the_operator(upstream, client):
    errmsg = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist, rid: 6622-63-3e"
    upstream.say({"errcode": 40164, "errmsg": errmsg})

    with pytest.raises(Misconfigured) as raised:
        client.jscode2session(CODE)

    assert raised.value.facts["refused_ip"] == "203.0.113.7"
    assert "203.0.113.7" not in raised.value.message


@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        pytest.param(
            {"session_key": "a2V5", "openid": OPENID, "unionid": "oU"},
            Identity(APPID, OPENID, "oU", "a2V5"),
            id="all",
        ),
        pytest.param(
            {"session_key": "a2V5", "openid": OPENID},
            Identity(APPID, OPENID, None, "a2V5"),
            id="no unionid",
        ),
        pytest.param(
            {"openid": OPENID, "unionid": ""}, Identity(APPID, OPENID), id="empty unionid"
        ),
        pytest.param(
            {"errcode": 0, "errmsg": "ok", "openid": OPENID},
            Identity(APPID, OPENID),
            id="errcode 0",
        ),
        pytest.param(
            {"errcode": None, "openid": OPENID}, Identity(APPID, OPENID), id="errcode null"
        ),
    ],
)
def test_a_login_answer_is_read(upstream, client, answer, identity):
    upstream.say(answer)

    assert asdict(client.jscode2session(CODE)) == asdict(identity)


def test_login_asks_with_get_and_everything_in_the_query(upstream, client):
    upstream.say({"openid": OPENID})

    client.jscode2session(CODE)

    ((head, body),) = upstream.requests
    query = f"appid={APPID}&secret={SECRET}&js_code={CODE}&grant_type=authorization_code"
    assert head.splitlines()[0] == f"GET /sns/jscode2session?{query} HTTP/1.1"
    assert body == ""


def test_the_phone_number_is_asked_with_the_openid(upstream, authorized):
    upstream.say({"errcode": 0, "errmsg": "ok", "phone_info": PHONE})

    number = authorized.getuserphonenumber(CODE, OPENID)

    ((head, body),) = upstream.requests
    path = f"/wxa/business/getuserphonenumber?access_token={TOKEN}"
    assert head.splitlines()[0] == f"POST {path} HTTP/1.1"
    assert json.loads(body) == {"code": CODE, "openid": OPENID}
    assert number.e164 == "+8613800138000"


@pytest.mark.parametrize("force", [False, True])
def test_the_access_token_is_the_stable_one(upstream, client, force):
    upstream.say({"access_token": TOKEN, "expires_in": 345})

    token = client.stable_token(force_refresh=force)

    ((head, body),) = upstream.requests
    assert head.splitlines()[0] == "POST /cgi-bin/stable_token HTTP/1.1"
    assert json.loads(body) == {
        "grant_type": "client_credential",
        "appid": APPID,
        "secret": SECRET,
        "force_refresh": force,
    }
    assert asdict(token) == asdict(NewAccessToken(TOKEN, 345))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": TOKEN},
        {"expires_in": 7200},
        {"access_token": None, "expires_in": 7200},
        {"access_token": "", "expires_in": 7200},
        {"access_token": TOKEN, "expires_in": None},
        {"access_token": TOKEN, "expires_in": "soon"},
        {"access_token": TOKEN, "expires_in": []},
        b'{"access_token": "92_t", "expires_in": 1e999}',
    ],
    ids=str,
)
def test_an_answer_without_an_access_token_is_rejected(upstream, client, answer):
    upstream.say(answer)

    with pytest.raises(WeChatUnavailable):
        client.stable_token()


@pytest.mark.parametrize(
    ("phone", "error"),
    [
        pytest.param(None, errors.WeChatUnavailable, id="null"),
        pytest.param([], errors.WeChatUnavailable, id="array"),
        pytest.param({}, errors.CodeRejected, id="empty"),
        pytest.param({**PHONE, "watermark": None}, errors.CodeRejected, id="no watermark"),
        pytest.param(
            {**PHONE, "watermark": {"appid": "wxother"}}, errors.CodeRejected, id="other app"
        ),
        pytest.param({**PHONE, "purePhoneNumber": "1 2"}, errors.BadRequest, id="no number"),
        pytest.param({**PHONE, "countryCode": None}, errors.BadRequest, id="no country code"),
    ],
)
def test_phone_data_of_another_app_is_rejected(upstream, authorized, phone, error):
    upstream.say({"errcode": 0, "errmsg": "ok", "phone_info": phone})

    with pytest.raises(LoginError) as raised:
        authorized.getuserphonenumber(CODE, OPENID)

    assert type(raised.value) is error


@pytest.mark.parametrize(
    "unionid", [7, True, ["oU"], {"a": 1}, "o U", "oU#PROFILE", "\ud800", "o" * 300_000]
)
def test_an_invalid_unionid_logs_nobody_in(upstream, client, unionid):
    upstream.say({"openid": OPENID, "unionid": unionid})

    with pytest.raises(WeChatUnavailable) as raised:
        client.jscode2session(CODE)

    assert raised.value.facts["why"] == "no unionid"


@pytest.mark.parametrize("session_key", [7, ["k"], "", "k\x01", "\ud800", "k" * 300_000])
def test_an_invalid_session_key_is_not_kept(upstream, client, session_key):
    upstream.say({"openid": OPENID, "session_key": session_key})

    assert asdict(client.jscode2session(CODE)) == asdict(Identity(APPID, OPENID))


def test_busy_is_asked_once_more_and_then_believed(upstream, client):
    upstream.say({"errcode": -1, "errmsg": "system error"}, {"openid": OPENID})

    assert client.jscode2session(CODE).openid == OPENID
    assert len(upstream.requests) == 2


def test_without_time_nobody_is_asked(upstream):
    client = client_of(upstream.url, seconds=Seconds(2.0))

    with pytest.raises(WeChatUnavailable) as raised:
        client.jscode2session(CODE)

    assert raised.value.facts["why"] == "no time left"
    assert upstream.requests == []


def test_no_phone_code_is_spent_without_time_to_store_the_number(upstream):
    client = client_of(upstream.url, seconds=Seconds(budget.DYNAMODB_CALL + 2.5))
    upstream.say({"openid": OPENID})

    assert client.jscode2session(CODE).openid == OPENID
    with pytest.raises(WeChatUnavailable) as raised:
        authorized_of(client).getuserphonenumber(CODE, OPENID)

    assert raised.value.facts["why"] == "no time left"
    assert len(upstream.requests) == 1


def test_each_try_is_observed_without_its_secrets(upstream):
    observed: list[tuple[Any, ...]] = []
    client = client_of(upstream.url, observed)
    upstream.say({"errcode": -1}, {"errcode": 40029})

    with pytest.raises(errors.CodeRejected):
        client.jscode2session(CODE)

    assert [(path, said) for path, said, _ in observed] == [
        ("/sns/jscode2session", -1),
        ("/sns/jscode2session", 40029),
    ]
    assert all(ms >= 0 for *_, ms in observed)


def test_a_secret_that_was_rotated_is_read_again_once(upstream):
    secrets = {"app_secret": lambda: "old", "renewed_app_secret": lambda: "new"}
    client = client_of(upstream.url, **secrets)
    upstream.say({"errcode": 40125}, {"openid": OPENID})

    client.jscode2session(CODE)

    assert "secret=old" in upstream.requests[0][0]
    assert "secret=new" in upstream.requests[1][0]


def test_a_secret_that_is_simply_wrong_is_not_tried_again(upstream, client):
    upstream.say({"errcode": 40125})

    with pytest.raises(errors.AppSecretRejected):
        client.jscode2session(CODE)

    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://api.weixin.qq.com",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://127.0.0.1@evil.example",
        "https://api.weixin.qq.com/elsewhere",
        "https://user@api.weixin.qq.com",
        "https://api.weixin.qq.com\n",
        "ftp://127.0.0.1",
        "api.weixin.qq.com",
        "",
    ],
)
def test_a_secret_is_not_sent_in_clear_over_a_network(url):
    with pytest.raises(Misconfigured):
        client_of(url)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    some.one_of(
        some.binary(max_size=200),
        some.recursive(
            some.none() | some.booleans() | some.floats() | some.integers() | some.text(),
            lambda inner: (
                some.lists(inner)
                | some.dictionaries(
                    some.sampled_from(
                        ["errcode", "errmsg", "openid", "unionid", "session_key", "x"]
                    ),
                    inner,
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_any_answer_of_wechat_gives_an_identity_or_an_error_of_ours(upstream, client, said):
    upstream.answers.clear()
    upstream.say(*[said if isinstance(said, bytes) else json.dumps(said).encode()] * 3)

    try:
        identity = client.jscode2session(CODE)
    except LoginError:
        return

    assert isinstance(identity.openid, str)


def everything_about(error):
    """Return all text of an exception that a log, a debugger or a crash report could show."""
    shown = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(vars(error))]
    link, seen = error, []
    while link is not None and link not in seen:
        seen.append(link)
        shown += [repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


CALLS = [
    pytest.param(lambda client: client.jscode2session(CODE), id="login"),
    pytest.param(lambda client: authorized_of(client).getuserphonenumber(CODE, OPENID), id="phone"),
    pytest.param(lambda client: client.stable_token(), id="token"),
]
ANSWERS = [
    pytest.param(
        json.dumps({"errcode": 40029, "errmsg": f"{CODE} {SECRET}"}).encode(), id="errcode"
    ),
    pytest.param(f'{{"session_key": "{SECRET}", "openid": ""}}'.encode(), id="no openid"),
    pytest.param(f'{{"access_token": "{TOKEN}"'.encode(), id="half a body"),
    pytest.param(json.dumps({"phone_info": {**PHONE, "countryCode": "x"}}).encode(), id="number"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_error_shows_no_secret_in_any_form(upstream, client, call, answer):
    upstream.say(*[answer] * 3)

    with pytest.raises(LoginError) as raised:
        call(client)

    shown = everything_about(raised.value)
    for secret in (SECRET, CODE, TOKEN, "13800138000", upstream.url):
        assert secret not in shown


@pytest.mark.parametrize("call", CALLS)
def test_a_failed_connection_shows_no_address(call):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    client = client_of(url)

    with pytest.raises(WeChatUnavailable) as raised:
        call(client)

    shown = everything_about(raised.value)
    for secret in (SECRET, CODE, TOKEN, url):
        assert secret not in shown
    assert raised.value.__context__ is raised.value.__cause__ is None


def test_reprs_of_the_clients_answers_show_no_secrets(upstream, client):
    upstream.say(
        {"openid": OPENID, "session_key": "a2V5"}, {"access_token": TOKEN, "expires_in": 1}
    )

    shown = f"{client.jscode2session(CODE)!r} {client.stable_token()!r} {client!r}"

    assert "a2V5" not in shown
    assert TOKEN not in shown
    assert SECRET not in shown


def test_the_environments_proxy_is_not_asked(upstream, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    upstream.say({"openid": OPENID})

    assert client_of(upstream.url).jscode2session(CODE).openid == OPENID


def test_chinese_is_sent_as_it_is_because_wechat_counts_characters(upstream, authorized):
    upstream.say({"errcode": 0, "result": {"suggest": "pass"}})

    authorized.msg_sec_check(OPENID, "微信")

    assert "微信" in upstream.requests[0][1]


@contextlib.contextmanager
def serving(answer):
    """Serve each connection by `answer(connection, request)`; return the URL and the requests."""
    received, listener = [], socket.create_server(("127.0.0.1", 0))
    numbers = itertools.count()

    def converse(connection):
        number = next(numbers)
        with connection, contextlib.suppress(OSError):
            while request := connection.recv(65536):
                received.append((number, request))
                answer(connection, request)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=converse, args=[connection], daemon=True).start()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    server.join(5)


def whole(body, *headers):
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def dripping(answer):
    """Send an answer a byte at a time, each well within any timeout between bytes."""

    def drip(connection, _):
        for at in range(len(answer)):
            connection.sendall(answer[at : at + 1])
            time.sleep(0.05)

    return drip


IDENTITY = json.dumps({"openid": OPENID}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(b" " * 1000 + IDENTITY), id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000 + b"\r\n\r\n", id="headers"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 200,
            id="chunks",
        ),
    ],
)
def test_a_whole_answer_has_to_come_within_the_timeout(answer):
    with serving(dripping(answer)) as (url, received):
        client = client_of(url, read_timeout=0.4)

        began = time.monotonic()
        with pytest.raises(WeChatUnavailable) as raised:
            client.jscode2session(CODE)

        assert time.monotonic() - began < 5
        assert raised.value.facts["why"] == "ReadTimeout"
        assert len(received) == 1


def test_a_slow_answer_within_the_timeout_is_taken():
    with serving(dripping(whole(IDENTITY))) as (url, _):
        assert client_of(url, read_timeout=30).jscode2session(CODE).openid == OPENID


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(b" " * LARGEST_ANSWER + IDENTITY), id="plain"),
        pytest.param(
            whole(gzip.compress(b" " * 50_000_000 + IDENTITY), "Content-Encoding: gzip"),
            id="compressed",
        ),
    ],
)
def test_an_answer_larger_than_a_megabyte_is_not_read(answer):
    with serving(lambda connection, _: connection.sendall(answer)) as (url, received):
        client = client_of(url)
        tracemalloc.start()
        with pytest.raises(WeChatUnavailable) as raised:
            client.jscode2session(CODE)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert most < 10 * LARGEST_ANSWER
        assert raised.value.facts["why"] == "too large"
        assert len(received) == 1


def test_a_compressed_answer_is_read():
    answer = whole(gzip.compress(IDENTITY), "Content-Encoding: gzip")
    with serving(lambda connection, _: connection.sendall(answer)) as (url, _):
        assert client_of(url).jscode2session(CODE).openid == OPENID


def test_one_connection_serves_many_calls_and_each_has_its_own_deadline():
    with serving(lambda connection, _: connection.sendall(whole(IDENTITY))) as (url, received):
        client = client_of(url, read_timeout=0.5)
        for _ in range(3):
            client.jscode2session(CODE)
            time.sleep(0.3)

        assert len(received) == 3
        assert len({connection for connection, _ in received}) == 1


def test_a_connection_that_idled_for_long_is_not_trusted_with_a_code():
    def once(connection, _):
        # As behind a NAT that dropped the connection: no FIN came, and nobody answers.
        if connection not in answered:
            answered.append(connection)
            connection.sendall(whole(IDENTITY))

    answered, clock = [], Clock()
    with serving(once) as (url, received):
        client = client_of(url, now=clock, read_timeout=1)
        client.jscode2session("first")
        clock.now += 60
        client.jscode2session("second")

        first, second = (connection for connection, _ in received)
        assert first != second


def silent(connection, _):
    """Take the request and hang up."""
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("force", "times"), [(False, 3), (True, 1)])
def test_a_forced_refresh_that_may_have_arrived_is_not_sent_again(force, times):
    with serving(silent) as (url, received):
        with pytest.raises(WeChatUnavailable):
            client_of(url).stable_token(force_refresh=force)

        # Each request has its own connection; its head and body may arrive apart.
        assert len({connection for connection, _ in received}) == times


def test_at_debug_no_address_with_a_secret_is_logged(upstream, caplog):
    upstream.say({"openid": OPENID})
    with caplog.at_level(logging.DEBUG):
        client_of(upstream.url).jscode2session(CODE)

    assert SECRET not in caplog.text
