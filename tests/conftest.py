"""Fixtures: ministack and the simulated WeChat for the run, a deployment for each test."""

import contextlib
import functools
import itertools
import json
import logging
import secrets
import shutil
import tempfile
import time
from dataclasses import replace

import boto3
import hypothesis
import moto
import pytest
import requests
from botocore.loaders import create_loader

from local.deployment import deployed
from local.emulator import emulator
from simulated_wechat import SimulatedWeChat, serve
from simulated_wechat.wechat import BUILT_IN
from stack.cloudformation import REGION
from stack.template import read_stack
from tests import stored
from tests.callers import Client, Person
from tests.privileges import Privileges
from tests.secrecy import TELLING, Overhearing, Secrecy, private_parts
from wechat_login import wiring
from wechat_login.api import Reply, endpoint
from wechat_login.invocation import SERVICE

ISSUER = "https://login.example"
_accounts = itertools.count(100_000_000_000)
# No deadline, as a busy machine stalls, and the same examples each time.
hypothesis.settings.load_profile("ci")


def pytest_configure(config):
    secrecy = Secrecy()
    config.pluginmanager.register(secrecy, "secrecy")
    config.pluginmanager.register(Privileges(), "privileges")
    # Lambda's own root level. At DEBUG urllib3 would log addresses, which the layer must prevent.
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    # Powertools keeps what its own logger has said from the root's handlers.
    for name in (None, SERVICE):
        logging.getLogger(name).addHandler(Overhearing(secrecy))


@pytest.fixture(scope="session")
def secrecy(pytestconfig):
    """Every secret of this run, and everything that came out of the code."""
    return pytestconfig.pluginmanager.get_plugin("secrecy")


@pytest.fixture(scope="session", autouse=True)
def _logger_made_before_a_test_captures_output():
    class Context:
        def get_remaining_time_in_millis(self):
            return 1000

    endpoint(lambda _: Reply(None))({"routeKey": "GET /"}, Context())


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind(tmp_path_factory):
    # Chromium, SAM and the emulator leave what they made in the system's folder.
    folder = tmp_path_factory.mktemp("tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _aws_models_read_once():
    # Each deployment has a boto3 session of its own, which would parse megabytes of JSON again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", functools.cache(create_loader))
        yield


class ObservedWeChat(SimulatedWeChat):
    """The simulated WeChat, which tells what was asked and keeps note of each secret."""

    def __init__(self, secrecy):
        self._secrecy = secrecy
        fresh = {appid: secrets.token_hex(16) for appid in BUILT_IN}
        (appid, app_secret), *further = fresh.items()
        super().__init__(appid, app_secret, further=dict(further))

    def reset(self):
        super().reset()
        self.orders = 0  # faults, and ends of faults
        self.token_requests = []  # the force_refresh of each stable_token call

    def rotate_app_secret(self, new, appid=None):
        self._secrecy.keep("AppSecret", new)
        super().rotate_app_secret(new, appid)

    def add_mini_program(self, appid, app_secret):
        self._secrecy.keep("AppSecret", app_secret)
        super().add_mini_program(appid, app_secret)

    def person(self, user, appid=None):
        person = super().person(user, appid)
        forms = (person.phone.e164, person.phone.e164[1:], person.phone.national)
        self._secrecy.keep("phone number", *(form for form in forms if len(form) >= TELLING))
        self._secrecy.keep_out_of_the_log("openid", person.openid)
        return person

    def login_code(self, user, appid=None):
        code = super().login_code(user, appid)
        self._secrecy.keep("login code", code)
        return code

    def phone_code(self, user, appid=None, *, allow=True):
        grant = super().phone_code(user, appid, allow=allow)
        if "code" in grant:
            self._secrecy.keep("phone code", grant["code"])
            self._secrecy.keep("encryptedData", grant["encryptedData"])
        return grant

    def realtime_phone_code(self, user, appid=None, *, allow=True):
        grant = super().realtime_phone_code(user, appid, allow=allow)
        if "code" in grant:
            self._secrecy.keep("phone code", grant["code"])
        return grant

    def receive(self, request):
        answer = super().receive(request)
        with contextlib.suppress(ValueError):
            given = json.loads(answer.body)
            for kind in ("session_key", "access_token"):
                if kind in given:
                    self._secrecy.keep(kind, given[kind])
        if request.path == "/cgi-bin/stable_token":
            self.token_requests.append(json.loads(request.body).get("force_refresh"))
        return answer

    def fault(self, *how, **more):
        super().fault(*how, **more)
        self.orders += 1

    def asked(self, path, appid=None):
        """Tell how many calls of a path have come in."""
        return self.calls(appid)["paths"][path]["count"]


@pytest.fixture(scope="session")
def _wechat_server(secrecy):
    wechat = ObservedWeChat(secrecy)
    server = serve(wechat)
    yield wechat, server.url
    server.stop()


@pytest.fixture(scope="session")
def wechat_url(_wechat_server):
    """Where the simulated WeChat answers."""
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


class Backend(Client):
    """One deployment: its HTTP API, its people, and a look into what it has stored."""

    def __init__(self, deployment, wechat, secrecy):
        routes = {}
        for route in deployment.stack.routes:
            module = deployment.stack.functions[route.function].handler.partition(".")[0]
            routes.setdefault(module, (route.method, route.path))
        super().__init__(deployment.url, routes, secrecy)
        self.url = deployment.url
        self.deployment = deployment
        self.wechat = wechat
        self.dynamodb, self.ssm = deployment.dynamodb, deployment.ssm
        self.table = deployment.stack.tables[0].name
        for value in deployment.parameters.values():
            secrecy.keep("parameter", *private_parts(value))

    def person(self, name):
        return Person(name, self.wechat, self.call)

    def items(self):
        """Give the whole table by key."""
        return stored.read_all(self.dynamodb, self.table)

    def change(self, key, expression, **values):
        """Change an item behind the back of the deployment."""
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            UpdateExpression=expression,
            ExpressionAttributeValues={
                f":{name}": {"N": str(each)} for name, each in values.items()
            },
        )

    def change_session(self, session, **times):
        """Change the times of a session, `(pk, sid)`, behind the back of the deployment."""
        pk, sid = session
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": pk}, "sk": {"S": "PROFILE"}},
            UpdateExpression="SET "
            + ", ".join(f"sessions.#sid.{each} = :{each}" for each in times),
            ExpressionAttributeNames={"#sid": sid},
            ExpressionAttributeValues={f":{name}": {"N": str(at)} for name, at in times.items()},
        )

    def parameter_name(self, name):
        return f"/wechat-login/{self.deployment.stack.parameters['Stage']}/{name}"

    def parameter(self, name):
        answer = self.ssm.get_parameters(Names=[self.parameter_name(name)], WithDecryption=True)
        return answer["Parameters"][0]["Value"] if answer["Parameters"] else None

    def set_parameter(self, name, value):
        name = self.parameter_name(name)
        self.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def public_keys(self):
        """Give the public half of the signing keys as a JWK Set."""
        keys = json.loads(self.parameter("signing-keys"))["keys"]
        public = ("kty", "kid", "use", "alg", "n", "e")
        return {"keys": [{name: key[name] for name in public} for key in keys]}

    def cold_start(self):
        """Let the next invocation find nothing in memory, as in a new container."""
        wiring.reset()


