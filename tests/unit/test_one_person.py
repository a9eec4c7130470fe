"""One person in several mini programs: one userId, by a claim on the unionid."""

import logging
from contextlib import suppress

import pytest

from tests.support import stored
from tests.support.callers import at_once
from tests.support.interrupted import Interrupted
from tests.support.races import on_ministack
from tests.support.world import APPID, SECOND, World
from wechat_login.errors import BadRequest, LoginError, SessionInvalid

HERE, THERE, UNIONID = "oHereAlice", "oThereAlice", "oUAlice"


@pytest.fixture
def world(dynamodb, table_name):
    return World(dynamodb, table_name)


def user_id(world, openid, appid=APPID):
    return world.find(openid, appid).user_id


def two_user_ids(world):
    """Let alice be known in both mini programs before WeChat gives her unionid."""
    world.log_in(HERE)
    world.clock.now += 60
    world.log_in(THERE, appid=SECOND)
    world.log_in(HERE, UNIONID)
    world.log_in(THERE, UNIONID, appid=SECOND)
    return user_id(world, HERE), user_id(world, THERE, SECOND)


def test_the_first_login_in_a_second_mini_program_joins_the_user_id(world):
    world.log_in(HERE, UNIONID)
    world.log_in(THERE, UNIONID, appid=SECOND)

    assert user_id(world, HERE) == user_id(world, THERE, SECOND)
    assert len(world.users.with_unionid(UNIONID)) == 2
    assert world.contradictions() == []


def test_people_without_a_unionid_stay_two(world):
    world.log_in(HERE)
    world.log_in(THERE, appid=SECOND)

    assert user_id(world, HERE) != user_id(world, THERE, SECOND)
    assert world.contradictions() == []


def test_a_unionid_that_appears_later_is_claimed(world):
    world.log_in(HERE)
    world.log_in(HERE, UNIONID)
    world.log_in(THERE, UNIONID, appid=SECOND)

    assert user_id(world, HERE) == user_id(world, THERE, SECOND)
    assert world.contradictions() == []


def test_a_unionid_that_another_user_id_has_leaves_two_and_is_reported(world, caplog):
    with caplog.at_level(logging.WARNING):
        one, other = two_user_ids(world)

    assert one != other
    assert [each.message for each in caplog.records].count("union_conflict") == 1
    (claim,) = stored.union_claims(world.items()).values()
    assert claim["userId"] == one
    assert world.contradictions() == []


def test_a_number_in_one_mini_program_is_none_in_another(world):
    world.register(world.session(HERE, UNIONID), "13800138000")
    world.log_in(THERE, UNIONID, appid=SECOND)

    there = world.find(THERE, SECOND)
    assert (there.registered, there.nickname) == (False, None)
    assert world.look_ups.users({"phone": "+8613800138000", "appid": SECOND}) == []


def test_a_linked_user_goes_back_to_the_user_id_of_the_unionid(dynamodb, table_name):
    world = World(dynamodb, table_name, "link")
    world.log_in(THERE, UNIONID, appid=SECOND)
    mine = user_id(world, THERE, SECOND)
    world.register(world.session("o-bob"), "13800138000")
    session = world.session(HERE, UNIONID)
    world.clock.now += 10
    world.register(session, "13800138000")
    assert user_id(world, HERE) == user_id(world, "o-bob")
    assert world.contradictions() == []

    world.clock.now += 10
    world.register(world.session(HERE, UNIONID), "13900139000")

    assert user_id(world, HERE) == mine
    assert world.contradictions() == []


def test_a_unionid_that_appears_while_linked_is_not_claimed_for_the_shared_user_id(
    dynamodb, table_name
):
    world = World(dynamodb, table_name, "link")
    world.register(world.session("o-bob"), "13800138000")
    world.clock.now += 10
    world.register(world.session(HERE), "13800138000")
    world.log_in(HERE, UNIONID)
    world.log_in(THERE, UNIONID, appid=SECOND)
    assert user_id(world, THERE, SECOND) != user_id(world, "o-bob")

    world.clock.now += 10
    world.register(world.session(HERE, UNIONID), "13900139000")

    assert user_id(world, HERE) == user_id(world, THERE, SECOND)
    assert world.contradictions() == []


def test_an_account_that_is_erased_leaves_the_one_of_the_other_mini_program(world):
    session = world.session(HERE, UNIONID)
    world.log_in(THERE, UNIONID, appid=SECOND)
    kept = user_id(world, THERE, SECOND)

    world.erasure.erase_account(session.user)

    assert world.find(HERE) is None
    assert user_id(world, THERE, SECOND) == kept
    assert world.contradictions() == []
    world.log_in(HERE, UNIONID)
    assert user_id(world, HERE) == kept


def test_the_claim_moves_on_if_the_user_who_had_it_first_is_erased(world):
    one, other = two_user_ids(world)

    world.erasure.erase_openid(APPID, HERE, at=world.clock())

    (claim,) = stored.union_claims(world.items()).values()
    assert claim["userId"] == other != one
    assert world.contradictions() == []


@pytest.mark.parametrize("by", ["userId", "unionid"])
def test_a_person_is_erased_everywhere(world, by):
    world.register(world.session(HERE, UNIONID), "13800138000")
    world.log_in(THERE, UNIONID, appid=SECOND)
    names = {"userId": user_id(world, HERE), "unionid": UNIONID}

    for user in world.look_ups.users({by: names[by]}):
        world.erasure.erase_found(user)

    assert world.without_counters() == {}


