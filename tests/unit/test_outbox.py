"""The outbox: each change of a user writes its events along, and nothing else writes any."""

import json
import uuid

import pytest

from tests.support import events, stored
from tests.support.dynamodb import Client
from tests.support.outbox import Recorded
from tests.support.world import APPID, SECOND, World
from wechat_login.errors import BadRequest

ALICE, BOB, CAROL = (
    "oI7xAlice012345678901234567A",
    "oI7xBob0012345678901234567890",
    "oI7xCarol0123456789012345678A",
)
PHONE, OTHER = "13800138000", "13800138001"
USUAL = {"id", "userId", "appid", "openid", "unionid", "time", "revision"}
MORE = {"user.merged": {"formerUserId"}, "user.blocked": {"blockedUntil"}}
DAY = 86_400


@pytest.fixture
def dynamodb(table_name):
    # Which events are written does not depend on the table's engine.
    return Client(table_name)


@pytest.fixture
def make(dynamodb, table_name):
    def make(conflict="transfer", *, events=True):
        table = Recorded(dynamodb, table_name)
        return World(dynamodb, table_name, conflict, table=table, events=events)

    return make


@pytest.fixture
def world(make):
    return make()


def reported(world, since=0):
    """Return (type, openid) of each event, sorted within a transaction."""
    later = world.table.transactions[since:]
    return [
        (kind.removeprefix("user."), openid) for each in later for kind, openid in each.reported
    ]


def during(world, act):
    """Return the events of what happens in `act`."""
    since = len(world.table.transactions)
    world.clock.sleep(60)
    act()
    return reported(world, since)


def push(world, event, openid, info=""):
    at = str(int(world.clock.now))
    fields = {"Event": event, "AppID": APPID, "OpenID": openid, "CreateTime": at}
    world.events.carry_out({**fields, "RevokeInfo": info})


def update(world, openid=ALICE, **change):
    world.operators.update(world.look_ups.users({"openid": openid}), {"openid": openid, **change})


def live(world):
    """Do everything that changes a user, each way that there is."""
    alice = world.session(ALICE)
    world.log_in(ALICE, "oUAlice")
    world.log_in(ALICE, "oUAlice")
    world.register(alice, PHONE)
    world.profiles.update(alice, {"nickname": "小丽"}, lambda *_: None)
    world.clock.sleep(60)
    world.register(world.session(BOB), PHONE)
    world.register(world.session(CAROL), OTHER)
    world.clock.sleep(60)
    push(world, "user_authorization_revoke", ALICE, "8,6")
    update(world, roles=["editor"])
    update(world, blocked=True, reason="spam")
    update(world, blocked=False)
    world.sessions.end_all(world.find(ALICE))
    world.log_in(ALICE, "oUAlice", appid=SECOND)
    user_ids = [world.find(each).user_id for each in (ALICE, CAROL)]
    world.merging.merge({"userIds": user_ids, "dryRun": False})
    push(world, "user_authorization_revoke", BOB, "8")
    push(world, "user_authorization_cancellation", BOB)
    world.erasure.erase_found(world.find(ALICE))


@pytest.mark.parametrize("conflict", ["transfer", "link"])
def test_each_transaction_writes_the_events_that_it_owes(make, conflict):
    world = make(conflict)
    live(world)

    for each in world.table.transactions:
        assert each.reported == each.owed
    kinds = {kind for kind, _ in reported(world)}
    assert kinds >= {"created", "registered", "unregistered", "updated", "blocked", "unblocked"}
    assert kinds >= {"merged", "erased"}


def test_an_event_has_the_documented_fields_and_no_others(world):
    live(world)
    for each in world.table.events:
        detail = {name: each[name] for name in each if name != "type"}
        events.check({"source": "wechat-login", "detail-type": each["type"], "detail": detail})

    for each in world.table.events:
        fields = each.keys() - {"type", "formerUserId"} if each["type"] == "user.updated" else each
        assert set(fields) - {"type"} == USUAL | MORE.get(each["type"], set())
        assert uuid.UUID(each["id"]).version == 7
    assert len({each["id"] for each in world.table.events}) == len(world.table.events)


