"""SSM parameters: read together, cached for minutes, still used while SSM fails."""

import threading
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from stack.cloudformation import REGION
from tests.support.callers import at_once
from wechat_login.errors import Misconfigured, StorageUnavailable
from wechat_login.storage.parameters import Parameters

NAMES = {"app-secret": "/test/app-secret", "access-token": "/test/access-token"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/0"
READ = {"Names": list(NAMES.values()), "WithDecryption": True}


@pytest.fixture
def ssm(aws):
    client = aws("ssm")
    client.put_parameter(Name="/test/app-secret", Value="first", Type="SecureString")
    return client


@pytest.fixture
def stubbed():
    client = boto3.client(
        "ssm", region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
    )
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def answer(**values):
    found = [
        {"Name": NAMES[name.replace("_", "-")], "Value": value} for name, value in values.items()
    ]
    return {"Parameters": found}


def overwrite(ssm, value):
    ssm.put_parameter(Name="/test/app-secret", Value=value, Type="SecureString", Overwrite=True)


def test_a_secure_string_is_read_in_clear(ssm, clock):
    assert Parameters(ssm, NAMES, clock).get("app-secret") == "first"


def test_a_parameter_that_ssm_lacks_is_named(ssm, clock):
    parameters = Parameters(ssm, NAMES, clock)

    assert parameters.find("access-token") is None
    with pytest.raises(Misconfigured) as refusal:
        parameters.get("access-token")
    assert refusal.value.facts == {"missing_parameter": "/test/access-token"}


def test_a_value_is_kept_for_minutes(ssm, clock):
    parameters = Parameters(ssm, NAMES, clock)
    parameters.get("app-secret")
    overwrite(ssm, "second")

    clock.now += 200
    kept = parameters.get("app-secret")
    clock.now += 200
    renewed = parameters.get("app-secret")

    assert (kept, renewed) == ("first", "second")


@pytest.mark.parametrize("max_age", [0, 10, 60])
def test_a_value_can_be_wanted_fresher(ssm, clock, max_age):
    parameters = Parameters(ssm, NAMES, clock)
    parameters.get("app-secret")
    overwrite(ssm, "second")
    clock.now += max_age * 1.2 + 1

    assert parameters.find("app-secret", max_age=max_age) == "second"


def test_a_new_value_is_read_by_this_and_by_other_containers(ssm, clock):
    mine, theirs = (Parameters(ssm, NAMES, clock) for _ in range(2))

    mine.put("access-token", "shared")

    assert mine.find("access-token", max_age=600) == "shared"
    assert theirs.find("access-token") == "shared"


def test_all_names_are_read_in_one_call(stubbed, clock):
    client, stubber = stubbed
    stubber.add_response("get_parameters", answer(app_secret="s", access_token="t"), READ)
    parameters = Parameters(client, NAMES, clock)

    assert [parameters.get(name) for name in NAMES] == ["s", "t"]


def test_while_ssm_fails_the_last_values_serve_on_and_ssm_is_left_in_peace(stubbed, clock):
    client, stubber = stubbed
    stubber.add_response("get_parameters", answer(app_secret="s"), READ)
    stubber.add_client_error("get_parameters", "ThrottlingException")
    parameters = Parameters(client, NAMES, clock)
    parameters.get("app-secret")

    clock.now += 1000
    values = [parameters.get("app-secret") for _ in range(10)]

    assert values == ["s"] * 10


def test_after_a_pause_ssm_is_asked_again(stubbed, clock):
    client, stubber = stubbed
    stubber.add_response("get_parameters", answer(app_secret="s"), READ)
    stubber.add_client_error("get_parameters", "ThrottlingException")
    stubber.add_response("get_parameters", answer(app_secret="new"), READ)
    parameters = Parameters(client, NAMES, clock)
    parameters.get("app-secret")
    clock.now += 1000
    parameters.get("app-secret")

    clock.now += 6

    assert parameters.get("app-secret") == "new"


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "Unheard"])
def test_if_ssm_never_answered_storage_is_unavailable(stubbed, clock, code):
    client, stubber = stubbed
    stubber.add_client_error("get_parameters", code)

    with pytest.raises(StorageUnavailable) as failure:
        Parameters(client, NAMES, clock).get("app-secret")

    assert failure.value.facts["aws"] == code


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException"])
def test_a_missing_permission_is_the_operators_affair(stubbed, clock, code):
    client, stubber = stubbed
    stubber.add_client_error("get_parameters", code, "User is not authorized to see s3cret")

    with pytest.raises(Misconfigured) as failure:
        Parameters(client, NAMES, clock).get("app-secret")

    assert failure.value.__context__ is None
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        pytest.param("", {}, id="AWS's key"),
        pytest.param(KEY, {"KeyId": KEY}, id="your own"),
    ],
)
def test_a_value_is_written_under_the_key_that_was_chosen(stubbed, clock, chosen, sent):
    """SSM encrypts a value that comes without a key by AWS's, whichever the former one had."""
    client, stubber = stubbed
    stubber.add_response("put_parameter", {}, {**PUT, "Value": "t0ken", **sent})

    Parameters(client, NAMES, clock, chosen).put("access-token", "t0ken")


def test_a_failed_put_does_not_show_the_value(stubbed, clock):
    client, stubber = stubbed
    stubber.add_client_error(
        "put_parameter", "TooManyUpdates", "for value t0ken", expected_params={**PUT, "Value": ANY}
    )

    with pytest.raises(StorageUnavailable) as failure:
        Parameters(client, NAMES, clock).put("access-token", "t0ken")

    assert "t0ken" not in f"{failure.value!r} {failure.value}"
    assert failure.value.__context__ is None


PUT = {"Name": "/test/access-token", "Type": "SecureString", "Overwrite": True}


def test_without_a_network_storage_is_unavailable(clock):
    class Unplugged:
        def get_parameters(self, **_):
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    client: Any = Unplugged()
    with pytest.raises(StorageUnavailable):
        Parameters(client, NAMES, clock).get("app-secret")


def test_fifty_threads_that_want_a_value_at_once_read_once(clock):
    class Counting:
        calls = 0
        lock = threading.Lock()

        def get_parameters(self, **_):
            with self.lock:
                self.calls += 1
            return answer(app_secret="s")

    client: Any = Counting()
    parameters = Parameters(client, NAMES, clock)

    values = at_once([lambda: parameters.get("app-secret")] * 50)

    assert values == ["s"] * 50
    assert client.calls == 1


def test_a_replaced_value_is_read_again_at_once(ssm, clock):
    parameters = Parameters(ssm, NAMES, clock)
    parameters.get("app-secret")
    overwrite(ssm, "second")

    assert parameters.renewed("app-secret") == "second"


def test_however_often_a_value_is_found_replaced_ssm_is_asked_every_ten_seconds(ssm, clock):
    parameters = Parameters(ssm, NAMES, clock)
    parameters.renewed("app-secret")
    overwrite(ssm, "second")

    values = [parameters.renewed("app-secret") for _ in range(10)]
    clock.now += 10

    assert values == ["first"] * 10
    assert parameters.renewed("app-secret") == "second"
