"""The server in front of ministack: HTTP/1.1, as clients and their networks cut it."""

import asyncio
import json
import logging
import socket
import threading

import pytest

from local.emulator_server import LONGEST_HEAD, serve

ANSWER_SECONDS = 10


class Running:
    """The server in a thread, with an application that returns its requests."""

    def __init__(self):
        self.events = []
        self.entered, self.goes_on = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        self._loop.run_until_complete(serve(self._application, self._listener, self._end.wait()))

    def stop(self):
        self._loop.call_soon_threadsafe(self._end.set)

    def join(self):
        self._thread.join(ANSWER_SECONDS)
        assert not self._thread.is_alive()

    def close(self):
        self._loop.close()

    async def _application(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for _ in range(2):
                self.events.append((await receive())["type"])
                await send({"type": f"{self.events[-1]}.complete"})
            return
        body = (await receive())["body"]
        if scope["path"] == "/broken":
            raise RuntimeError("broken")
        if scope["path"] == "/slow":
            self.entered.set()
            await asyncio.to_thread(self.goes_on.wait, ANSWER_SECONDS)
        seen = {name: scope[name] for name in ("method", "path")}
        seen["query"] = scope["query_string"].decode()
        seen["target"] = dict(scope["headers"]).get(b"x-amz-target", b"").decode()
        seen["body"] = body.decode()
        text = json.dumps(seen).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in (text[:5], text[5:]):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})


@pytest.fixture
def server():
    running = Running()
    yield running
    running.stop()
    running.join()
    running.close()


@pytest.fixture
def client(server):
    with socket.create_connection(server.address, ANSWER_SECONDS) as connection:
        yield connection


def request(path="/", body=b"", method="POST", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(client):
    """Read one answer: its status, its headers, its body."""
    reader = client.makefile("rb", buffering=0)
    _, status, _ = reader.readline().split(b" ", 2)
    headers = {}
    while (line := reader.readline()) != b"\r\n":
        name, _, value = line.decode().partition(": ")
        headers[name] = value.strip()
    body = b""
    while len(body) < int(headers["content-length"]):
        body += reader.read(int(headers["content-length"]) - len(body))
    return int(status), headers, body


def seen(client):
    status, _, body = answer(client)
    assert status == 200
    return json.loads(body)


def is_closed(client):
    return client.recv(1) == b""


def test_a_request_reaches_the_application_as_it_was_sent(client):
    client.sendall(request("/a%20b?c=%20d", "茶".encode(), X_Amz_Target="DynamoDB.GetItem"))

    assert seen(client) == {
        "method": "POST",
        "path": "/a b",
        "query": "c=%20d",
        "target": "DynamoDB.GetItem",
        "body": "茶",
    }


def test_a_request_may_come_in_pieces(client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request("/pieces", b"body"):
        client.sendall(bytes([byte]))

    assert seen(client)["body"] == "body"


def test_a_large_body_arrives_whole(client):
    client.sendall(request("/", b"x" * 8_000_000))

    assert seen(client)["body"] == "x" * 8_000_000


def test_a_client_that_waits_with_its_body_is_asked_for_it_once(client):
    head = request("/upload", b"body", Expect="100-continue")[: -len(b"body")]
    client.sendall(head)
    assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for part in (b"bo", b"dy"):
        client.sendall(part)

    assert seen(client)["body"] == "body"


def test_a_connection_serves_many_requests_in_their_order(client):
    client.sendall(request("/1", b"one") + request("/2") + request("/3", b"three"))

    assert [seen(client)["path"] for _ in range(3)] == ["/1", "/2", "/3"]


def test_a_client_may_ask_for_the_end_of_the_connection(client):
    client.sendall(request(Connection="close"))

    status, headers, _ = answer(client)

    assert (status, headers["connection"]) == (200, "close")
    assert is_closed(client)


def test_http_1_0_ends_after_one_answer(client):
    client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")

    assert answer(client)[0] == 200
    assert is_closed(client)


def test_head_gets_the_length_and_no_body(client):
    client.sendall(request(method="HEAD", Connection="close"))

    text = b""
    while part := client.recv(4096):
        text += part

    head, _, body = text.partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert body == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"x" * LONGEST_HEAD, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ],
)
def test_what_it_cannot_read_is_refused_and_the_connection_ends(client, sent, status):
    client.sendall(sent)

    assert answer(client)[0] == status
    assert is_closed(client)


def test_a_failure_of_the_application_is_a_500_and_logged(client, caplog):
    client.sendall(request("/broken"))

    with caplog.at_level(logging.ERROR):
        assert answer(client)[0] == 500
    assert "RuntimeError: broken" in caplog.text


def test_a_client_that_leaves_harms_nobody(server, client):
    with socket.create_connection(server.address) as leaving:
        leaving.sendall(request("/slow"))
        assert server.entered.wait(ANSWER_SECONDS)
    server.goes_on.set()

    client.sendall(request("/next"))

    assert seen(client)["path"] == "/next"


def test_the_end_waits_for_answers_and_then_lets_the_application_save(server, client):
    client.sendall(request("/slow"))
    assert server.entered.wait(ANSWER_SECONDS)
    server.stop()
    assert "lifespan.shutdown" not in server.events
    server.goes_on.set()

    assert seen(client)["path"] == "/slow"
    server.join()
    assert server.events == ["lifespan.startup", "lifespan.shutdown"]
