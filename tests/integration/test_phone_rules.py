"""The rules about numbers: requirement, ownership and changes."""

import jwt
import pytest

from tests.support import stored
from tests.support.callers import at_once

PHONE = "/wxa/business/getuserphonenumber"


def claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def same_number(wechat, *names):
    for name in names[1:]:
        wechat.set_phone(name, wechat.phone(names[0]).removeprefix("+86"))


def account(backend, somebody):
    return backend.call("show_account", session=somebody.session)[1]["data"]


def test_if_a_phone_is_required_there_is_no_token_without_one(backend):
    alice = backend.person("alice")

    login = alice.log_in()

    assert (login["registered"], login["token"], login["tokenExpiresIn"]) == (False, None, None)
    assert alice.look_up_token() == (200, {"success": True, "data": None, "expiresIn": None})


def test_a_token_shows_that_its_user_has_no_phone_if_none_is_required(deployed_with):
    backend = deployed_with(PhoneRequired="false")
    alice = backend.person("alice")

    login = alice.log_in()
    _, looked_up = alice.look_up_token()

    assert login["registered"] is False
    assert [
        claims(each)["phone_number_verified"] for each in (login["token"], looked_up["data"])
    ] == [
        False,
        False,
    ]
    sent = [("Authorization", f"Bearer {login['token']}")]
    assert backend.send("GET", "/userinfo", headers=sent).status == 200


def test_a_late_registration_keeps_the_user_id_and_the_token_shows_it(deployed_with):
    backend = deployed_with(PhoneRequired="false")
    alice = backend.person("alice")
    before = claims(alice.log_in()["token"])

    after = claims(alice.register())

    assert (before["phone_number_verified"], after["phone_number_verified"]) == (False, True)
    assert before["sub"] == after["sub"]


@pytest.mark.parametrize("conflict", ["transfer", "link", "reject"])
def test_ones_own_number_can_be_changed(deployed_with, wechat, conflict):
    backend = deployed_with(PhoneConflict=conflict)
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    former, user_id = alice.phone, account(backend, alice)["userId"]
    wechat.set_phone("alice", "13900000001")

    alice.register()

    wechat.set_phone("bob", former.removeprefix("+86"))
    bob.register()
    assert account(backend, alice)["phone"] == "139******01"
    assert account(backend, alice)["userId"] == user_id
    assert account(backend, bob)["userId"] != user_id
    assert len(stored.phone_claims(backend.items())) == 2
    assert stored.contradictions(backend.items()) == []


def test_transfer_moves_the_number_and_the_former_account_keeps_its_data(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    backend.call("update_account", session=alice.session, nickname="小丽")
    before = account(backend, alice)

    status, _ = (bob.log_in(), bob.tap())[1]

    after = account(backend, alice)
    assert status == 200
    assert after == {**before, "phone": None, "registeredAt": None}
    assert alice.look_up_token()[1]["data"] is None
    assert account(backend, bob)["userId"] != before["userId"]
    assert stored.contradictions(backend.items()) == []


def test_transfer_moves_a_number_back_with_a_new_tap(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    bob.register()

    alice.register()

    assert account(backend, alice)["phone"]
    assert account(backend, bob)["phone"] is None
    assert stored.contradictions(backend.items()) == []


def test_after_a_transfer_the_used_code_of_the_former_owner_brings_nothing_back(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    code = alice.phone_code()
    alice.register(code)
    bob.register()

    status, body = alice.tap(code)

    # For half a minute nobody knows whether the request that took the code still runs.
    assert (status, body["error"]["code"]) == (429, "too_many_attempts")
    assert account(backend, bob)["phone"]


def test_link_gives_the_earlier_accounts_user_id(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    alone = (bob.log_in(), account(backend, bob)["userId"])[1]

    token = bob.register()

    shared = account(backend, alice)["userId"]
    assert claims(token)["sub"] == shared != alone
    assert claims(token)["openid"] == bob.openid
    assert account(backend, bob)["userId"] == shared
    assert f"ID#{alone}" not in stored.id_claims(backend.items())
    assert alice.look_up_token()[1]["data"]
    assert stored.contradictions(backend.items()) == []


def test_a_token_of_before_the_linking_is_refused(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link", PhoneRequired="false")
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    before = bob.log_in()["token"]
    after = bob.register()

    sent = [[("Authorization", f"Bearer {token}")] for token in (before, after)]
    answers = [backend.send("GET", "/userinfo", headers=each) for each in sent]

    assert [answer.status for answer in answers] == [403, 200]


def test_a_shared_number_stays_with_the_other_user(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    bob.register()
    wechat.set_phone("bob", "13900000002")

    bob.register()

    found = backend.deployment.invoke("find_user", {"phone": alice.phone})["users"]
    assert [user["openid"] for user in found] == [alice.openid]
    assert account(backend, bob)["phone"] == "139******02"
    assert stored.contradictions(backend.items()) == []


def test_reject_refuses_the_second_and_changes_nothing(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    bob.log_in()
    before = (account(backend, alice), account(backend, bob), stored.phone_claims(backend.items()))

    status, body = bob.tap()

    assert (status, body["error"]["code"]) == (409, "phone_taken")
    assert before == (
        account(backend, alice),
        account(backend, bob),
        stored.phone_claims(backend.items()),
    )


def test_rejected_one_can_register_another_number(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    bob.log_in()
    bob.tap()
    wechat.set_phone("bob", "13900000002")

    status, _ = bob.tap()

    assert status == 200
    assert stored.contradictions(backend.items()) == []


def test_changing_a_number_while_another_user_claims_it_leaves_one_owner(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    same_number(wechat, "alice", "bob")
    alice.register()
    bob.log_in()
    claiming = bob.phone_code()
    wechat.set_phone("alice", "13900000001")
    changing = alice.phone_code()

    answers = at_once([lambda: alice.tap(changing), lambda: bob.tap(claiming)])

    assert [status for status, _ in answers] == [200, 200]
    assert account(backend, alice)["phone"] == "139******01"
    assert account(backend, bob)["phone"]
    assert stored.contradictions(backend.items()) == []


def test_two_who_swap_their_numbers_at_once_both_have_one(backend, wechat):
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    bob.register()
    hers, his = (each.phone.removeprefix("+86") for each in (alice, bob))
    wechat.set_phone("alice", his)
    wechat.set_phone("bob", hers)
    codes = alice.phone_code(), bob.phone_code()

    answers = at_once([lambda: alice.tap(codes[0]), lambda: bob.tap(codes[1])])

    assert [status for status, _ in answers] == [200, 200]
    assert stored.contradictions(backend.items()) == []
