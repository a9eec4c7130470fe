"""Requests of strangers cost nothing: WeChat is only asked with a session or a login code."""

import itertools
import json

import pytest
import requests

from simulated_wechat import serve
from tests.support.callers import at_once

PHONE = "/wxa/business/getuserphonenumber"
SPENT = 5
CODE = "0" * 32
CREDENTIALS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer nonsense",
    "Bearer {openid}." + "A" * 43,
    "Bearer o" + "A" * 27 + "." + "A" * 43,
    "Bearer {openid}",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
    "Bearer {openid}." + "A" * 43 + ", Bearer {openid}." + "A" * 43,
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"nonsense",
    json.dumps({"openid": "{openid}", "code": CODE}).encode(),
    json.dumps({"openid": "{openid}", "encryptedData": "A" * 64, "iv": "A" * 24}).encode(),
    json.dumps({"openid": "{openid}", "receipt": "k1." + "A" * 64}).encode(),
    json.dumps({"nickname": "Mallory", "everywhere": True}).encode(),
]


@pytest.fixture
def asked(wechat):
    """The calls that the simulated WeChat has recorded: `asked()`."""
    server = serve(wechat)
    yield lambda: requests.get(f"{server.url}/simulated/calls", timeout=20).json()
    server.stop()


def with_everything(deployed_with):
    """Deploy with every setting that causes more calls of WeChat."""
    return deployed_with(
        LegacyPhone="true", RiskLimit="4", CheckContent="true", PhoneRequired="false"
    )


def test_without_a_session_no_route_but_the_login_asks_wechat(deployed_with, asked):
    backend = with_everything(deployed_with)
    openid = (backend.person("alice").register(), backend.person("alice").openid)[1]
    before, table = asked(), backend.items()
    routes = [(each.method, each.path) for each in backend.deployment.stack.routes]
    # Public, but the scan of the output takes public keys for secrets.
    routes.remove(("GET", "/.well-known/jwks.json"))
    requests.get(f"{backend.url}/.well-known/jwks.json", timeout=20)
    assert len(routes) >= 12

    statuses = set()
    for (method, path), credential in itertools.product(routes, CREDENTIALS):
        for body in [b""] if method == "GET" else BODIES:
            if (method, path) == ("POST", "/login") and b"code" in body:
                continue
            sent = body.replace(b"{openid}", openid.encode())
            headers = [("Content-Type", "application/json")]
            if credential is not None:
                headers.append(("Authorization", credential.format(openid=openid)))
            statuses.add(backend.send(method, path, sent, headers).status)

    assert statuses == {200, 400, 401, 403}
    assert asked() == before
    assert backend.items() == table


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "a b",
        "x" * 129,
        "../cgi-bin/token",
        "a&secret=b",
        "代码",
        "the code is a mock one",
        7,
    ],
)
def test_an_impossible_login_code_is_not_sent_to_wechat(backend, asked, code):
    before = asked()

    status, body = backend.call("login", code=code)

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert asked() == before


def test_a_login_code_costs_one_question_and_no_access_token(backend, wechat):
    status, _ = backend.call("login", code=CODE)

    assert status == 401
    assert wechat.asked("/sns/jscode2session") == 1
    assert wechat.asked("/cgi-bin/stable_token") == 0


def test_another_users_session_asks_wechat_nothing(deployed_with, asked):
    backend = with_everything(deployed_with)
    alice, mallory = backend.person("alice"), backend.person("mallory")
    alice.log_in()
    mallory.log_in()
    before = asked()

    answers = [
        backend.call("register_phone", session=mallory.session, openid=alice.openid, **each)
        for each in ({"code": CODE}, {"encryptedData": "A" * 64, "iv": "A" * 24}, {"receipt": "x"})
    ]

    assert [(status, body["error"]["code"]) for status, body in answers] == [
        (403, "session_mismatch")
    ] * 3
    assert asked() == before


def test_of_wrong_codes_wechat_sees_only_so_many_and_the_rest_have_to_wait(backend, wechat):
    mallory, alice = backend.person("mallory"), backend.person("alice")
    mallory.log_in()

    answers = [tap(backend, mallory, f"no-code-of-wechat-{n}") for n in range(8)]

    assert [answer.status for answer in answers] == [401] * SPENT + [429] * 3
    assert all(1 <= int(answer.headers["retry-after"]) <= 600 for answer in answers[SPENT:])
    assert wechat.asked(PHONE) == SPENT
    assert alice.register().count(".") == 2


def test_attempts_are_counted_exactly_when_they_come_at_once(backend, wechat):
    mallory = backend.person("mallory")
    mallory.log_in()
    backend.deployment.invoke("renew_access_token", {})

    answers = at_once(
        [lambda n=n: tap(backend, mallory, f"no-code-of-wechat-{n}") for n in range(20)]
    )

    assert sorted(answer.status for answer in answers) == [401] * SPENT + [429] * 15
    assert wechat.asked(PHONE) == SPENT


def test_a_new_session_gives_no_new_attempts(backend, wechat):
    mallory = backend.person("mallory")
    for n in range(SPENT):
        mallory.log_in()
        tap(backend, mallory, f"no-code-of-wechat-{n}")
    mallory.log_in()

    answer = tap(backend, mallory, "another-code")

    assert answer.status == 429
    assert wechat.asked(PHONE) == SPENT


def test_a_registered_user_can_resend_the_same_code_when_attempts_are_used_up(backend):
    alice = backend.person("alice")
    alice.log_in()
    for n in range(SPENT - 1):
        tap(backend, alice, f"no-code-of-wechat-{n}")
    code = alice.phone_code()
    alice.register(code)

    again, other = tap(backend, alice, code), tap(backend, alice, "another-code")

    assert (again.status, other.status) == (200, 429)


def tap(backend, somebody, code):
    body = json.dumps({"openid": somebody.openid, "code": code}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {somebody.session}"}
    return backend.send("POST", "/phone", body, headers.items())


def test_attempts_are_counted_without_a_name(backend):
    mallory = backend.person("mallory")
    mallory.log_in()
    tap(backend, mallory, "no-code-of-wechat")

    (counter,) = [item for (pk, _), item in backend.items().items() if pk.startswith("ATTEMPTS#")]

    assert len(counter["proofs"]) == 1
    assert mallory.openid not in repr(counter)
