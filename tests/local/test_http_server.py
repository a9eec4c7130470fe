"""The server speaks HTTP/1.1 to unusual and to many clients, and rejects other hosts."""

import contextlib
import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.http_server import KEPT_OF_A_BODY, HttpServer, Response


class Echo:
    """Answers with the body it got; /slow takes its time, /nothing is not answered."""

    def __init__(self):
        self.is_slow = threading.Event()

    def answer(self, request):
        if request.path == "/slow":
            self.is_slow.set()
            time.sleep(0.3)
        if request.path == "/nothing":
            return None
        if request.path.endswith("/target"):
            return Response(200, (), request.target.encode())
        return Response(204 if request.path == "/empty" else 200, (), request.body or b"-")


@pytest.fixture
def server():
    server = HttpServer(Echo())
    server.start()
    yield server
    server.stop()


def say(server: HttpServer, text: bytes) -> bytes:
    """Send bytes as they are, and read until the server has nothing more to say."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def get(server: HttpServer, path: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    client.request("GET", path)
    status = client.getresponse().status
    client.close()
    return status


HOST = b"Host: 127.0.0.1:3000\r\n"


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"-", id="get"),
        pytest.param(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"", id="head has no body"),
        pytest.param(b"GET /empty HTTP/1.1\r\n" + HOST + b"\r\n", 204, b"", id="204 has no body"),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi", 200, b"hi", id="post"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
            b"2\r\nhi\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
            200, b"hi0123456789", id="chunks",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n",
            400, b"Bad Request", id="chunk of a negative length",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
            400, b"Bad Request", id="negative length",
        ),
        pytest.param(b"nonsense\r\n\r\n", 400, b"Bad Request", id="no HTTP"),
        pytest.param(
            b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"-", id="any method"
        ),
    ],
)  # fmt: skip
def test_a_request_has_its_response(server, text, status, body):
    head, _, got = say(server, text).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert got == body


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        pytest.param(["127.0.0.1"], 200, id="the address"),
        pytest.param(["127.0.0.1:3000"], 200, id="the address and a port"),
        pytest.param(["localhost:3000"], 200, id="the name"),
        pytest.param(["LocalHost"], 200, id="the name in capitals"),
        pytest.param(["evil.example:3000"], 403, id="another name"),
        pytest.param(["127.0.0.1.evil.example"], 403, id="a longer name"),
        pytest.param(["localhost.evil.example"], 403, id="another longer name"),
        pytest.param(["127.0.0.1@evil.example"], 403, id="a user name"),
        pytest.param(["evil.example", "127.0.0.1"], 403, id="two"),
        pytest.param([""], 403, id="an empty one"),
        pytest.param([], 403, id="none"),
    ],
)
def test_only_requests_to_this_machine_are_answered(server, hosts, status):
    # A page at evil.example may resolve its name to 127.0.0.1, and then read our answers.
    headers = "".join(f"Host: {host}\r\n" for host in hosts)

    assert say(server, f"GET / HTTP/1.1\r\n{headers}\r\n".encode()).startswith(
        f"HTTP/1.1 {status} ".encode()
    )


def test_an_application_may_close_the_connection_without_an_answer(server):
    assert say(server, b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n") == b""


def test_the_path_arrives_as_it_was_sent(server):
    answer = say(server, b"GET //target HTTP/1.1\r\n" + HOST + b"\r\n")

    assert answer.endswith(b"//target")


def test_headers_and_body_leave_in_one_piece(server):
    with socket.create_connection(("127.0.0.1", server.server_port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n-")


def test_a_kept_connection_answers_without_delay(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.connect()
    first_socket, took = connection.sock, []
    for _ in range(50):
        began = time.perf_counter()
        connection.request("POST", "/", b"{}")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)

    assert connection.sock is first_socket
    # Nagle's algorithm would delay each of them by 40 ms.
    assert sorted(took)[25] < 0.040
    connection.close()


def test_a_connection_serves_many_requests(server):
    first, second = b"GET / HTTP/1.1\r\n" + HOST, b"GET /empty HTTP/1.1\r\n" + HOST
    answer = say(server, first + b"\r\n" + second + b"\r\n")

    assert answer.count(b"HTTP/1.1 ") == 2


def test_too_large_a_body_is_read_and_not_kept(server):
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    client.request("POST", "/", b"x" * (KEPT_OF_A_BODY + 1000))

    assert len(client.getresponse().read()) == KEPT_OF_A_BODY
    client.close()


def test_a_client_that_goes_away_harms_nobody(server, capsys):
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")

    assert get(server, "/") == 200
    assert capsys.readouterr().err == ""


def test_hundreds_are_served_at_the_same_time(server):
    with ThreadPoolExecutor(300) as clients:
        began = time.monotonic()
        statuses = set(clients.map(lambda _: get(server, "/slow"), range(300)))

    assert statuses == {200}
    assert time.monotonic() - began < 45  # one after the other they would take 90 seconds


def test_requests_in_progress_are_answered_before_the_end():
    echo = Echo()
    server = HttpServer(echo)
    server.start()
    with ThreadPoolExecutor(1) as client:
        status = client.submit(get, server, "/slow")
        assert echo.is_slow.wait(30)

        server.stop()

        assert status.result() == 200


def test_an_idle_connection_does_not_delay_the_end():
    # Other tests' servers may be running in this process.
    others = set(threading.enumerate())
    server = HttpServer(Echo())
    server.start()
    idle = http.client.HTTPConnection("127.0.0.1", server.server_port)
    with contextlib.closing(idle):
        idle.request("GET", "/")
        idle.getresponse().read()

        began = time.monotonic()
        server.stop()

        assert time.monotonic() - began < 4.5  # a delayed end takes 5
        assert ends(lambda: not set(threading.enumerate()) - others)


def ends(condition):
    """Return whether a condition becomes true within a few seconds: a thread needs time to end."""
    give_up_at = time.monotonic() + 5
    while not condition() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return condition()


def test_each_request_is_reported_with_its_time():
    seen = []
    server = HttpServer(Echo(), report=lambda *each: seen.append(each))
    server.start()
    get(server, "/a?b")
    server.stop()

    ((request, response, seconds),) = seen
    assert (request.path, response.status) == ("/a", 200)
    assert 0 < seconds < 30
