"""A slow or broken WeChat: a code is never sent twice, and callers get a timely error."""

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from local.http_server import free_port
from simulated_wechat.quotas import Quota
from tests.support import stored
from tests.support.fault_proxy import eventually

LOGIN = "/sns/jscode2session"
PHONE = "/wxa/business/getuserphonenumber"
STABLE = "/cgi-bin/stable_token"

# Lambda ends a function after 20 seconds (template.yaml), API Gateway times out after 30.
WELL_INSIDE = 12

# After each of these the code may have reached WeChat.
MAY_HAVE_ARRIVED = [
    pytest.param({"kind": "status", "status": 500}, id="500"),
    pytest.param({"kind": "status", "status": 503}, id="503"),
    pytest.param({"kind": "status", "status": 404}, id="404"),
    pytest.param({"kind": "status", "status": 302}, id="redirect"),
    pytest.param({"kind": "status", "status": 204}, id="204"),
    pytest.param({"kind": "drop", "when": "before"}, id="dropped before acting"),
    pytest.param({"kind": "drop", "when": "after"}, id="dropped after acting"),
    pytest.param({"kind": "garbage", "when": "before"}, id="garbage before acting"),
    pytest.param({"kind": "garbage", "when": "after"}, id="garbage after acting"),
]


@pytest.fixture
def items(backend):
    """Read the data of people, without attempts, which count even if they fail."""
    return lambda: stored.without_counters(backend.items())


@pytest.mark.parametrize("fault", MAY_HAVE_ARRIVED)
def test_a_login_code_that_may_have_arrived_is_not_sent_again(call, person, items, wechat, fault):
    wechat.fault(LOGIN, times=10, **fault)

    status, body = call("login", code=person("alice").login_code())

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(LOGIN) == 1
    assert items() == {}


@pytest.mark.parametrize("fault", MAY_HAVE_ARRIVED)
def test_a_phone_code_that_may_have_arrived_is_not_sent_again(person, items, wechat, fault):
    alice = person("alice")
    alice.log_in()
    before = items()
    wechat.fault(PHONE, times=10, **fault)

    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(PHONE) == 1
    assert items() == before


@pytest.mark.parametrize("fault", MAY_HAVE_ARRIVED)
def test_the_access_token_is_asked_for_again(person, wechat, fault):
    alice = person("alice")
    alice.log_in()
    wechat.fault(STABLE, times=1, **fault)

    status, _ = alice.tap()

    assert status == 200
    assert wechat.asked(STABLE) == 2
    assert wechat.asked(PHONE) == 1


@pytest.mark.parametrize("fault", MAY_HAVE_ARRIVED)
def test_a_failure_that_stays_ends_in_an_answer(person, wechat, fault):
    alice = person("alice")
    alice.log_in()
    wechat.fault(STABLE, times=100, **fault)

    began = time.monotonic()
    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(STABLE) == 3
    assert wechat.asked(PHONE) == 0
    assert time.monotonic() - began < WELL_INSIDE


@pytest.mark.parametrize("path", [LOGIN, PHONE, STABLE])
def test_busy_once_is_asked_once_more(person, wechat, path):
    wechat.fault(path, "errcode", 1, errcode=-1)
    alice = person("alice")

    alice.log_in()
    status, body = alice.tap()

    assert (status, body["data"].count(".")) == (200, 2)
    once = {LOGIN: 1, PHONE: 1, STABLE: 1}
    assert {each: wechat.asked(each) for each in once} == {**once, path: 2}


@pytest.mark.parametrize("path", [LOGIN, PHONE])
def test_busy_twice_is_not_asked_a_third_time(call, person, items, wechat, path):
    alice = person("alice")
    alice.log_in()
    asked, before = wechat.asked(path), items()
    wechat.fault(path, "errcode", 10, errcode=-1)

    status, body = call("login", code=alice.login_code()) if path == LOGIN else alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(path) == asked + 2
    assert items() == before


