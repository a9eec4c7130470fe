"""The benchmarks' own parts: counters, containers and tables."""

import re
import sys
from pathlib import Path

import boto3
import certifi
import pytest
import requests

from benchmarks import prices
from benchmarks.capacity import item_bytes, read_units, write_units
from benchmarks.chinese import in_chinese
from benchmarks.cold import ColdStart
from benchmarks.container import Container, ContainerFailed
from benchmarks.people import People
from benchmarks.scale import Crowd
from benchmarks.stage import FLOWS, stage
from benchmarks.tables import DOCUMENTS, MARKED, Results, tables_of, write_tables
from benchmarks.warm import TIMED, WEIGHED, Block, Case, Weight, weigh
from stack.template import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")
# A Lambda runtime in the standard library: awslambdaric is installed for the benchmarks alone.
RUNTIME = """
import http.client, importlib, json, os, sys
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "benchmark", "512", "id"
    invoked_function_arn = "arn:aws:lambda:us-east-1:0:function:benchmark"
    def get_remaining_time_in_millis(self): return 20_000
def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    headers, event = call("GET", "invocation/next")
    answer = json.dumps(handler(json.loads(event), Context())).encode()
    call("POST", f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", answer)
"""


def started(handler, folders, **environment):
    paths = ":".join(str(folder) for folder in (*folders, Path(certifi.__file__).parents[1]))
    command = [sys.executable, "-c", RUNTIME, handler]
    return Container(command, folders[0], {**environment, "PYTHONPATH": paths})


class Source:
    """A contestant's code as it stands here, not as it was built."""

    def __init__(self, *folders):
        self._folders = folders

    def container(self, handler, environment, *, niceness=0):
        assert niceness == 0
        return started(handler, self._folders, **environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stage")


@pytest.fixture(scope="module")
def on(ministack, folder):
    """A stage on which our functions and the floor run from their sources."""

    def bundles(certificate):
        # requests and botocore ask certifi for the authorities that they trust.
        (folder / "certifi.py").write_text(f"def where(): return {str(folder / 'ca.pem')!r}")
        (folder / "ca.pem").write_text(certificate)
        return {
            "ours": Source(folder, ROOT / "functions", ROOT / "layers"),
            "floor": Source(folder, ROOT / "benchmarks" / "handlers" / "floor"),
        }

    requests.post(f"{ministack.url}/_ministack/reset", timeout=60).raise_for_status()
    with stage(ministack.url, folder, bundles) as made:
        yield made


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"pk": {"S": "a"}}, 3),
        ({"名": {"S": "名"}}, 6),  # UTF-8
        ({"n": {"N": "0"}}, 2),
        ({"n": {"N": "1763740800"}}, 1 + 4 + 1),  # zeros at the end are not stored
        ({"n": {"N": "-12.5"}}, 1 + 2 + 1 + 1),
        ({"b": {"BOOL": True}, "z": {"NULL": True}}, 4),
        ({"s": {"SS": ["ab", "c"]}}, 4),
        ({"m": {"M": {}}}, 4),
        ({"m": {"M": {"a": {"S": "bc"}}}}, 1 + 3 + 1 + 1 + 2),
        ({"l": {"L": [{"S": "ab"}, {"N": "1"}]}}, 1 + 3 + (1 + 2) + (1 + 2)),
        ({"b": {"B": b"abc"}}, 4),
    ],
)
def test_an_item_is_as_large_as_dynamodb_says(item, size):
    assert item_bytes(item) == size


def test_units_are_counted_as_dynamodb_does():
    assert [read_units(size, consistent=True) for size in (0, 4096, 4097)] == [1, 1, 2]
    assert [read_units(size, consistent=False) for size in (0, 4096, 4097)] == [0.5, 0.5, 1]
    assert write_units(1024, 0, in_transaction=False) == 1
    assert write_units(1, 1025, in_transaction=False) == 2
    assert write_units(0, 1025, in_transaction=True) == 4


def test_a_container_measures_its_handler(tmp_path):
    (tmp_path / "app.py").write_text(
        "def handler(event, context):\n    print('{}')\n    return {'body': '[1]'}\n"
    )

    with started("app.handler", [tmp_path]) as container:
        answers = [container.invoke({}) for _ in range(3)]

        assert [body for body, _ in answers] == [[1]] * 3
        assert all(0 < ms < 10_000 for _, ms in answers)
        assert container.init_ms > 0
        assert container.cpu_ms() > 0
        assert container.peak_mb() > 1


@pytest.mark.parametrize(
    "broken",
    [
        "raise ValueError('broken on purpose')",
        "def handler(event, context):\n    raise ValueError('broken on purpose')",
        "import os\ndef handler(*_):\n    print('broken on purpose', flush=True)\n    os._exit(1)",
    ],
    ids=["at import", "by an exception", "by its end"],
)
def test_a_container_that_breaks_shows_what_it_printed_last(tmp_path, broken):
    (tmp_path / "app.py").write_text(broken)

    with (
        started("app.handler", [tmp_path]) as container,
        pytest.raises(ContainerFailed, match="broken on purpose"),
    ):
        container.invoke({})


