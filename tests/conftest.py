"""Fixtures: ministack and the simulated WeChat for the run, a deployment for each test."""

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from typing import Any

import boto3
import hypothesis
import moto
import pytest
import requests

from local.deployment import deployed
from local.emulator import emulator
from simulated_wechat import serve
from stack.cloudformation import REGION
from stack.template import read_stack
from tests.support import clients, openssl
from tests.support.backend import ISSUER, Backend
from tests.support.consumer import Consumer
from tests.support.observed_wechat import ObservedWeChat
from wechat_login.api import Reply, endpoint

OLDEST_NODE = 20
_accounts = itertools.count(500_000_000_000)  # fixed ones, as in tests/unit, are lower
# No deadline, as a busy machine stalls, and the same examples each time.
hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def secrecy(pytestconfig):
    """Every secret of this run, and all output of the code."""
    return pytestconfig.pluginmanager.get_plugin("secrecy")


@pytest.fixture(scope="session", autouse=True)
def _logger_made_before_a_test_captures_output():
    class Context:
        def get_remaining_time_in_millis(self):
            return 1000

    endpoint(lambda _: Reply(None))({"routeKey": "GET /"}, Context())


@pytest.fixture(scope="session", autouse=True)
def _interrupts_work():
    # A shell's background job ignores SIGINT, and the processes that a test starts inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind(tmp_path_factory):
    # Chromium, SAM and the emulator leave files in the system's folder.
    folder = tmp_path_factory.mktemp("tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _aws_clients_made_once():
    # A client takes 10 ms to make. Each deployment would make seven.
    with pytest.MonkeyPatch.context() as patch:
        clients.share(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _signing_keys_made_by_openssl():
    with pytest.MonkeyPatch.context() as patch:
        openssl.make_keys(patch)
        yield


@pytest.fixture(scope="session")
def _wechat_server(secrecy):
    wechat = ObservedWeChat(secrecy)
    server = serve(wechat)
    yield wechat, server.url
    server.stop()


@pytest.fixture(scope="session")
def wechat_url(_wechat_server):
    """The simulated WeChat's address."""
    return _wechat_server[1]


@pytest.fixture
def wechat(_wechat_server):
    """The simulated WeChat, as new."""
    wechat, _ = _wechat_server
    wechat.reset()
    return wechat


@pytest.fixture(scope="session")
def ministack():
    with emulator() as running:
        yield running


@functools.cache
def _stack(**parameters):
    return read_stack(parameters)


@pytest.fixture
def deployed_with(ministack, wechat_url, wechat, secrecy):
    """Deploy with other template parameters: `deployed_with(PhoneRequired="false")`.

    With `pages`, even none, the demo's addresses and Lambda's Invoke answer too.
    With `seconds` the functions have more time than the template gives them; the timeouts are
    those of calls to WeChat.
    """
    defaults = {"Stage": "test", "WeChatAppId": wechat.appid, "WeChatUrl": wechat_url}
    # Without the calls of earlier tests.
    requests.post(f"{ministack.url}/_ministack/reset", timeout=60).raise_for_status()
    with contextlib.ExitStack() as running:

        def deploy(*, seconds=None, connect_timeout=2, read_timeout=5, pages=None, **parameters):
            stack = _stack(**{**defaults, "Issuer": ISSUER, **parameters})
            waiting = {"CONNECT_TIMEOUT": f"{connect_timeout}", "READ_TIMEOUT": f"{read_timeout}"}
            functions = {
                name: replace(
                    each,
                    timeout=seconds or each.timeout,
                    environment={**each.environment, **waiting},
                )
                for name, each in stack.functions.items()
            }
            stack = replace(stack, functions=functions)
            deployment = running.enter_context(
                deployed(stack, ministack.url, {wechat.appid: wechat.app_secret}, pages=pages)
            )
            return Backend(deployment, wechat, secrecy)

        yield deploy


@pytest.fixture
def backend(deployed_with):
    """The backend with the template's defaults."""
    return deployed_with()


@pytest.fixture
def call(backend):
    """Call a function over HTTP: `call("login", code=…)` gives status and body."""
    return backend.call


@pytest.fixture
def person(backend):
    """Make somebody with a phone: `person("alice").log_in()`."""
    return backend.person


@pytest.fixture
def local_stage(backend, ministack, tmp_path):
    """The environment in which a command of `ops` finds the backend as the stage `local`."""
    running = {
        "region": REGION,
        "api": backend.url,
        "aws": ministack.url,
        "accessKey": "local",
        "table": backend.table,
        "parameters": dict(backend.deployment.stack.parameters),
    }
    (tmp_path / "running.json").write_text(json.dumps(running))
    return {"LOCAL_DIR": str(tmp_path)}


@pytest.fixture
def team(backend):
    """Another team's service, which receives the backend's events."""
    assert backend.url  # it makes the bus
    return Consumer()


@pytest.fixture
def items(backend):
    """Read the whole table: `items()`."""
    return backend.items


@pytest.fixture(params=["moto", "ministack"])
def aws(request):
    """boto3 clients, by name, of an empty account: in moto and in ministack."""
    keys: Any = {"aws_secret_access_key": "local", "region_name": REGION}
    if request.param == "ministack":
        url, account = request.getfixturevalue("ministack").url, str(next(_accounts))
        yield lambda name: boto3.client(name, endpoint_url=url, aws_access_key_id=account, **keys)
        return
    with moto.mock_aws():
        yield lambda name: boto3.client(name, aws_access_key_id="local", **keys)


@pytest.fixture
def dynamodb(aws, table_definition):
    """A DynamoDB client whose account has the template's table and nothing in it."""
    client = aws("dynamodb")
    client.create_table(**table_definition)
    return client


@pytest.fixture
def table_definition():
    """The template's table, as arguments of CreateTable."""
    return _stack(Stage="test", WeChatAppId="wx1234567890abcdef").tables[0].definition


@pytest.fixture
def table_name(table_definition):
    return table_definition["TableName"]


@pytest.fixture(scope="session")
def node():
    found = shutil.which("node")
    version = subprocess.check_output([found, "--version"], text=True) if found else "v0"
    if int(version[1:].partition(".")[0]) >= OLDEST_NODE:
        return found
    reason = f"Node {OLDEST_NODE} or later, which runs a mini program's code, is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