@pytest.mark.parametrize("conflict", ["transfer", "link"])
def test_an_event_holds_no_number_nickname_reason_role_or_session(make, conflict):
    world = make(conflict)
    live(world)

    outbox = {key: item for key, item in world.items().items() if key[0].startswith("EVENT#")}
    everything = json.dumps(list(outbox.values()), ensure_ascii=False)
    assert outbox
    for private in (PHONE, OTHER, "小丽", "spam", "editor", "session", "phone"):
        assert private not in everything


def test_the_outbox_keeps_an_event_for_seven_days(world):
    world.log_in(ALICE)

    ((key, item),) = (each for each in world.items().items() if each[0][0].startswith("EVENT#"))
    revision = world.find(ALICE).item["revision"]
    assert key == (f"EVENT#{APPID}#{ALICE}", f"{revision:016d}#user.created")
    assert item["expiresAt"] == int(world.clock.now) + 7 * DAY


def test_without_events_nothing_is_written(make):
    world = make(events=False)
    live(world)

    assert reported(world) == []
    assert not [key for key in world.items() if key[0].startswith("EVENT#")]


def test_a_login_of_a_known_user_a_session_and_an_attempt_write_no_event(world):
    session = world.session(ALICE)

    def act():
        for _ in range(12):
            world.log_in(ALICE)
        world.sessions.end(session)
        world.sessions.end_all(world.find(ALICE))
        with pytest.raises(Exception, match="code_rejected"):
            world.registration.register(world.session(ALICE), "a-wrong-code", "203.0.113.9")

    assert during(world, act) == []


@pytest.mark.parametrize("events", [False, True])
def test_a_login_of_a_known_user_is_one_update_with_events_too(dynamodb, table_name, events):
    world = World(dynamodb, table_name, table=Recorded(dynamodb, table_name), events=events)
    world.log_in(ALICE, "oUAlice")
    dynamodb.calls.clear()

    world.log_in(ALICE, "oUAlice")

    assert dynamodb.calls == ["UpdateItem"]


def test_the_same_number_again_is_no_event(world):
    alice = world.session(ALICE)
    world.register(alice, PHONE, "code-1")
    alice = world.session(ALICE)

    assert during(world, lambda: world.register(alice, PHONE, "code-2")) == []


def test_a_changed_number_is_a_registration(world):
    world.register(world.session(ALICE), PHONE)
    alice = world.session(ALICE)

    assert during(world, lambda: world.register(alice, OTHER)) == [("registered", ALICE)]


def test_a_transferred_number_is_two_events_in_one_transaction(world):
    world.register(world.session(ALICE), PHONE)
    bob = world.session(BOB)

    transferred = during(world, lambda: world.register(bob, PHONE))

    assert transferred == [("registered", BOB), ("unregistered", ALICE)]
    assert len(world.table.transactions[-1].events) == 2


@pytest.mark.parametrize(
    ("event", "info", "kinds"),
    [
        ("user_authorization_revoke", "8", ["unregistered"]),
        ("user_authorization_revoke", "6", ["updated", "updated"]),
        ("user_authorization_revoke", "19", ["updated"]),
        ("user_authorization_revoke", "5", []),
        ("user_info_modified", "", ["updated", "updated"]),
        ("user_authorization_cancellation", "", ["erased"]),
    ],
)
def test_what_wechat_pushes_becomes_an_event(world, event, info, kinds):
    alice = world.session(ALICE)
    world.register(alice, PHONE)
    fields = {"nickname": "小丽", "avatarUrl": "https://example.com/a.png"}
    world.profiles.update(alice, fields, lambda *_: None)

    pushed = during(world, lambda: push(world, event, ALICE, info))

    assert [kind for kind, _ in pushed] == kinds
    # WeChat pushes again if the answer is lost.
    assert during(world, lambda: push(world, event, ALICE, info)) == []


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"blocked": True, "reason": "spam"}, ["blocked"]),
        ({"roles": ["editor"]}, ["updated"]),
        ({"roles": ["editor"], "blocked": True, "reason": "spam"}, ["blocked", "updated"]),
        ({"roles": []}, []),
        ({"blocked": False}, []),
    ],
)
def test_what_an_operator_changes_becomes_an_event(world, change, kinds):
    world.log_in(ALICE)

    assert [kind for kind, _ in during(world, lambda: update(world, **change))] == kinds


