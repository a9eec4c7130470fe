"""An ASGI application behind the HTTP server: requests, answers, start and end."""

import asyncio
import contextlib
import json
import threading

import pytest
import requests

from local.asgi import AsgiApplication
from local.http_server import HttpServer

ANSWER_SECONDS = 10


class Echo:
    """Answers each request with what it got."""

    def __init__(self, fails_at=None):
        self.events = []
        self.entered, self.goes_on = threading.Event(), threading.Event()
        self._fails_at = fails_at

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while not self.events or self.events[-1] != "lifespan.shutdown":
                self.events.append((await receive())["type"])
                if self.events[-1] == self._fails_at:
                    await send({"type": f"{self._fails_at}.failed"})
                    return
                await send({"type": f"{self.events[-1]}.complete"})
            return
        body = (await receive())["body"]
        if scope["path"] == "/broken":
            raise RuntimeError("broken")
        if scope["path"] == "/slow":
            self.entered.set()
            await asyncio.to_thread(self.goes_on.wait, ANSWER_SECONDS)
        seen = {name: scope[name] for name in ("method", "path", "http_version")}
        seen["query"] = scope["query_string"].decode()
        seen["target"] = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
        seen["body"] = body.decode()
        text = json.dumps(seen).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        for part in (text[:5], text[5:]):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})


@contextlib.contextmanager
def serving(echo):
    """Serve in the background, as the emulator's process does until its input is closed."""
    ready, end = threading.Event(), threading.Event()
    application = AsgiApplication(lambda: echo)
    server = HttpServer(application)

    async def run():
        async with application.started():
            server.start()
            ready.set()
            await asyncio.to_thread(end.wait)
            await asyncio.to_thread(server.stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(ANSWER_SECONDS)
        yield server.url, end
    finally:
        echo.goes_on.set()
        end.set()
        thread.join(ANSWER_SECONDS)
    assert not thread.is_alive()


def test_the_application_gets_the_request_and_the_client_its_answer():
    with serving(Echo()) as (url, _):
        answer = requests.post(
            f"{url}/a%20path?q=%201", data="text", headers={"X-Amz-Target": "Åsa"}, timeout=5
        )

    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    assert answer.json() == {
        "method": "POST",
        "path": "/a path",
        "http_version": "1.1",
        "query": "q=%201",
        "target": "Åsa",
        "body": "text",
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_request_that_fails_ends_no_other(capsys):
    with serving(Echo()) as (url, _):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/broken", timeout=5)
        answer = requests.get(f"{url}/next", timeout=5)

    assert answer.status_code == 201
    assert "broken" in capsys.readouterr().err


def test_it_starts_before_the_first_request_and_stops_after_the_last_answer():
    echo, answers = Echo(), []
    with serving(echo) as (url, end):
        assert echo.events == ["lifespan.startup"]
        asking = threading.Thread(
            target=lambda: answers.append(requests.get(f"{url}/slow", timeout=ANSWER_SECONDS))
        )
        asking.start()
        assert echo.entered.wait(ANSWER_SECONDS)
        end.set()
        assert echo.events == ["lifespan.startup"]
        echo.goes_on.set()
        asking.join(ANSWER_SECONDS)

    assert [each.status_code for each in answers] == [201]
    assert echo.events == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize("event", ["startup", "shutdown"])
def test_a_start_or_an_end_that_fails_is_an_error(event):
    async def run():
        async with AsgiApplication(lambda: Echo(f"lifespan.{event}")).started():
            pass

    with pytest.raises(RuntimeError, match=f"the application's {event} failed"):
        asyncio.run(run())