@functools.cache
def _stack(**parameters):
    return read_stack(parameters)


@pytest.fixture
def deployed_with(ministack, wechat_url, wechat, secrecy):
    """Deploy with other template parameters: `deployed_with(PhoneRequired="false")`.

    With `seconds` the functions have more time than the template gives them; the timeouts are
    those of calls to WeChat.
    """
    defaults = {"Stage": "test", "WeChatAppId": wechat.appid, "WeChatUrl": wechat_url}
    # Nothing of an earlier test.
    requests.post(f"{ministack.url}/_ministack/reset", timeout=60).raise_for_status()
    with contextlib.ExitStack() as running:

        def deploy(*, seconds=None, connect_timeout=2, read_timeout=5, **parameters):
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
            deployment = running.enter_context(deployed(stack, ministack.url, wechat.app_secret))
            return Backend(deployment, wechat, secrecy)

        yield deploy


@pytest.fixture
def one_window():
    """Attempts are counted by the clock's ten minutes: none may end within the test."""
    left = 600 - time.time() % 600
    if left < 30:
        time.sleep(left)


@pytest.fixture
def backend(deployed_with):
    """The backend as the template has it."""
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
def items(backend):
    """Read the whole table: `items()`."""
    return backend.items


@pytest.fixture(params=["moto", "ministack"])
def aws(request):
    """boto3 clients, by name, of an empty account: in moto and in ministack."""
    keys = {"aws_secret_access_key": "local", "region_name": REGION}
    if request.param == "ministack":
        url, account = request.getfixturevalue("ministack").url, str(next(_accounts))
        yield lambda name: boto3.client(name, endpoint_url=url, aws_access_key_id=account, **keys)
        return
    with moto.mock_aws():
        yield lambda name: boto3.client(name, aws_access_key_id="local", **keys)


@pytest.fixture
def dynamodb(aws):
    """A DynamoDB client whose account has the template's table and nothing in it."""
    client = aws("dynamodb")
    client.create_table(**_table_definition())
    return client


@pytest.fixture
def table_name():
    return _table_definition()["TableName"]


def _table_definition():
    return _stack(Stage="test", WeChatAppId="wx1234567890abcdef").tables[0].definition