def test_a_block_says_until_when_and_its_end_is_not_announced(world):
    world.log_in(ALICE)
    update(world, blocked=True, reason="spam")
    ends_at = int(world.clock.now) + 60
    update(world, blocked=True, reason="spam", endsAt=ends_at)

    assert [each["blockedUntil"] for each in world.table.of_type("blocked")] == [None, ends_at]
    world.clock.sleep(61)
    assert during(world, lambda: world.log_in(ALICE)) == []
    assert during(world, lambda: update(world, blocked=False)) == [("unblocked", ALICE)]


def test_lifting_the_block_of_an_erased_openid_is_no_event(world):
    world.log_in(ALICE)
    update(world, blocked=True, reason="spam")
    world.erasure.erase_found(world.find(ALICE))

    assert during(world, lambda: update(world, blocked=False)) == []


def test_an_erased_user_is_named_as_they_were_last(make):
    world = make("link")
    world.register(world.session(ALICE), PHONE)
    world.register(world.session(BOB, "oUBob"), PHONE)
    shared = world.find(BOB).user_id

    cancelled = during(world, lambda: push(world, "user_authorization_cancellation", BOB))

    assert cancelled == [("erased", BOB)]
    (erased,) = world.table.of_type("erased")
    assert (erased["userId"], erased["unionid"]) == (shared, "oUBob")


def test_the_second_mini_program_creates_a_user_with_the_persons_userid(world):
    world.log_in(ALICE, "oUAlice")

    def act():
        world.log_in(CAROL, "oUAlice", appid=SECOND)

    assert during(world, act) == [("created", CAROL)]
    first, second = world.table.of_type("created")
    assert first["userId"] == second["userId"]
    assert second["appid"] == SECOND


def test_a_unionid_that_appears_is_an_update_also_if_another_userid_has_it(world):
    world.log_in(ALICE, "oUAlice")
    world.log_in(CAROL, appid=SECOND)

    def act():
        world.log_in(CAROL, "oUAlice", appid=SECOND)

    assert during(world, act) == [("updated", CAROL)]
    (updated,) = world.table.of_type("updated")
    assert "formerUserId" not in updated
    assert updated["unionid"] == "oUAlice"


def test_a_merge_names_the_former_userid_of_each_user_who_changes(world):
    kept, merged = world.session(ALICE).user, None
    world.clock.sleep(60)
    merged = world.session(BOB).user
    both = {"userIds": [kept.user_id, merged.user_id], "dryRun": False}

    assert during(world, lambda: world.merging.merge({**both, "dryRun": True})) == []
    assert during(world, lambda: world.merging.merge(both)) == [("merged", BOB)]
    (event,) = world.table.of_type("merged")
    assert (event["formerUserId"], event["userId"]) == (merged.user_id, kept.user_id)


def test_a_link_is_a_merge_and_its_end_an_update(make):
    world = make("link")
    world.register(world.session(ALICE), PHONE)
    bob = world.session(BOB)

    assert during(world, lambda: world.register(bob, PHONE)) == [
        ("merged", BOB),
        ("registered", BOB),
    ]
    (merged,) = world.table.of_type("merged")
    assert merged["formerUserId"] == bob.user.user_id
    left = during(world, lambda: push(world, "user_authorization_revoke", BOB, "8"))
    assert left == [("unregistered", BOB), ("updated", BOB)]
    (updated,) = world.table.of_type("updated")
    assert updated["formerUserId"] == merged["userId"] == world.find(ALICE).user_id