@pytest.mark.parametrize("errcode", [45011, 44991])
def test_wechats_own_limit_is_passed_on_with_a_time_to_wait(backend, person, wechat, errcode):
    wechat.fault(LOGIN, "errcode", errcode=errcode)
    body = f'{{"code": "{person("alice").login_code()}"}}'.encode()

    answer = backend.send("POST", "/login", body, [("Content-Type", "application/json")])

    assert (answer.status, answer.body["error"]["code"]) == (429, "too_many_attempts")
    assert int(answer.headers["retry-after"]) > 0
    assert wechat.asked(LOGIN) == 1


def test_a_user_who_logs_in_too_often_has_to_wait_and_others_do_not(call, person, wechat):
    wechat.quotas = {**wechat.quotas, LOGIN: (Quota(2, lambda _: "this minute", 45011),)}
    alice = person("alice")

    answers = [call("login", code=alice.login_code()) for _ in range(3)]

    assert [status for status, _ in answers] == [200, 200, 429]
    assert person("bob").log_in()["openid"] == wechat.openid("bob")


# For a phone code, 40013 means another mini program's code, which is the caller's fault.
@pytest.mark.parametrize(
    ("path", "errcode"),
    [
        (path, errcode)
        for path in (LOGIN, PHONE, STABLE)
        for errcode in (40013, 40164, 45009, 48001, 12345)
        if (path, errcode) != (PHONE, 40013)
    ],
)
def test_a_fault_for_the_operator_shows_no_details_to_the_caller(
    backend, items, wechat, path, errcode
):
    alice = backend.person("alice")
    alice.log_in()
    before = items()
    wechat.fault(path, "errcode", errcode=errcode)

    status, body = backend.call("login", code=alice.login_code()) if path == LOGIN else alice.tap()

    assert (status, body["error"]["code"]) == (500, "misconfigured")
    assert str(errcode) not in body["error"]["message"]
    assert items() == before


def test_a_slow_wechat_is_waited_for(deployed_with, wechat):
    backend = deployed_with()
    wechat.fault(LOGIN, "delay", ms=1200)

    answer = backend.person("alice").log_in()

    assert answer["openid"] == wechat.openid("alice")


@pytest.mark.parametrize("path", [LOGIN, PHONE])
def test_a_wechat_slower_than_the_timeout_is_not_asked_again(deployed_with, wechat, path):
    backend = deployed_with(read_timeout=3)
    alice = backend.person("alice")
    alice.log_in()
    asked, before = wechat.asked(path), stored.without_counters(backend.items())
    wechat.fault(path, "delay", 10, ms=5000)

    began = time.monotonic()
    status, body = backend.call("login", code=alice.login_code()) if path == LOGIN else alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(path) == asked + 1
    assert stored.without_counters(backend.items()) == before
    assert time.monotonic() - began < WELL_INSIDE


def test_a_token_call_slower_than_the_timeout_ends_in_time(deployed_with, wechat):
    backend = deployed_with(read_timeout=2)
    alice = backend.person("alice")
    alice.log_in()
    wechat.fault(STABLE, "delay", 10, ms=3000)

    began = time.monotonic()
    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert time.monotonic() - began < WELL_INSIDE


def test_an_unreachable_wechat_is_reported_well_inside_the_functions_time(deployed_with, wechat):
    backend = deployed_with(WeChatUrl=f"http://127.0.0.1:{free_port()}")

    began = time.monotonic()
    status, body = backend.call("login", code=wechat.login_code("alice"))

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert time.monotonic() - began < WELL_INSIDE
    assert backend.items() == {}


class Relay:
    """A proxy to WeChat that closes the connection after each answer."""

    def __init__(self, wechat_url):
        self.received = self.closed = 0
        self._target = urlsplit(wechat_url).netloc.split(":")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            request = connection.recv(65536)
            self.received += 1
            host, port = self._target
            with socket.create_connection((host, int(port))) as onward:
                onward.sendall(request.replace(b"keep-alive", b"close", 1))
                answer = b""
                while part := onward.recv(65536):
                    answer += part
                    if _is_whole(answer):
                        break
            connection.sendall(answer)
            connection.close()
            self.closed += 1


def _is_whole(answer):
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return bool(lengths) and len(body) >= int(lengths[0].partition(b":")[2])


