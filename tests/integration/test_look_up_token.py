"""POST /token: an openid and its session become the app token of a registered user."""

import json
import time

import jwt
import pytest

from tests.support import stored
from tests.support.backend import ISSUER

DAY = 86_400


def verified(token, public_keys, **expected):
    """Verify like any other service: PyJWT with `cryptography`, and the published keys."""
    keys = jwt.PyJWKSet.from_dict(public_keys)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], **expected)


def session_key(backend):
    ((key, _),) = stored.sessions(backend.items()).items()
    return key


def test_an_unregistered_user_gets_null(person, items):
    alice = person("alice")
    alice.log_in()
    before = items()

    status, body = alice.look_up_token()

    assert (status, body) == (200, {"success": True, "data": None, "expiresIn": None})
    assert items() == before


def test_a_registered_user_gets_a_token_that_any_service_can_verify(backend, person, wechat):
    alice = person("alice")
    alice.register()

    _, body = alice.look_up_token()

    claims = verified(body["data"], backend.public_keys(), audience=wechat.appid, issuer=ISSUER)
    (profile,) = stored.profiles(backend.items()).values()
    assert claims["sub"] == profile["userId"]
    assert claims["openid"] == alice.openid
    assert claims["client_id"] == wechat.appid
    assert claims["phone_number_verified"] is True
    assert claims["exp"] - time.time() == pytest.approx(7200, abs=10)
    assert jwt.get_unverified_header(body["data"])["typ"] == "at+jwt"


def test_a_token_names_its_session_and_is_never_the_same_twice(backend, person, wechat):
    alice = person("alice")
    alice.register()

    tokens = [alice.look_up_token()[1]["data"] for _ in range(2)]

    keys, expected = backend.public_keys(), {"audience": wechat.appid, "issuer": ISSUER}
    first, second = (verified(token, keys, **expected) for token in tokens)
    _, sid = session_key(backend)
    assert first["sid"] == second["sid"] == sid
    assert first["jti"] != second["jti"]


def test_the_issuer_is_the_domain_name_where_none_is_set(deployed_with, wechat):
    backend = deployed_with(Issuer="")
    alice = backend.person("alice")
    token = alice.register()

    claims = verified(token, backend.public_keys(), audience=wechat.appid)

    assert claims["iss"] == backend.url.replace("http://", "https://")


def test_audience_and_lifetime_are_the_deployments_choice(deployed_with):
    backend = deployed_with(TokenAudience="our-services", TokenSeconds="300")
    alice = backend.person("alice")
    alice.register()

    _, body = alice.look_up_token()

    claims = verified(body["data"], backend.public_keys(), audience="our-services")
    assert body["expiresIn"] == 300
    assert claims["exp"] - time.time() == pytest.approx(300, abs=10)


def test_a_token_shows_a_missing_phone_if_none_is_required(deployed_with, wechat):
    backend = deployed_with(PhoneRequired="false")
    alice = backend.person("alice")
    alice.log_in()

    _, body = alice.look_up_token()

    claims = verified(body["data"], backend.public_keys(), audience=wechat.appid)
    assert claims["phone_number_verified"] is False


@pytest.mark.parametrize("function", ["look_up_token", "register_phone"])
def test_an_openid_alone_opens_nothing(call, items, person, wechat, function):
    alice = person("alice")
    alice.register()
    before, asked = items(), wechat.asked("/wxa/business/getuserphonenumber")

    status, body = call(function, openid=alice.openid, code=alice.phone_code())

    assert (status, body["error"]["code"]) == (401, "session_required")
    assert items() == before
    assert wechat.asked("/wxa/business/getuserphonenumber") == asked


@pytest.mark.parametrize("function", ["look_up_token", "register_phone"])
def test_another_users_session_opens_nothing(call, items, person, wechat, function):
    alice, mallory = person("alice"), person("mallory")
    alice.register()
    mallory.log_in()
    before, asked = items(), wechat.asked("/wxa/business/getuserphonenumber")

    status, body = call(
        function, session=mallory.session, openid=alice.openid, code=mallory.phone_code()
    )

    assert (status, body["error"]["code"]) == (403, "session_mismatch")
    assert items() == before
    assert wechat.asked("/wxa/business/getuserphonenumber") == asked


