"""Simulates WeChat and AWS, with TLS and a chosen latency, and counts each call."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import urllib3

from benchmarks.capacity import item_bytes, read_units, write_units
from benchmarks.server import Headers, Server
from local.http_server import HOST
from simulated_wechat import SimulatedWeChat
from simulated_wechat.rules import Request

# TCP's and TLS 1.3's handshakes: one round trip each before the first request.
HANDSHAKES = 2
LEFT_OUT = {"host", "content-length", "connection", "expect"}


@dataclass(frozen=True, slots=True)
class Call:
    """One answered call; `ms` is the time from its arrival to its answer."""

    service: str  # wechat, dynamodb or ssm
    operation: str  # "/sns/jscode2session" or "GetItem"
    status: int
    reads: float = 0.0  # DynamoDB's capacity units, if they are weighed
    writes: float = 0.0
    ms: float = 0.0


# A call by its method, target, headers and body: content type and body of the answer, and a note.
Noted = tuple[str, bytes, Call]
Upper = Callable[[str, str, Headers, bytes], Noted]


class Upstream:
    """One service; `latency` seconds pass before each answer, and twice for a new connection."""

    def __init__(self, context: ssl.SSLContext, answer: Upper) -> None:
        self.latency = 0.0
        self._answer = answer
        self._server = Server(self._answered, context)
        self._server.connecting = lambda: time.sleep(HANDSHAKES * self.latency)
        self.url = f"https://{HOST}:{self._server.server_port}"
        self.stop = self._server.stop
        self.calls: list[Call] = []

    def _answered(
        self, method: str, target: str, headers: Headers, body: bytes
    ) -> tuple[int, Headers, bytes]:
        began = time.perf_counter()
        kind, answer, call = self._answer(method, target, headers, body)
        time.sleep(self.latency)
        self.calls.append(replace(call, ms=(time.perf_counter() - began) * 1000))
        return call.status, {"Content-Type": kind}, answer


def as_wechat(wechat: SimulatedWeChat) -> Upper:
    """Answer as the simulated WeChat does."""

    def answer(method: str, target: str, _: Headers, body: bytes) -> Noted:
        address = urlsplit(target)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        said = wechat.receive(Request(method, address.path, query, body))
        return said.content_type, said.body, Call("wechat", address.path, said.status)

    return answer


class AsAWS:
    """Answers as ministack does.

    If `weighs` is true, it reads the items before and after each call, and counts the capacity
    units; this takes time, so no time is measured meanwhile.
    """

    def __init__(self, url: str, dynamodb: Any) -> None:
        self._emulator = urllib3.connection_from_url(url, maxsize=64)
        self._dynamodb = dynamodb
        self.weighs = False

    def __call__(self, method: str, target: str, headers: Headers, body: bytes) -> Noted:
        service, _, operation = headers["x-amz-target"].partition(".")
        service = "ssm" if service == "AmazonSSM" else "dynamodb"
        weighs = self.weighs and service == "dynamodb"
        touched = _touched(operation, json.loads(body)) if weighs else []
        before = [self._size(each) for each in touched]
        kept = {name: value for name, value in headers.items() if name not in LEFT_OUT}
        answer = self._emulator.urlopen(method, target, body, kept, retries=False)
        reads = writes = 0.0
        for each, size in zip(touched, before, strict=True):
            if each.reads:
                reads += read_units(size, consistent=each.reads == "consistently")
            else:
                after = self._size(each)
                writes += write_units(size, after, in_transaction=each.in_transaction)
        call = Call(service, operation, answer.status, reads, writes)
        return "application/x-amz-json-1.0", answer.data, call

    def _size(self, touched: "Touched") -> int:
        found = self._dynamodb.get_item(
            TableName=touched.table, Key=touched.key, ConsistentRead=True
        )
        return item_bytes(found.get("Item", {}))


@dataclass(frozen=True, slots=True)
class Touched:
    table: str
    key: Mapping[str, Any]
    reads: str = ""  # consistently or eventually; empty: it is written
    in_transaction: bool = False


def _touched(operation: str, request: Any) -> list[Touched]:
    """Return the items of a request; raise `ValueError` for an operation that is not weighed."""
    match operation:
        case "GetItem":
            return [Touched(request["TableName"], request["Key"], _how(request))]
        case "BatchGetItem":
            tables = request["RequestItems"].items()
            return [Touched(name, key, _how(of)) for name, of in tables for key in of["Keys"]]
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return [Touched(request["TableName"], _key(request))]
        case "TransactWriteItems":
            parts = [part for each in request["TransactItems"] for part in each.values()]
            return [Touched(part["TableName"], _key(part), in_transaction=True) for part in parts]
    raise ValueError(f"{operation} is not weighed")


def _how(read: Any) -> str:
    return "consistently" if read.get("ConsistentRead") else "eventually"


def _key(write: Any) -> Mapping[str, Any]:
    return write.get("Key") or {name: write["Item"][name] for name in ("pk", "sk")}
