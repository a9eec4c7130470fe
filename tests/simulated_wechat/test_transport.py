"""The simulated WeChat over HTTP."""

import contextlib
import http.client
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from simulated_wechat import SimulatedWeChat, serve
from tests.support.asking import login_query

LOGIN = "/sns/jscode2session"
STABLE = "/cgi-bin/stable_token"


def test_errors_are_status_200_and_text_plain(server):
    answer = requests.get(server.url + LOGIN, timeout=5)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["errcode"] == 41002


def test_a_login_is_text_plain_even_when_it_succeeds(server, served):
    answer = requests.get(
        server.url + LOGIN, login_query(served, served.login_code("alice")), timeout=5
    )

    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["openid"] == served.openid("alice")


def test_fifty_threads_with_one_code_log_in_once(server, served):
    query = login_query(served, served.login_code("alice"))

    with ThreadPoolExecutor(50) as threads:
        answers = list(
            threads.map(
                lambda _: requests.get(server.url + LOGIN, query, timeout=10).json(), range(50)
            )
        )

    assert sum("openid" in answer for answer in answers) == 1
    assert sum(answer.get("errcode") == 40163 for answer in answers) == 49


def test_a_hundred_clients_connect_at_once(server):
    with contextlib.ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(socket.create_connection(("127.0.0.1", server.server_port), 5))

        assert requests.get(server.url + "/simulated", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("when", "second"),
    [pytest.param("before", None, id="before"), pytest.param("after", 40163, id="after")],
)
def test_a_dropped_call_gets_no_answer(server, served, when, second):
    served.fault(LOGIN, "drop", when=when)
    query = login_query(served, served.login_code("alice"))

    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + LOGIN, query, timeout=5)

    again = requests.get(server.url + LOGIN, query, timeout=5).json()
    assert again.get("errcode") == second
    assert served.calls()["paths"][LOGIN]["outcomes"][f"dropped {when} acting"] == 1


def test_garbage_is_no_json(server, served):
    served.fault(LOGIN, "garbage")

    with pytest.raises(requests.JSONDecodeError):
        requests.get(server.url + LOGIN, timeout=5).json()


def test_a_status_comes_with_a_page(server, served):
    served.fault(LOGIN, "status", status=503)

    answer = requests.get(server.url + LOGIN, timeout=5)

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "text/html"


def test_a_delayed_answer_comes_too_late_and_the_code_is_used_up(server, served):
    served.fault(LOGIN, "delay", ms=3000)
    query = login_query(served, served.login_code("alice"))

    with pytest.raises(requests.ReadTimeout):
        requests.get(server.url + LOGIN, query, timeout=1)

    assert requests.get(server.url + LOGIN, query, timeout=30).json()["errcode"] == 40163
    assert served.calls()["last"][0]["ms"] >= 3000


def test_a_body_too_large_is_refused(server):
    answer = requests.post(server.url + STABLE, b" " * 1_000_001, timeout=5)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/simulated/people", "/simulated/rules", "/simulated/calls", "/", LOGIN]
)
def test_a_page_under_another_name_gets_no_answer(server, path):
    # As a browser sends it once evil.example leads to 127.0.0.1 (DNS rebinding).
    answer = requests.get(server.url + path, headers={"Host": "evil.example:3001"}, timeout=5)

    assert answer.status_code == 403
    assert answer.text == "Forbidden"


def test_nobody_gets_an_answer_after_stop():
    server = serve(SimulatedWeChat())
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request("GET", "/simulated")
    connection.getresponse().read()

    kept_socket = connection.sock
    server.stop()

    assert kept_socket.recv(1) == b""
    connection.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + "/simulated", timeout=5)


def test_a_taken_port_is_an_error(server):
    with pytest.raises(OSError, match=r".+"):
        serve(SimulatedWeChat(), port=server.server_port)


def test_nothing_is_printed(server, capfd):
    requests.get(server.url + LOGIN, {"secret": "hidden"}, timeout=5)
    requests.get(server.url + "/nothing", timeout=5)

    assert capfd.readouterr() == ("", "")