FORGERIES = [
    pytest.param(lambda mine, _: f"{mine[:-1]}{'A' if mine[-1] != 'A' else 'Q'}", id="one letter"),
    pytest.param(lambda mine, _: mine[:-1], id="shorter"),
    pytest.param(lambda mine, _: f"{mine}A", id="longer"),
    pytest.param(lambda mine, _: mine.partition(".")[0], id="no secret"),
    pytest.param(lambda mine, _: f"{mine.partition('.')[0]}.", id="empty secret"),
    pytest.param(lambda mine, _: f".{mine.partition('.')[2]}", id="no openid"),
    pytest.param(
        lambda mine, other: f"{mine.partition('.')[0]}.{other.partition('.')[2]}",
        id="another user's secret under my openid",
    ),
    pytest.param(lambda mine, _: f"{mine}.{mine}", id="twice"),
    pytest.param(lambda mine, _: f"{mine.partition('.')[0]}.{'*' * 43}", id="other letters"),
    pytest.param(lambda mine, _: f"{mine.partition('.')[0]}#.{mine.partition('.')[2]}", id="hash"),
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_session_opens_nothing(call, items, person, forge):
    alice, mallory = person("alice"), person("mallory")
    alice.register()
    mallory.log_in()
    before = items()

    forged = forge(alice.session, mallory.session)
    status, body = call("look_up_token", session=forged, openid=alice.openid)

    assert status in {401, 403}
    assert body["error"]["code"] in {"session_invalid", "session_mismatch"}
    assert items() == before


def test_a_stored_hash_is_no_session(call, backend, person):
    alice = person("alice")
    alice.register()
    _, sid = session_key(backend)

    stolen = f"{alice.openid}.{sid}"
    status, body = call("look_up_token", session=stolen, openid=alice.openid)

    assert (status, body["error"]["code"]) == (401, "session_invalid")


@pytest.mark.parametrize(
    "credential",
    [
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="scheme alone"),
        pytest.param("Bearer   ", id="blanks"),
        pytest.param("Basic {session}", id="other scheme"),
        pytest.param("{session}", id="no scheme"),
    ],
)
def test_without_bearer_there_is_no_session(backend, person, credential):
    alice = person("alice")
    alice.log_in()
    body = json.dumps({"openid": alice.openid}).encode()
    value = credential.format(session=alice.session)

    answer = backend.send(
        "POST", "/token", body, [("Content-Type", "application/json"), ("Authorization", value)]
    )

    assert (answer.status, answer.body["error"]["code"]) == (401, "session_required")


@pytest.mark.parametrize("name", ["authorization", "AUTHORIZATION", "Authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_header_and_scheme_are_read_in_any_case(backend, person, name, scheme):
    alice = person("alice")
    alice.log_in()
    body = json.dumps({"openid": alice.openid}).encode()

    answer = backend.send(
        "POST",
        "/token",
        body,
        [("Content-Type", "application/json"), (name, f"{scheme} {alice.session}")],
    )

    assert answer.status == 200


def test_two_authorization_headers_are_no_session(backend, person):
    alice = person("alice")
    alice.log_in()
    body = json.dumps({"openid": alice.openid}).encode()
    mine = ("Authorization", f"Bearer {alice.session}")

    answer = backend.send(
        "POST", "/token", body, [("Content-Type", "application/json"), mine, mine]
    )

    assert (answer.status, answer.body["error"]["code"]) == (401, "session_invalid")


def test_an_expired_session_opens_nothing_though_it_still_lies_in_the_table(backend, person):
    alice = person("alice")
    alice.register()
    backend.change_session(session_key(backend), usedAt=int(time.time()) - 30 * DAY)
    before = backend.items()

    status, body = alice.look_up_token()

    assert (status, body["error"]["code"]) == (401, "session_invalid")
    assert backend.items() == before


def test_an_expired_session_registers_no_phone(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    backend.change_session(session_key(backend), usedAt=int(time.time()) - 31 * DAY)
    before = backend.items()

    status, body = alice.tap()

    assert (status, body["error"]["code"]) == (401, "session_invalid")
    assert backend.items() == before
    assert wechat.asked("/wxa/business/getuserphonenumber") == 0


def test_a_session_is_extended_once_a_day(backend, person):
    alice = person("alice")
    alice.log_in()
    key = session_key(backend)
    backend.change_session(key, usedAt=int(time.time()) - DAY)

    alice.look_up_token()
    extended = backend.items()
    alice.look_up_token()

    assert time.time() - stored.sessions(extended)[key]["usedAt"] < 10
    assert backend.items() == extended


def test_a_shorter_session_days_applies_at_once(deployed_with):
    backend = deployed_with()
    alice = backend.person("alice")
    alice.log_in()
    backend.change_session(session_key(backend), usedAt=int(time.time()) - 8 * DAY)

    again = deployed_with(SessionDays="7")

    status, body = again.call("look_up_token", session=alice.session, openid=alice.openid)
    assert (status, body["error"]["code"]) == (401, "session_invalid")


def test_a_session_lasts_as_many_days_as_the_deployment_says(deployed_with):
    backend = deployed_with(SessionDays="7")
    alice = backend.person("alice")

    answer = alice.log_in()

    (shown,) = backend.call("list_sessions", session=alice.session)[1]["data"]
    assert answer["sessionExpiresIn"] == 7 * DAY
    assert shown["expiresAt"] - time.time() == pytest.approx(7 * DAY, abs=10)


def test_a_token_is_no_session(call, person):
    alice = person("alice")
    token = alice.register()

    status, body = call("look_up_token", session=token, openid=alice.openid)

    assert (status, body["error"]["code"]) == (401, "session_invalid")