def test_the_others_of_linked_accounts_hear_their_new_userid_when_the_first_leaves(make):
    world = make("link")
    for openid in (ALICE, BOB, CAROL):
        world.register(world.session(openid), PHONE)
        world.clock.sleep(60)
    former = world.find(ALICE).user_id

    left = during(world, lambda: push(world, "user_authorization_revoke", ALICE, "8"))

    assert left == [("unregistered", ALICE), ("updated", BOB), ("updated", CAROL)]
    updated = world.table.of_type("updated")
    assert {each["formerUserId"] for each in updated} == {former}
    assert {each["userId"] for each in updated} == {world.find(BOB).user_id}


def test_who_comes_back_to_their_own_userid_is_not_merged(make):
    world = make("link")
    world.log_in(CAROL, "oUBob", appid=SECOND)
    world.register(world.session(ALICE), PHONE)
    world.register(world.session(BOB, "oUBob"), PHONE)

    left = during(world, lambda: push(world, "user_authorization_revoke", BOB, "8"))

    assert left == [("unregistered", BOB), ("updated", BOB)]
    assert world.find(BOB).user_id == world.find(CAROL, SECOND).user_id


def test_the_events_of_a_user_grow_in_revision_also_over_erasure_and_return(world):
    live(world)
    world.clock.sleep(1)
    world.log_in(ALICE)

    revisions: dict[tuple[str, str], int] = {}
    for each in world.table.transactions:
        for user in {(event["appid"], event["openid"]) for event in each.events}:
            (revision,) = {
                event["revision"]
                for event in each.events
                if (event["appid"], event["openid"]) == user
            }
            assert revision > revisions.get(user, 0)
            revisions[user] = revision


def test_the_revision_of_an_event_is_the_users(world):
    alice = world.session(ALICE)
    world.register(alice, PHONE)

    assert world.table.events[-1]["revision"] == world.find(ALICE).item["revision"]


def test_a_user_of_an_earlier_version_has_events_that_grow_too(world, dynamodb, table_name):
    alice = world.session(ALICE)
    key = {"pk": {"S": alice.user.key[0]}, "sk": {"S": "PROFILE"}}
    dynamodb.update_item(TableName=table_name, Key=key, UpdateExpression="REMOVE revision")
    world.clock.sleep(1)

    world.register(world.session(ALICE), PHONE)

    created, registered = world.table.events
    assert created["revision"] < registered["revision"] == world.find(ALICE).item["revision"]


def test_the_most_that_linked_accounts_change_at_once_fits_into_a_transaction(make):
    world = make("link")
    openids = [f"oI7xLinked0123456789012345{at:02d}" for at in range(10)]
    for openid in openids:
        world.register(world.session(openid, f"oU{openid}"), PHONE)
        world.clock.sleep(1)

    update(world, openids[0], blocked=True, reason="spam", roles=["editor"])
    update(world, openids[0], blocked=False)
    world.build(world.table, "transfer")
    world.clock.sleep(1)
    world.register(world.session(ALICE), PHONE)

    assert len(world.table.transactions[-1].events) == 20
    assert max(each.size for each in world.table.transactions) <= 100
    assert all(each.reported == each.owed for each in world.table.transactions)


def test_erasing_linked_accounts_fits_into_a_transaction(make):
    world = make("link")
    openids = [f"oI7xLinked0123456789012345{at:02d}" for at in range(10)]
    for openid in openids:
        world.register(world.session(openid, f"oU{openid}"), PHONE)
        world.clock.sleep(1)

    world.erasure.erase_found(world.find(openids[0]))

    assert reported(world)[-10:] == [("erased", openid) for openid in openids]
    assert stored.profiles(world.items()) == {}


def test_a_merge_of_too_many_userids_is_refused_and_changes_nothing(world):
    user_ids = [
        world.session(f"oI7xMany01234567890123456{at:03d}").user.user_id for at in range(40)
    ]
    before = world.items()

    with pytest.raises(BadRequest, match="bad_request"):
        world.merging.merge({"userIds": user_ids, "dryRun": False})

    assert world.items() == before