@pytest.mark.parametrize("by", ["userIds", "unionid"])
def test_the_older_user_id_stays_and_tokens_of_the_other_are_refused(world, by):
    kept, merged = two_user_ids(world)
    session = world.session(THERE, UNIONID, SECOND)
    world.register(session, "13800138000")
    event = {"userIds": [merged, kept]} if by == "userIds" else {"unionid": UNIONID}

    answer = world.merging.merge({**event, "dryRun": False})

    assert answer == {
        "kept": kept,
        "merged": [merged],
        "users": [{"appid": SECOND, "openid": THERE}],
        "dryRun": False,
    }
    assert user_id(world, HERE) == user_id(world, THERE, SECOND) == kept
    assert world.users.with_id(merged) == []
    assert world.contradictions() == []
    world.sessions.resume(SECOND, THERE, session.sid, kept)
    with pytest.raises(SessionInvalid):
        world.sessions.resume(SECOND, THERE, session.sid, merged)


@pytest.mark.parametrize("more", [{}, {"dryRun": True}, {"dryRun": "false"}])
def test_a_merge_writes_nothing_unless_it_is_no_dry_run(world, more):
    kept, merged = two_user_ids(world)
    before = world.items()

    answer = world.merging.merge({"userIds": [kept, merged], **more})

    assert (answer["kept"], answer["merged"], answer["dryRun"]) == (kept, [merged], True)
    assert world.items() == before


@pytest.mark.parametrize(
    "event",
    [{}, {"userIds": []}, {"userIds": ["only-one"]}, {"userIds": "ab"}, {"unionid": "nobody's"}],
)
def test_a_merge_of_nothing_is_refused(world, event):
    with pytest.raises(BadRequest):
        world.merging.merge({**event, "dryRun": False})


def test_a_merge_with_a_user_id_that_nobody_has_is_refused(world):
    world.log_in(HERE)

    with pytest.raises(BadRequest):
        world.merging.merge({"userIds": [user_id(world, HERE), "nobody's"], "dryRun": False})


@pytest.mark.parametrize("seconds", [-60, 60])
@pytest.mark.parametrize("linked_before", range(1, 6))
def test_a_merge_beside_a_number_that_links_a_user_to_another_leaves_a_sound_table(
    dynamodb, table_name, linked_before, seconds
):
    """Found by the simulation: the userId of a claim just read had only a linked user."""
    world = World(dynamodb, table_name, "link")
    table = Interrupted(dynamodb, table_name, lambda: 10.0)
    racing = World(dynamodb, table_name, "link", table=table, clock=world.clock)
    world.register(world.session("o-bob"), "13800138000")
    session = world.session(HERE)
    world.clock.now += seconds
    world.log_in(THERE, appid=SECOND)
    user_ids = [user_id(world, HERE), user_id(world, THERE, SECOND)]
    table.before = {linked_before: lambda: world.register(session, "13800138000")}

    with suppress(BadRequest):
        racing.merging.merge({"userIds": user_ids, "dryRun": False})

    assert world.contradictions() == []


# Races, each many times.


def persevering(call):
    """A request that found the table too busy is sent again, as a client does."""

    def run():
        for _ in range(20):
            try:
                return call()
            except LoginError as failure:
                if failure.status != 503:
                    return None
        return None

    return run


@on_ministack
def test_a_hundred_first_logins_in_two_mini_programs_at_once_are_one_person(world):
    logins = [
        persevering(lambda where=where: world.log_in(*where))
        for where in [(HERE, UNIONID, None, APPID), (THERE, UNIONID, None, SECOND)] * 50
    ]

    assert None not in at_once(logins)
    assert user_id(world, HERE) == user_id(world, THERE, SECOND)
    assert len(stored.id_claims(world.items())) == 1
    assert len(stored.union_claims(world.items())) == 1
    assert world.contradictions() == []


@on_ministack
def test_a_unionid_that_appears_in_both_at_once_is_claimed_once(world):
    for number in range(10):
        here, there, unionid = f"oHere{number}", f"oThere{number}", f"oU{number}"
        world.log_in(here)
        world.log_in(there, appid=SECOND)

        at_once(
            [
                persevering(lambda h=here, u=unionid: world.log_in(h, u)),
                persevering(lambda t=there, u=unionid: world.log_in(t, u, appid=SECOND)),
            ]
        )

        claim = stored.union_claims(world.items())[f"UNION#{unionid}"]
        assert len(claim["owners"]) == 2
        assert claim["userId"] in {user_id(world, here), user_id(world, there, SECOND)}
    assert world.contradictions() == []


BESIDE = {
    "a login": lambda world, names: world.log_in(names[1], names[2], appid=SECOND),
    "a first login": lambda world, names: world.log_in(
        f"{names[0]}-third", names[2], appid="wx0000000000000003"
    ),
    "an erasure of the older": lambda world, names: world.erasure.erase_openid(
        APPID, names[0], at=world.clock()
    ),
    "an erasure of the other": lambda world, names: world.erasure.erase_openid(
        SECOND, names[1], at=world.clock()
    ),
}


@on_ministack
@pytest.mark.parametrize("beside", BESIDE)
def test_a_merge_beside_another_change_leaves_a_sound_table(world, beside):
    for number in range(10):
        here, there, unionid = f"oHere{number}", f"oThere{number}", f"oU{number}"
        world.log_in(here)
        world.log_in(there, appid=SECOND)
        world.log_in(here, unionid)
        world.log_in(there, unionid, appid=SECOND)
        ids = [user_id(world, here), user_id(world, there, SECOND)]

        at_once(
            [
                persevering(lambda ids=ids: world.merging.merge({"userIds": ids, "dryRun": False})),
                persevering(lambda names=(here, there, unionid): BESIDE[beside](world, names)),
            ]
        )

        assert world.contradictions() == []
