"""WeChat's access token: renewed on a schedule, shared by all containers, repaired by requests."""

import itertools
import json
import time

import boto3
import pytest
from botocore.config import Config

from simulated_wechat.rules import Request
from stack.cloudformation import REGION
from tests.support.backend import ACCESS_TOKEN
from tests.support.callers import at_once
from wechat_login import budget
from wechat_login.errors import AccessTokenRejected, WeChatUnavailable
from wechat_login.storage.lock import Lock
from wechat_login.storage.parameters import Parameters
from wechat_login.storage.table import Table
from wechat_login.wechat.access_token import LOCK_SECONDS, AccessTokens, ForcedRefreshes
from wechat_login.wechat.client import WeChatClient
from wechat_login.wechat.transport import Transport

STABLE = "/cgi-bin/stable_token"
PHONE = "/wxa/business/getuserphonenumber"


def force_elsewhere(wechat):
    """Revoke the access token, like another system with the same AppID."""
    body = {"grant_type": "client_credential", "appid": wechat.appid, "secret": wechat.app_secret}
    wechat.receive(
        Request("POST", STABLE, {}, json.dumps({**body, "force_refresh": True}).encode())
    )
    wechat.token_requests.clear()


def test_the_schedule_puts_a_token_where_requests_find_it(backend, person, wechat):
    backend.deployment.invoke("renew_access_token", {})
    person("alice").register()

    assert json.loads(backend.parameter(ACCESS_TOKEN))["expires_at"] > time.time() + 7000
    assert wechat.asked(STABLE) == 1


def test_the_schedule_keeps_a_token_that_is_still_good(backend):
    backend.deployment.invoke("renew_access_token", {})
    before = backend.parameter(ACCESS_TOKEN)

    backend.deployment.invoke("renew_access_token", {})

    assert backend.parameter(ACCESS_TOKEN) == before


def test_the_schedule_never_forces(backend, wechat):
    for _ in range(3):
        backend.deployment.invoke("renew_access_token", {})

    assert wechat.token_requests == [False] * 3


def test_the_schedule_replaces_a_token_that_was_killed(backend, wechat):
    backend.deployment.invoke("renew_access_token", {})
    before = backend.parameter(ACCESS_TOKEN)
    force_elsewhere(wechat)

    backend.deployment.invoke("renew_access_token", {})

    assert backend.parameter(ACCESS_TOKEN) != before


def test_the_schedule_fails_loudly_so_that_lambda_tries_again(backend, wechat):
    wechat.fault(STABLE, "errcode", 10, errcode=-1)

    with pytest.raises(Exception, match="WeChatUnavailable"):
        backend.deployment.invoke("renew_access_token", {})


def test_a_token_killed_elsewhere_heals_within_the_request(person, wechat):
    alice = person("alice")
    alice.register()
    force_elsewhere(wechat)

    status, _ = alice.tap()

    assert status == 200
    assert wechat.token_requests == [False]
    assert wechat.calls()["paths"][PHONE]["outcomes"] == {"0": 2, "40001": 1}


def test_a_token_another_container_has_replaced_is_found_without_asking_wechat(
    backend, person, wechat
):
    alice = person("alice")
    alice.register()
    force_elsewhere(wechat)
    # Like another container, which requests the token and shares it.
    body = {"grant_type": "client_credential", "appid": wechat.appid, "secret": wechat.app_secret}
    given = json.loads(wechat.receive(Request("POST", STABLE, {}, json.dumps(body).encode())).body)
    shared = {"token": given["access_token"], "expires_at": int(time.time()) + given["expires_in"]}
    backend.set_parameter(ACCESS_TOKEN, json.dumps(shared))
    wechat.token_requests.clear()

    status, _ = alice.tap()

    assert status == 200
    assert wechat.token_requests == []


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_good_token_that_wechat_refuses_is_forced_once(backend, person, wechat, errcode):
    alice = person("alice")
    alice.register()
    before = backend.parameter(ACCESS_TOKEN)
    wechat.token_requests.clear()
    wechat.fault(PHONE, "errcode", errcode=errcode)

    status, _ = alice.tap()

    assert status == 200
    assert wechat.token_requests == [False, True]
    assert backend.parameter(ACCESS_TOKEN) != before


def test_the_next_forced_refresh_waits_for_half_a_minute(person, wechat):
    alice = person("alice")
    alice.register()
    wechat.fault(PHONE, "errcode", errcode=40001)
    alice.tap()
    wechat.token_requests.clear()
    wechat.fault(PHONE, "errcode", errcode=40001)

    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert True not in wechat.token_requests


def test_a_call_is_repeated_once_and_no_more(person, wechat):
    alice = person("alice")
    alice.log_in()
    wechat.fault(PHONE, "errcode", 10, errcode=40001)

    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (502, "wechat_unavailable")
    assert wechat.asked(PHONE) == 2


def test_a_token_about_to_expire_is_not_used(backend, person, wechat):
    backend.deployment.invoke("renew_access_token", {})
    dying = {**json.loads(backend.parameter(ACCESS_TOKEN)), "expires_at": int(time.time()) + 20}
    backend.set_parameter(ACCESS_TOKEN, json.dumps(dying))
    backend.cold_start()

    person("alice").register()

    assert wechat.asked(STABLE) == 2


