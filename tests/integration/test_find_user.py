"""find_user and erase_user: for the team's own services, by userId, openid or number."""

import pytest

from local.functions import FunctionError
from stack.template import TEMPLATE


def find(backend, **by):
    return backend.deployment.invoke("find_user", by)["users"]


@pytest.fixture
def alice(backend):
    alice = backend.person("alice")
    alice.register()
    backend.call("update_account", session=alice.session, nickname="小丽")
    return alice


@pytest.mark.parametrize("by", ["userId", "openid", "phone"])
def test_a_user_is_found_by_each_name_with_the_number_in_clear(backend, alice, wechat, by):
    _, body = backend.call("show_account", session=alice.session)
    names = {"userId": body["data"]["userId"], "openid": alice.openid, "phone": alice.phone}

    (user,) = find(backend, **{by: names[by]})

    assert user.items() >= names.items()
    assert user.items() >= {**body["data"], "phone": alice.phone, "nickname": "小丽"}.items()
    assert user["appid"] == wechat.appid
    assert user.keys() == body["data"].keys() | {
        "appid",
        "lastLoginAt",
        "updatedAt",
        "roles",
        "blocked",
    }


@pytest.mark.parametrize("appid", [None, ""])
def test_no_appid_means_the_first_mini_program(backend, alice, appid):
    (user,) = find(backend, openid=alice.openid, appid=appid)

    assert user["openid"] == alice.openid


def test_the_found_leaks_show_no_secret(backend, alice):
    (user,) = find(backend, openid=alice.openid)

    assert user.keys().isdisjoint({"session", "phoneIndex", "phoneCodeHash", "sessionKey"})
    assert alice.session.split(".")[-1] not in repr(user)


@pytest.mark.parametrize(
    "by",
    [
        {"userId": "019a0000-0000-7000-8000-000000000000"},
        {"openid": "o" + "A" * 27},
        {"phone": "+8613900000000"},
        {"userId": ""},
        {"openid": "x#PROFILE"},
    ],
)
def test_nobody_is_found_where_there_is_nobody(backend, alice, by):
    assert find(backend, openid=alice.openid)
    assert find(backend, **by) == []


@pytest.mark.parametrize("function", ["find_user", "erase_user"])
@pytest.mark.parametrize(
    "event",
    [
        {},
        {"openid": None},
        {"phone": 8613800138000},
        {"phone": "13900000000"},
        {"phone": "nonsense"},
        {"name": "a"},
    ],
)
def test_a_question_about_nobody_fails(backend, event, function):
    with pytest.raises(FunctionError, match="BadRequest"):
        backend.deployment.invoke(function, event)


def test_an_unregistered_user_is_found_without_a_number(backend):
    bob = backend.person("bob")
    bob.log_in()

    (user,) = find(backend, openid=bob.openid)

    assert (user["phone"], user["registeredAt"]) == (None, None)


def test_a_number_that_moved_finds_its_new_owner_only(backend, alice, wechat):
    bob = backend.person("bob")
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()

    found = find(backend, phone=alice.phone)

    assert [user["openid"] for user in found] == [bob.openid]
    assert find(backend, openid=alice.openid)[0]["phone"] is None


def test_linked_users_are_found_together(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()

    by_phone = find(backend, phone=alice.phone)
    by_id = find(backend, userId=by_phone[0]["userId"])

    assert {user["openid"] for user in by_phone} == {alice.openid, bob.openid}
    assert by_id == by_phone


def test_an_erased_user_is_not_found(backend, alice):
    (user,) = find(backend, openid=alice.openid)
    backend.call("erase_account", session=alice.session)

    assert find(backend, openid=alice.openid) == []
    assert find(backend, phone=alice.phone) == []
    assert find(backend, userId=user["userId"]) == []


@pytest.mark.parametrize("by", ["userId", "openid", "phone"])
def test_the_team_erases_a_user_who_cannot_log_in(backend, alice, by):
    (user,) = find(backend, openid=alice.openid)
    bob = backend.person("bob")
    bob.register()
    before = {key for key in backend.items() if alice.openid not in key[0]}

    assert backend.deployment.invoke("erase_user", {by: user[by]}) == {"erased": 1}

    assert {key for key in backend.items() if alice.openid in key[0]} == set()
    claims = {f"ID#{user['userId']}"}
    left = {key for key in before if key[0] not in claims and key in backend.items()}
    assert len(before) - len(left) == 3  # alice's claims on her userId, her unionid and her number
    assert backend.call("show_account", session=alice.session)[0] == 401
    assert backend.call("show_account", session=bob.session)[0] == 200
    assert backend.deployment.invoke("erase_user", {by: user[by]}) == {"erased": 0}


def test_linked_users_are_erased_with_their_account(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()
    (user, _) = find(backend, phone=alice.phone)

    assert backend.deployment.invoke("erase_user", {"userId": user["userId"]}) == {"erased": 2}

    assert {key[0].partition("#")[0] for key in backend.items()} <= {"ATTEMPTS", "LOCK"}


def test_no_route_leads_to_the_teams_own_functions(backend):
    functions = {route.function for route in backend.deployment.stack.routes}

    assert functions.isdisjoint(
        {"FindUser", "EraseUser", "RotateSigningKeys", "RenewAccessToken", "Authorize"}
    )
    assert "FunctionUrlConfig" not in TEMPLATE.read_text("utf-8")