@pytest.fixture
def relay(wechat_url):
    made = []

    def make():
        made.append(Relay(wechat_url))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_server_that_closes_idle_connections_loses_no_code(deployed_with, relay, wechat):
    way = relay()
    backend = deployed_with(WeChatUrl=way.url)
    alice = backend.person("alice")

    for times in range(5):
        alice.log_in()
        assert eventually(lambda times=times: way.closed == times + 1)

    assert wechat.calls()["paths"][LOGIN]["outcomes"] == {"0": 5}
    assert way.received == 5


def test_a_refused_connection_is_tried_again_because_nothing_was_sent(deployed_with, wechat, relay):
    # Our own port, which refuses connections until a server listens.
    waiting = socket.socket()
    waiting.bind(("127.0.0.1", 0))
    backend = deployed_with(WeChatUrl=f"http://127.0.0.1:{waiting.getsockname()[1]}")
    code = wechat.login_code("alice")
    way = relay()

    def open_late():
        time.sleep(0.05)
        return _forward(waiting, way.port)

    opened = []
    opener = threading.Thread(target=lambda: opened.append(open_late()))
    opener.start()
    status, body = backend.call("login", code=code)
    opener.join()
    opened[0].close()

    assert status == 200
    assert body["data"]["openid"] == wechat.openid("alice")
    assert wechat.asked(LOGIN) == 1


def _forward(listener, to):
    """Listen, accept one connection and pass its one request on to a port."""
    listener.listen()

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, socket.create_connection(("127.0.0.1", to)) as onward:
                onward.sendall(connection.recv(65536))
                while part := onward.recv(65536):
                    connection.sendall(part)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    ("raw", "openid"),
    [
        pytest.param(b'{"openid":"o-1","session_key":"k\x01"}', "o-1", id="control character"),
        pytest.param(b'{"openid":"o-1","x":"\xff"}', "o-1", id="broken UTF-8"),
        pytest.param(b'{"errcode":0,"errmsg":"ok","openid":"o-1"}', "o-1", id="errcode 0"),
        pytest.param(b'{"errcode":"0","openid":"o-1"}', "o-1", id="errcode as text"),
    ],
)
def test_wechats_habits_are_understood(deployed_with, raw, openid):
    with scripted(raw) as url:
        backend = deployed_with(WeChatUrl=url)

        status, body = backend.call("login", code="0a1b2c")

    assert status == 200
    assert body["data"]["openid"] == openid


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"openid":""}', id="empty openid"),
        pytest.param(b'{"openid":7}', id="openid a number"),
        pytest.param(b'{"openid":null}', id="openid null"),
        pytest.param(b'{"openid":"o#PROFILE"}', id="openid with a hash"),
        pytest.param(b'{"openid":"' + b"o" * 2000 + b'"}', id="endless openid"),
        pytest.param(b'{"errcode":"many"}', id="errcode no number"),
        pytest.param(b'{"errcode":1e999}', id="errcode infinite"),
        pytest.param(b'{"errcode":NaN}', id="errcode NaN"),
        pytest.param(b'{"errcode":[40029]}', id="errcode an array"),
    ],
)
def test_an_unreadable_answer_of_wechat_is_reported(deployed_with, raw):
    with scripted(raw) as url:
        backend = deployed_with(WeChatUrl=url)

        status, body = backend.call("login", code="0a1b2c")

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert backend.items() == {}


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("path", ["/elsewhere", LOGIN])
def test_a_redirect_is_not_followed_with_a_code_and_a_secret(deployed_with, relay, status, path):
    elsewhere = relay()
    with scripted(b"", f"{status}\r\nLocation: {elsewhere.url}{path}") as url:
        backend = deployed_with(WeChatUrl=url)

        answered, body = backend.call("login", code="0a1b2c")

    assert (answered, body["error"]["code"]) == (502, "wechat_unavailable")
    assert elsewhere.received == 0


@contextlib.contextmanager
def scripted(body, status="200 OK"):
    """Serve one answer, text/plain like WeChat's, to any request."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