@pytest.mark.parametrize("text", ["-", "{", "{}", "[]", '{"token": "x"}', '{"expires_at": 1}'])
def test_an_invalid_token_in_ssm_is_replaced(backend, person, wechat, text):
    backend.set_parameter(ACCESS_TOKEN, text)

    person("alice").register()

    assert wechat.asked(STABLE) == 1
    assert json.loads(backend.parameter(ACCESS_TOKEN))["token"]


class Container:
    """The parts that get an access token, built as in wiring, with empty memory."""

    def __init__(self, backend, wechat_url, clients, seconds=20.0):
        deadline = time.monotonic() + seconds
        wechat, time_left = backend.wechat, lambda: deadline - time.monotonic()
        names = {name: backend.parameter_name(name) for name in ("app-secrets", ACCESS_TOKEN)}
        self.parameters = Parameters(clients["ssm"], names)
        self.client = WeChatClient(
            transport=Transport(wechat_url),
            appid=wechat.appid,
            app_secret=lambda: json.loads(self.parameters.get("app-secrets"))[wechat.appid],
            renewed_app_secret=lambda: json.loads(self.parameters.renewed("app-secrets"))[
                wechat.appid
            ],
            connect_timeout=2,
            read_timeout=5,
            reserve=budget.AFTER_WECHAT,
            time_left=time_left,
            observe=lambda *_: None,
        )
        self.table = Table(clients["dynamodb"], backend.table, time_left)
        self.tokens = AccessTokens(
            parameters=self.parameters,
            lock=self.lock(LOCK_SECONDS),
            forced=ForcedRefreshes(self.table, appid=wechat.appid),
            fetch=self.client.stable_token,
            appid=wechat.appid,
            count=lambda **_: None,
            time_left=time_left,
            reserve=budget.RENEWAL,
        )

    def lock(self, seconds):
        return Lock(self.table, "access-token", seconds=seconds)


@pytest.fixture
def containers(backend, wechat_url):
    """Make this number of cold containers of one deployment."""
    config = Config(max_pool_connections=100)
    clients = {
        name: boto3.client(name, region_name=REGION, config=config) for name in ("ssm", "dynamodb")
    }
    return lambda count: [Container(backend, wechat_url, clients) for _ in range(count)]


def the_token(container):
    return lambda: container.tokens.call(lambda token: token)


def test_fifty_cold_containers_ask_wechat_at_most_twice(containers, wechat):
    tokens = at_once([the_token(each) for each in containers(50)])

    assert len(set(tokens)) == 1
    assert len(wechat.token_requests) <= 2


def test_fifty_cold_containers_ask_nothing_when_the_token_lies_in_ssm(backend, containers, wechat):
    backend.deployment.invoke("renew_access_token", {})
    wechat.token_requests.clear()

    tokens = at_once([the_token(each) for each in containers(50)])

    assert len(set(tokens)) == 1
    assert wechat.token_requests == []


def test_fifty_containers_with_a_dead_token_force_at_most_once(backend, containers, wechat):
    backend.deployment.invoke("renew_access_token", {})
    wechat.token_requests.clear()
    dead = json.loads(backend.parameter(ACCESS_TOKEN))["token"]

    def use(token):
        if token == dead:
            raise AccessTokenRejected
        return token

    results = at_once([lambda each=each: each.tokens.call(use) for each in containers(50)])

    assert dead not in results
    assert wechat.token_requests.count(True) == 1
    assert wechat.token_requests.count(False) <= 2


def test_a_container_that_died_holding_the_lock_delays_the_others_only_for_its_time(containers):
    dead, living = containers(2)
    dead.lock(1).acquire()

    began = time.monotonic()
    token = the_token(living)()

    assert token
    assert time.monotonic() - began < 5


def test_a_slow_renewal_elsewhere_is_reported_in_time(backend, wechat_url, wechat):
    clients = {"ssm": backend.ssm, "dynamodb": backend.dynamodb}
    container = Container(backend, wechat_url, clients, seconds=3.0)
    container.lock(60).acquire()

    began = time.monotonic()
    with pytest.raises(WeChatUnavailable):
        the_token(container)()

    assert time.monotonic() - began < 3
    assert wechat.token_requests == []


def test_an_app_secret_rotated_without_a_redeploy_heals(backend, wechat_url, wechat):
    seconds = itertools.count(1_800_000_000, 60)
    container = Container(backend, wechat_url, {"ssm": backend.ssm, "dynamodb": backend.dynamodb})
    container.parameters = Parameters(
        backend.ssm, {"app-secrets": backend.parameter_name("app-secrets")}, lambda: next(seconds)
    )
    container.client.jscode2session(wechat.login_code("alice"))
    wechat.rotate_app_secret("fedcba9876543210fedcba9876543210")
    backend.set_app_secret(wechat.app_secret)

    identity = container.client.jscode2session(wechat.login_code("alice"))

    assert identity.openid == wechat.openid("alice")
    assert wechat.calls()["paths"]["/sns/jscode2session"]["outcomes"] == {"0": 2, "40125": 1}