@pytest.mark.parametrize("contestant", ["ours", "floor"])
def test_a_known_login_is_weighed(on, contestant):
    on.share_access_token()
    flows = {flow: on.container(contestant, FLOWS[flow]) for flow in ("login", "phone")}
    with flows["login"] as login, flows["phone"]:
        person = People(on, flows).somebody(sessions=3)

        weight = weigh(on, login, Case(contestant, "login", 3), person)

    assert weight.calls["wechat"] == 1
    assert "ssm" not in weight.calls
    assert weight.calls["dynamodb"] >= 1
    assert weight.writes >= 1


def test_the_calls_of_dynamodb_are_weighed_by_the_items(on, folder):
    client = boto3.client(
        "dynamodb",
        endpoint_url=on.aws_server.url,
        verify=str(folder / "ca.pem"),
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    on.take_calls()
    table, on.aws.weighs = on.stack.tables[0].name, True
    key = {"pk": {"S": "somebody"}, "sk": {"S": "PROFILE"}}
    large = {**key, "text": {"S": "x" * 5000}}

    client.put_item(TableName=table, Item=large)
    client.get_item(TableName=table, Key=key, ConsistentRead=True)
    client.get_item(TableName=table, Key=key)
    client.batch_get_item(RequestItems={table: {"Keys": [key], "ConsistentRead": True}})
    client.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": key}}])

    calls, on.aws.weighs = on.take_calls(), False
    assert [(call.operation, call.reads, call.writes) for call in calls] == [
        ("PutItem", 0, 5),
        ("GetItem", 2, 0),
        ("GetItem", 1, 0),
        ("BatchGetItem", 2, 0),
        ("TransactWriteItems", 0, 10),
    ]


def test_a_distant_service_answers_late(on, folder):
    on.take_calls()
    on.far(0.05)

    requests.get(on.wechat_server.url, timeout=60, verify=folder / "ca.pem")

    on.far(0.0)
    (call,) = on.take_calls()
    assert call.service == "wechat"
    assert call.ms >= 50


def results():
    contestants = ["ours", "floor", "wechatpy"]
    return Results(
        ["2026-11-21", "2 (x86_64)", "0.10", "6", "3.13.0", "boto3 1.44.5, requests 2.34.2"],
        [ColdStart(each, flow, 100, 20, 60) for each in contestants for flow in FLOWS],
        [
            Block(case, far, [9.0, 8.0], [7.0, 6.0], 4, 1000)
            for case in TIMED
            for far in (False, True)
        ],
        [Weight(case, {"wechat": 1, "dynamodb": 2}, 1, 4) for case in WEIGHED],
        [Crowd("ours", 10, 1, 21, 10, 2.0)],
        dict.fromkeys(contestants, 18.0),
    )


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: f"{document.parent.name}/{document.name}"
)
def test_only_the_tables_of_a_document_are_rewritten(document, tmp_path):
    once, twice = tmp_path / "once.md", tmp_path / "twice.md"
    tables = {name: f"new {name}" for name in tables_of(results())}

    write_tables(tables, document, once)
    write_tables(tables, once, twice)

    before, after = document.read_text("utf-8"), once.read_text("utf-8")
    named = [found[1] for found in MARKED.findall(before)]
    assert MARKED.sub("", after) == MARKED.sub("", before)
    assert [name for name in tables if f"\nnew {name}\n" in after] == [
        name for name in tables if name in named
    ]
    assert twice.read_text("utf-8") == after


def test_every_table_has_its_place():
    written = [name for each in DOCUMENTS for _, name, _ in MARKED.findall(each.read_text("utf-8"))]

    assert set(written) == set(tables_of(results()))


def test_a_table_in_chinese_has_no_english_word():
    names = {"wechatpy", "boto3", "requests"}
    for table in map(in_chinese, tables_of(results()).values()):
        for cell in table.replace("*", "").split("|"):
            words = re.findall(r"\b[a-z][a-z-]+\d?\b", cell)
            assert set(words) <= names | {"ms", "x86_64"}, cell


def test_a_missed_goal_is_reported():
    goals = tables_of(results())["goals"].splitlines()

    assert "| login: calls of DynamoDB | 1 | 2 | no |" in goals
    assert "| login: memory, MB | 90 | 60 | yes |" in goals


def test_a_million_logins_cost_what_their_parts_cost():
    login = prices.Login(
        warm_ms=100,
        warm_cpu_ms=0,
        init_ms=0,
        first_ms=0,
        reads=8,
        writes=16,
        secrets=0,
        log_bytes=0,
    )

    cost = prices.million(login)

    assert cost["DynamoDB, reads"] == 1
    assert cost["DynamoDB, writes"] == 10
    assert cost["Lambda, duration"] == pytest.approx(0.99 * 0.1 * 0.5 * 16.6667)
