"""What the functions call: WeChat and AWS behind TLS, at a chosen distance, each call counted."""

import http.client
import json
import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from local.http_server import HOST
from simulated_wechat import SimulatedWeChat
from simulated_wechat.rules import Request

# TCP's and TLS 1.3's handshakes: a round trip each before the first request can be sent.
HANDSHAKES = 2
READS = frozenset({"GetItem", "BatchGetItem", "Query"})
# https://docs.aws.amazon.com/general/latest/gr/ssm.html
SSM_CALLS_A_SECOND = 40


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was answered; `ms` from its first line read to its answer made."""

    service: str  # wechat, dynamodb or ssm
    operation: str  # "/sns/jscode2session" or "GetItem"
    status: int
    units: float = 0.0  # DynamoDB's capacity units
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes
    call: Call


Answer = Callable[[str, str, Mapping[str, str], bytes], Answered]


class Upstream(ThreadingHTTPServer):
    """One server; `latency` seconds pass before each answer, and twice for a new connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, context: ssl.SSLContext, answer: Answer) -> None:
        super().__init__((HOST, 0), _Connection)
        self.context = context
        self.answer = answer
        self.latency = 0.0
        self.calls: list[Call] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone: containers are ended at any moment."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream
    disable_nagle_algorithm = True

    def setup(self) -> None:
        time.sleep(HANDSHAKES * self.server.latency)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def parse_request(self) -> bool:
        self.began = time.perf_counter()
        return super().parse_request()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answered = self.server.answer(self.command, self.path, headers, body)
        time.sleep(self.server.latency)
        took = (time.perf_counter() - self.began) * 1000
        # Before it is sent: who gets the answer may look at once.
        self.server.calls.append(replace(answered.call, ms=took))
        self._send(answered)

    do_GET = do_POST  # noqa: N815 - http.server's names.

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""

    def _send(self, answered: Answered) -> None:
        headers = {**answered.headers, "Content-Length": str(len(answered.body))}
        lines = [f"HTTP/1.1 {answered.status} OK", *(f"{k}: {v}" for k, v in headers.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + answered.body)


def as_wechat(wechat: SimulatedWeChat) -> Answer:
    """Answer as the simulated WeChat does."""

    def answer(method: str, target: str, _: Mapping[str, str], body: bytes) -> Answered:
        address = urlsplit(target)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        said = wechat.receive(Request(method, address.path, query, body))
        headers = {"Content-Type": said.content_type}
        return Answered(said.status, headers, said.body, Call("wechat", address.path, said.status))

    return answer


class AsAWS:
    """Answers as ministack does; with `throttled`, SSM keeps to AWS's default quota."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), address.port
        self._own = threading.local()
        self._quota = _Quota()
        self.throttled = False

    def __call__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answered:
        service, _, operation = headers["x-amz-target"].partition(".")
        service = "ssm" if service == "AmazonSSM" else "dynamodb"
        if service == "ssm" and self.throttled and not self._quota.take():
            refusal = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
            return Answered(400, {}, refusal, Call(service, operation, 400))
        if service == "dynamodb":
            body = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        status, answer = self._forward(method, target, headers, body)
        units = _units(answer) or _units_of_a_batch(operation, body)
        call = Call(service, operation, status, units=units)
        return Answered(status, {"Content-Type": "application/x-amz-json-1.0"}, answer, call)

    def _forward(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._host, self._port)
            self._own.connection = connection
        kept = {
            name: value
            for name, value in headers.items()
            if name not in {"host", "content-length", "connection", "expect"}
        }
        connection.request(method, target, body, kept)
        response = connection.getresponse()
        return response.status, response.read()


class _Quota:
    """A bucket that holds one second's calls, as AWS's own limiter is said to."""

    def __init__(self) -> None:
        self._left, self._at = float(SSM_CALLS_A_SECOND), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            now = time.monotonic()
            gained = (now - self._at) * SSM_CALLS_A_SECOND
            self._left, self._at = min(SSM_CALLS_A_SECOND, self._left + gained), now
            if self._left < 1:
                return False
            self._left -= 1
            return True


def _units(answer: bytes) -> float:
    """Return the capacity units that DynamoDB says an answer took."""
    if b'"ConsumedCapacity"' not in answer:
        return 0.0
    consumed = json.loads(answer)["ConsumedCapacity"]
    tables = consumed if isinstance(consumed, list) else [consumed]
    return math.fsum(each["CapacityUnits"] for each in tables)


def _units_of_a_batch(operation: str, body: bytes) -> float:
    """Return what ministack does not say of BatchGetItem: ours are small items, a unit each."""
    if operation != "BatchGetItem":
        return 0.0
    requests = json.loads(body)["RequestItems"].values()
    return math.fsum(
        len(each["Keys"]) * (1.0 if each.get("ConsistentRead") else 0.5) for each in requests
    )
