"""Users are made once, found by openid, and keep their userId."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support import stored
from tests.support.callers import at_once
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.users import User, UserStore, uuid7
from wechat_login.storage.table import Delete, Table
from wechat_login.wechat.client import Identity

APPID = "wx1234567890abcdef"
ALICE = Identity("oI7xAlice012345678901234567A", "oUAlice")


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10.0)


@pytest.fixture
def users(table, clock):
    return UserStore(table, appid=APPID, now=clock)


@pytest.fixture
def sessions(table, clock):
    return Sessions(table, appid=APPID, days=30, now=clock)


@pytest.fixture
def log_in(users, sessions):
    """Record a login with a session of its own, and give the user."""
    return lambda identity=ALICE: users.record_login(
        identity, sessions.open(identity.openid).record
    )


@pytest.fixture
def items(dynamodb, table_name):
    return lambda: stored.read_all(dynamodb, table_name)


def test_a_first_login_makes_the_user(log_in, users, items, clock):
    user = log_in()

    assert user.is_new
    assert user.created_at == user.last_login_at == int(clock.now)
    assert not user.registered
    assert users.find(ALICE.openid).user_id == user.user_id
    assert stored.contradictions(items()) == []


def test_a_later_login_keeps_the_user_and_notes_the_time(log_in, clock):
    first = log_in()
    clock.now += 1000

    second = log_in()

    assert not second.is_new
    assert second.user_id == first.user_id
    assert second.created_at == first.created_at
    assert second.last_login_at == int(clock.now)


def test_nobody_is_found_where_nobody_logged_in(users):
    assert users.find("o-nobody") is None


def test_a_unionid_is_back_filled_and_stays(log_in, users):
    log_in(Identity(ALICE.openid))
    log_in(ALICE)
    log_in(Identity(ALICE.openid))

    assert users.find(ALICE.openid).unionid == "oUAlice"


def test_the_session_is_written_with_the_user(log_in, items):
    log_in()
    log_in()

    assert len(stored.sessions(items())) == 2


def test_two_apps_in_one_table_know_nothing_of_each_other(table, sessions, users, clock):
    other = UserStore(table, appid="wx2222222222222222", now=clock)
    users.record_login(ALICE, sessions.open(ALICE.openid).record)

    assert other.find(ALICE.openid) is None


def test_an_openid_may_hold_what_openids_hold(log_in, users):
    identity = Identity("o_-AZaz09_-")

    log_in(identity)

    assert users.find("o_-AZaz09_-").openid == "o_-AZaz09_-"


def test_a_user_does_not_show_what_is_sealed():
    user = User(APPID, "o", "id", 1, 1, sealed_phone="s-e-a-l", phone_code_hash="h-a-s-h")

    assert "s-e-a-l" not in repr(user)
    assert "h-a-s-h" not in repr(user)


def test_a_session_key_is_not_kept_where_nobody_needs_it(log_in, items):
    log_in(Identity(ALICE.openid, None, "c2Vzc2lvbi1rZXk="))

    (profile,) = stored.profiles(items()).values()
    assert "sessionKey" not in profile


def test_a_session_key_is_kept_sealed_and_replaced_by_the_next(table, sessions, items, clock):
    users = UserStore(
        table, appid=APPID, seal_session_key=lambda openid, key: f"{openid}:{key[::-1]}", now=clock
    )

    for key in ("first", "second"):
        identity = Identity(ALICE.openid, None, key)
        users.record_login(identity, sessions.open(ALICE.openid).record)

    (profile,) = stored.profiles(items()).values()
    assert profile["sessionKey"] == f"{ALICE.openid}:dnoces"


def test_a_session_key_goes_with_the_next_login_once_nobody_needs_it(
    table, sessions, items, clock, log_in
):
    keeping = UserStore(table, appid=APPID, seal_session_key=lambda *_: "sealed", now=clock)
    identity = Identity(ALICE.openid, None, "key")
    keeping.record_login(identity, sessions.open(ALICE.openid).record)

    log_in(identity)

    (profile,) = stored.profiles(items()).values()
    assert "sessionKey" not in profile
    assert profile["logins"] == 2


@given(some.floats(0, 2**40))
def test_an_id_is_a_uuid_of_version_7(now):
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid7(now)
    )


def test_ids_sort_by_time():
    ids = [uuid7(1_800_000_000 + tick / 1000) for tick in range(100)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 100


@pytest.mark.parametrize("aws", ["ministack"], indirect=True)
def test_thirty_first_logins_at_once_make_one_user(log_in, items):
    found = at_once([log_in] * 30)

    assert len({user.user_id for user in found}) == 1
    assert sum(user.is_new for user in found) == 1
    assert len(stored.profiles(items())) == len(stored.id_claims(items())) == 1
    assert stored.contradictions(items()) == []


def test_a_user_who_was_erased_in_between_is_made_anew(log_in, table, items):
    first = log_in()
    for pk, sk in items():
        table.write(Delete((pk, sk)))

    second = log_in()

    assert second.is_new
    assert second.user_id != first.user_id
