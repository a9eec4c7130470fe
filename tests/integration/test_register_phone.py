"""POST /phone: a getPhoneNumber code binds the number of the user who tapped."""

import pytest

from tests.support import stored

PHONE = "/wxa/business/getuserphonenumber"


@pytest.fixture
def items(backend):
    """Read the data of people, without attempts, which count even if they fail."""
    return lambda: stored.without_counters(backend.items())


def test_a_tap_binds_the_number_sealed_and_claims_it(person, items, wechat):
    alice = person("alice")

    alice.register()

    (profile,) = stored.profiles(items()).values()
    ((claim_key, claim),) = stored.phone_claims(items()).items()
    assert profile["phone"] != alice.phone
    assert claim_key == f"PHONE#{wechat.appid}#{profile['phoneIndex']}"
    assert claim["owners"] == [f"USER#{wechat.appid}#{alice.openid}"]
    assert stored.contradictions(items()) == []


def test_one_code_of_one_user_is_answered_again_but_exchanged_once(person, items, wechat):
    alice = person("alice")
    code = alice.phone_code()
    alice.register(code)
    before = items()

    status, body = alice.tap(code)

    assert status == 200
    assert body["data"].count(".") == 2
    assert items() == before
    assert wechat.asked(PHONE) == 1


def test_one_code_is_answered_again_in_another_session(person, wechat):
    alice = person("alice")
    code = alice.phone_code()
    alice.register(code)
    alice.log_in()

    status, _ = alice.tap(code)

    assert status == 200
    assert wechat.asked(PHONE) == 1


def test_another_users_phone_code_is_refused_and_stays_theirs(person, items):
    alice, mallory = person("alice"), person("mallory")
    alice.log_in()
    mallory.log_in()
    code = alice.phone_code()
    before = items()

    status, body = mallory.tap(code)

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == before
    assert alice.tap(code)[0] == 200


def test_another_users_used_phone_code_is_refused(person, items):
    alice, mallory = person("alice"), person("mallory")
    code = alice.phone_code()
    alice.register(code)
    mallory.log_in()
    before = items()

    status, body = mallory.tap(code)

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == before


def test_a_login_code_is_no_phone_code(person, items):
    alice = person("alice")
    alice.log_in()
    before = items()

    status, body = alice.tap(alice.login_code())

    assert (status, body["error"]["code"]) == (401, "code_rejected")
    assert items() == before


def test_a_code_that_was_used_for_an_earlier_number_is_refused(person, items):
    alice = person("alice")
    first = alice.phone_code()
    alice.register(first)
    alice.register(alice.phone_code())
    before = items()

    status, body = alice.tap(first)

    # For half a minute nobody knows whether the request that took the code still runs.
    assert (status, body["error"]["code"]) == (429, "too_many_attempts")
    assert items() == before


def test_a_new_number_frees_the_old_one(person, items, wechat):
    alice, bob = person("alice"), person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    wechat.set_phone("alice", "13900000001")
    alice.register()

    (claim,) = stored.phone_claims(items()).values()
    token = bob.register()

    assert claim["owners"] == [f"USER#{wechat.appid}#{alice.openid}"]
    assert token.count(".") == 2
    assert alice.look_up_token()[1]["data"]
    assert len(stored.phone_claims(items())) == 2
    assert stored.contradictions(items()) == []


def test_the_same_number_again_changes_nothing_but_the_code(person, items):
    alice = person("alice")
    alice.register()
    before = items()

    alice.register(alice.phone_code())

    (old,), (new,) = (stored.profiles(each).values() for each in (before, items()))
    assert old["userId"] == new["userId"]
    assert old["phoneIndex"] == new["phoneIndex"]
    assert stored.phone_claims(items()) == stored.phone_claims(before)


@pytest.mark.parametrize(
    ("country_code", "national"),
    [("852", "51234567"), ("1", "2066600001"), ("86", "13800138000"), ("599", "7123456")],
)
def test_numbers_of_other_countries_are_bound_too(person, items, wechat, country_code, national):
    wechat.set_phone("alice", national, country_code)

    person("alice").register()

    assert len(stored.phone_claims(items())) == 1


def test_one_number_in_two_countries_is_two_numbers(person, items, wechat):
    wechat.set_phone("alice", "13800138000", "86")
    wechat.set_phone("bob", "13800138000", "7")

    person("alice").register()
    person("bob").register()

    assert len(stored.phone_claims(items())) == 2


