"""Blocks and roles: what the team decides, and what no login gets around."""

import itertools

import pytest

from tests.support import stored
from tests.support.world import APPID, World
from wechat_login.accounts.blocks import LONGEST_AFTER_ERASURE
from wechat_login.errors import BadRequest, SessionInvalid, UserBlocked

ALICE, BOB = "oI7xAlice012345678901234567A", "oI7xBob0012345678901234567890"
HOUR, DAY = 3600, 86_400


@pytest.fixture
def world(dynamodb, table_name):
    return World(dynamodb, table_name)


def update(world, openid=ALICE, **change):
    found = world.look_ups.users({"openid": openid})
    return world.operators.update(found, {"openid": openid, **change})


def block(world, openid=ALICE, **change):
    return update(world, openid, blocked=True, reason="spam", **change)


def test_a_block_ends_the_sessions_and_refuses_the_next_login(world):
    session = world.log_in(ALICE)

    (user,) = block(world)

    assert user.is_blocked(world.clock.now)
    assert stored.sessions(world.items()) == {}
    with pytest.raises(UserBlocked):
        world.sessions.authenticate(session)
    with pytest.raises(UserBlocked):
        world.log_in(ALICE)
    assert stored.sessions(world.items()) == {}


def test_only_who_had_a_session_learns_of_the_block(world):
    session = world.log_in(ALICE)
    block(world)

    with pytest.raises(SessionInvalid):
        world.sessions.authenticate(session[:-1] + ("A" if session[-1] != "A" else "B"))


def test_a_token_of_a_blocked_user_is_refused(world):
    session = world.session(ALICE)
    block(world)

    with pytest.raises(UserBlocked):
        world.sessions.resume(APPID, ALICE, session.sid, session.user.user_id)


def test_a_blocked_user_registers_no_number(world):
    session = world.session(ALICE)
    block(world)

    with pytest.raises(UserBlocked):
        world.register(session, "13800138000")
    assert stored.phone_claims(world.items()) == {}


def test_a_block_lifts_by_itself_at_its_end(world):
    world.log_in(ALICE)
    block(world, endsAt=int(world.clock.now) + HOUR)

    world.clock.sleep(HOUR - 1)
    with pytest.raises(UserBlocked):
        world.log_in(ALICE)
    world.clock.sleep(1)

    assert world.sessions.authenticate(world.log_in(ALICE)).user.openid == ALICE


def test_what_a_block_has_ended_stays_ended_after_it(world):
    session = world.log_in(ALICE)
    block(world)
    update(world, blocked=False)

    with pytest.raises(SessionInvalid):
        world.sessions.authenticate(session)
    assert world.log_in(ALICE)


@pytest.mark.parametrize("gone", ["erased by the user", "erased by WeChat"])
def test_a_block_survives_erasure_and_a_new_login(world, gone):
    world.log_in(ALICE)
    block(world)
    if gone == "erased by the user":
        world.erasure.erase_account(world.find(ALICE))
    else:
        world.erasure.erase_openid(APPID, ALICE, at=world.clock.now)

    assert stored.profiles(world.items()) == {}
    with pytest.raises(UserBlocked):
        world.log_in(ALICE)
    assert stored.profiles(world.items()) == {}


def test_what_outlives_an_erasure_names_nobody(world):
    world.log_in(ALICE)
    block(world)
    world.erasure.erase_account(world.find(ALICE))

    ((key, item),) = world.items().items()
    assert item.keys() == {"pk", "sk", "expiresAt"}
    assert ALICE not in repr((key, item))
    assert item["expiresAt"] == int(world.clock.now) + LONGEST_AFTER_ERASURE


def test_a_block_with_an_end_keeps_an_erased_user_out_until_then(world):
    world.log_in(ALICE)
    block(world, endsAt=int(world.clock.now) + HOUR)
    world.erasure.erase_account(world.find(ALICE))

    world.clock.sleep(HOUR)

    assert world.log_in(ALICE)


def test_the_block_of_an_erased_user_is_lifted_by_openid(world):
    world.log_in(ALICE)
    block(world)
    world.erasure.erase_account(world.find(ALICE))

    assert update(world, blocked=False) == []

    assert world.log_in(ALICE)


def test_a_block_is_for_all_who_share_the_account(dynamodb, table_name):
    world = World(dynamodb, table_name, "link")
    world.register(world.session(ALICE), "13800138000")
    session = world.session(BOB)
    world.register(session, "13800138000")

    assert {user.openid for user in block(world)} == {ALICE, BOB}

    with pytest.raises(UserBlocked):
        world.log_in(BOB)


def test_nobody_joins_a_blocked_account_by_its_number(dynamodb, table_name):
    world = World(dynamodb, table_name, "link")
    world.register(world.session(ALICE), "13800138000")
    block(world)

    with pytest.raises(UserBlocked):
        world.register(world.session(BOB), "13800138000")

    assert world.find(BOB).user_id != world.find(ALICE).user_id


def test_roles_are_set_replaced_and_removed(world):
    world.log_in(ALICE)

    assert update(world, roles=["editor", "admin"])[0].roles == {"admin", "editor"}
    assert update(world, roles=["editor"])[0].roles == {"editor"}
    assert world.find(ALICE).roles == {"editor"}
    assert update(world, roles=[])[0].roles == set()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"blocked": "yes", "reason": "spam"},
        {"blocked": True},
        {"blocked": True, "reason": ""},
        {"blocked": True, "reason": "two\nlines"},
        {"blocked": True, "reason": "x" * 201},
        {"blocked": True, "reason": "spam", "endsAt": 1},
        {"blocked": True, "reason": "spam", "endsAt": "tomorrow"},
        {"blocked": False, "endsAt": 2_000_000_000},
        {"roles": "admin"},
        {"roles": [""]},
        {"roles": ["two words"]},
        {"roles": ["x" * 65]},
        {"roles": [f"role{number}" for number in range(17)]},
        {"roles": [7]},
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(world, change):
    world.log_in(ALICE)
    before = world.items()

    with pytest.raises(BadRequest):
        update(world, **change)

    assert world.items() == before


def test_every_user_is_on_one_page_exactly(world):
    openids = [f"o-{number}" for number in range(25)]
    for openid in openids:
        world.log_in(openid)
        world.clock.sleep(1)
    found, after = [], None
    for _ in itertools.count():
        page = world.listing.page({"limit": 7, "next": after})
        made = [user.created_at for user in page.users]
        assert made == sorted(made)
        found += [user.openid for user in page.users]
        if not (after := page.next):
            break

    assert sorted(found) == sorted(openids)


def test_a_list_is_filtered(world):
    world.register(world.session(ALICE), "13800138000")
    world.log_in(BOB)
    block(world, BOB)

    def openids(**filters):
        return {user.openid for user in world.listing.page(filters).users}

    assert openids() == {ALICE, BOB}
    assert openids(registered=True) == openids(blocked=False) == {ALICE}
    assert openids(registered=False) == openids(blocked=True) == {BOB}
    assert openids(appid="wx1234567890abcdef") == {ALICE, BOB}
    assert openids(appid="wxfedcba0987654321") == set()


@pytest.mark.parametrize(
    "event",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "all"},
        {"next": "nonsense"},
        {"next": 3},
        {"blocked": "no"},
        {"appid": 3},
        {"page": 2},
    ],
)
def test_a_wrong_list_is_refused(world, event):
    with pytest.raises(BadRequest):
        world.listing.page(event)
