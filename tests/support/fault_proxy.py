"""A proxy between a deployment and its DynamoDB and SSM, which makes chosen calls fail."""

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from local.http_server import HttpServer, Response

PATIENCE = 20
# http.client and the server count and frame anew.
FRAMING = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
OUTAGE = Response(
    500,
    (("content-type", "application/x-amz-json-1.0"),),
    b'{"__type": "InternalServerError", "message": "The test makes this call fail."}',
)


@dataclass
class Order:
    """A fault for the calls of one operation whose body contains a text."""

    operation: str
    containing: str
    times: float
    acts: bool = False  # whether AWS acts on the call before its answer is lost
    reached: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    fails: bool = True


class FaultProxy:
    """Forwards every call to AWS unchanged, except those that must fail or wait."""

    def __init__(self, aws_url):
        self._aws = urlsplit(aws_url).netloc
        self._orders = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._server = HttpServer(self)
        self.url = self._server.url
        self.calls = []  # operations, as they came

    @contextlib.contextmanager
    def running(self):
        self._server.start()
        try:
            yield self
        finally:
            self.recover()
            self._server.stop()

    def fail(self, operation, *, containing="", times=float("inf"), acts=False):
        """Make the next calls of an operation fail, before or, with `acts`, after AWS has acted."""
        self._orders.append(Order(operation, containing, times, acts))

    def hold(self, operation, *, containing=""):
        """Stop the next call of an operation until `goes_on` is set; then `reached` is set."""
        order = Order(operation, containing, 1, fails=False)
        self._orders.append(order)
        return order

    def recover(self):
        with self._lock:
            for order in self._orders:
                order.goes_on.set()
            self._orders.clear()

    def answer(self, request):
        operation = (request.header("x-amz-target") or "").rpartition(".")[2]
        order = self._order_for(operation, request.body.decode(errors="replace"))
        if order is None:
            return self._forward(request)
        if not order.fails:
            order.reached.set()
            order.goes_on.wait(PATIENCE)
            return self._forward(request)
        if order.acts:
            self._forward(request)
        return OUTAGE

    def _order_for(self, operation, body):
        with self._lock:
            self.calls.append(operation)
            for order in self._orders:
                if order.operation == operation and order.containing in body and order.times > 0:
                    order.times -= 1
                    return order
        return None

    def _forward(self, request):
        connection = http.client.HTTPConnection(self._aws, timeout=PATIENCE)
        with contextlib.closing(connection):
            headers = {
                name: value for name, value in request.headers if name.lower() not in FRAMING
            }
            connection.request(request.method, request.target, request.body, headers)
            answer = connection.getresponse()
            kept = tuple(
                (name, value) for name, value in answer.getheaders() if name.lower() not in FRAMING
            )
            return Response(answer.status, kept, answer.read())


def eventually(holds, seconds=10.0):
    """Wait until a condition is true, and return whether it became true."""
    give_up_at = time.monotonic() + seconds
    while not holds() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return holds()
