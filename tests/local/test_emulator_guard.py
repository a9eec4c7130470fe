"""A local run's emulator, which has the AppSecret and all keys, answers only that run."""

import http.client
import json
import stat
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from local.backend import backend
from local.emulator import emulator
from local.emulator_guard import authorization
from local.running import announced
from stack.cloudformation import REGION

KEY = "0123456789abcdef0123456789abcdef"
NAME = "/test/app-secret"
READ_SECRET = (
    "POST",
    "/",
    json.dumps({"Names": [NAME], "WithDecryption": True}),
    {
        "X-Amz-Target": "AmazonSSM.GetParameters",
        "Content-Type": "application/x-amz-json-1.1",
    },
)
WIPE: tuple[str, str, str, dict[str, str]] = ("POST", "/_ministack/reset", "", {})


@pytest.fixture(scope="module")
def guarded():
    """An emulator that demands a key, with a secret in it."""
    with emulator(access_key=KEY) as running:
        ssm(running.url, KEY).put_parameter(Name=NAME, Value="app-secret", Type="SecureString")
        yield running


def ssm(url, key):
    return boto3.client(
        "ssm",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key="local",
    )


def status_of(url, request, **headers):
    method, path, body, own = request
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    sent = {"Host": address.netloc, "Authorization": authorization(KEY), **own, **headers}
    for name, value in {**sent, "Content-Length": str(len(body))}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body.encode())
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("request_", [READ_SECRET, WIPE], ids=["read", "wipe"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example:4566"}, id="another host"),
        pytest.param({"Origin": "https://evil.example"}, id="a page's origin"),
        pytest.param({"Origin": "http://127.0.0.1:3000"}, id="the demo's origin"),
        pytest.param({"Origin": "null"}, id="a sandboxed page"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, id="a page's request"),
        pytest.param({"Sec_Fetch_Site": "none"}, id="typed into a browser"),
        pytest.param({"Authorization": ""}, id="no key"),
        pytest.param({"Authorization": authorization("local")}, id="another key"),
        pytest.param({"Authorization": authorization(KEY[:-1])}, id="a part of the key"),
    ],
)
def test_a_request_that_is_not_the_runs_is_refused(guarded, request_, headers):
    assert status_of(guarded.url, request_, **headers) == 403
    assert secret_of(guarded.url) == "app-secret"


def secret_of(url):
    found = ssm(url, KEY).get_parameter(Name=NAME, WithDecryption=True)
    return found["Parameter"]["Value"]


def test_a_preflight_is_refused(guarded):
    asked = ("OPTIONS", "/", "", {"Access-Control-Request-Method": "POST"})
    assert status_of(guarded.url, asked, Origin="https://evil.example") == 403


def test_an_aws_client_with_the_key_is_answered_and_one_with_another_is_not(guarded):
    assert secret_of(guarded.url) == "app-secret"
    with pytest.raises(ClientError, match="403"):
        ssm(guarded.url, "123456789012").get_parameter(Name=NAME)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="any client"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="a page"),
        pytest.param({"Host": "evil.example"}, 403, id="another host"),
    ],
)
def test_without_a_key_only_pages_are_refused(ministack, headers, status):
    assert status_of(ministack.url, READ_SECRET, **headers) == status


def test_a_run_has_a_key_of_its_own_and_its_file_is_for_its_user_alone(tmp_path):
    (tmp_path / "running.json").write_text("{}")  # left by a killed run, for all to read
    keys = set()
    for _ in range(2):
        with backend() as running, announced(running, tmp_path):
            file = tmp_path / "running.json"
            content = json.loads(file.read_text())
            keys.add(content["accessKey"])
            named = running.api.stack.functions["Login"].environment["APP_SECRETS_PARAMETER"]
            read = ssm(content["aws"], content["accessKey"]).get_parameter(
                Name=named, WithDecryption=True
            )

            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            app_secrets = json.loads(read["Parameter"]["Value"])
            assert app_secrets[running.wechat.appid] == running.wechat.app_secret
            assert status_of(content["aws"], READ_SECRET) == 403
            assert content["accessKey"] not in repr(running)
        assert not file.exists()

    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)