@pytest.mark.parametrize("national", ["1380013800013800", "1 380 013", "12"])
def test_a_number_that_is_none_is_not_bound(person, items, wechat, national):
    alice = person("alice")
    alice.log_in()
    before = items()
    code = alice.phone_code()
    wechat.person("alice").phone = type(wechat.person("alice").phone)(national)

    status, body = alice.tap(code)

    assert (status, body["success"]) == (400, False)
    assert items() == before


def register_same_number(backend, wechat):
    """Register alice, and then bob with the same number; return both and bob's answer."""
    alice, bob = backend.person("alice"), backend.person("bob")
    wechat.set_phone("alice", "13900000001")
    wechat.set_phone("bob", "13900000001")
    alice.register()
    bob.log_in()
    return alice, bob, bob.tap()


def test_transfer_gives_the_number_to_its_latest_owner(backend, wechat):
    alice, bob, (status, body) = register_same_number(backend, wechat)

    users = stored.profiles(backend.items())
    assert status == 200
    assert body["data"].count(".") == 2
    assert alice.look_up_token()[1]["data"] is None
    assert "phone" not in users[f"USER#{wechat.appid}#{alice.openid}"]
    assert len({user["userId"] for user in users.values()}) == 2
    assert stored.contradictions(backend.items()) == []
    assert bob.look_up_token()[1]["data"]


def test_after_a_transfer_the_earlier_account_registers_again_with_its_own_tap(backend, wechat):
    alice, bob, _ = register_same_number(backend, wechat)

    wechat.set_phone("alice", "13900000002")
    alice.register(alice.phone_code())

    assert alice.look_up_token()[1]["data"]
    assert bob.look_up_token()[1]["data"]
    assert stored.contradictions(backend.items()) == []


def test_after_a_transfer_the_earlier_accounts_old_code_does_not_register_it_again(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    wechat.set_phone("alice", "13900000001")
    wechat.set_phone("bob", "13900000001")
    code = alice.phone_code()
    alice.register(code)
    bob.register()

    status, body = alice.tap(code)

    # For half a minute nobody knows whether the request that took the code still runs.
    assert (status, body["error"]["code"]) == (429, "too_many_attempts")
    assert bob.look_up_token()[1]["data"]


def test_link_joins_the_earlier_account(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob, (status, _) = register_same_number(backend, wechat)

    users = stored.profiles(backend.items())
    assert status == 200
    assert len({user["userId"] for user in users.values()}) == 1
    assert alice.look_up_token()[1]["data"]
    assert bob.look_up_token()[1]["data"]
    assert len(stored.id_claims(backend.items())) == 1
    assert stored.contradictions(backend.items()) == []


def test_a_linked_user_who_changes_the_number_leaves_it_to_the_others(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob, _ = register_same_number(backend, wechat)

    wechat.set_phone("bob", "13900000002")
    bob.register(bob.phone_code())

    assert alice.look_up_token()[1]["data"]
    assert len(stored.phone_claims(backend.items())) == 2
    assert stored.contradictions(backend.items()) == []


def test_reject_leaves_the_number_where_it_is(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")
    alice, bob, (status, body) = register_same_number(backend, wechat)

    assert (status, body["error"]["code"]) == (409, "phone_taken")
    assert alice.look_up_token()[1]["data"]
    assert bob.look_up_token()[1]["data"] is None
    assert stored.contradictions(backend.items()) == []


def test_reject_writes_nothing(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")
    alice, bob = backend.person("alice"), backend.person("bob")
    wechat.set_phone("alice", "13900000001")
    wechat.set_phone("bob", "13900000001")
    alice.register()
    bob.log_in()
    before = stored.without_counters(backend.items())

    bob.tap()

    assert stored.without_counters(backend.items()) == before


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no code"),
        pytest.param({"code": ""}, id="empty code"),
        pytest.param({"code": 7}, id="code a number"),
        pytest.param({"code": "a b"}, id="code with a blank"),
        pytest.param({"code": "a" * 129}, id="code too long"),
        pytest.param({"code": "abc", "openid": 7}, id="openid a number"),
        pytest.param({"code": "abc", "openid": "o" * 129}, id="openid too long"),
        pytest.param({"code": "abc", "openid": ""}, id="no openid"),
    ],
)
def test_a_body_that_is_none_is_refused_before_wechat_is_asked(call, person, items, wechat, fields):
    alice = person("alice")
    alice.log_in()
    before = items()

    status, body = call(
        "register_phone", session=alice.session, **{"openid": alice.openid, **fields}
    )

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert wechat.asked(PHONE) == 0
    assert items() == before
