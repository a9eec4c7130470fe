"""Sessions: opaque, checked on every read, extended at most once a day, revoked for good."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support import stored
from tests.support.world import APPID, SECOND, World
from wechat_login.accounts.sessions import Credential, Sessions
from wechat_login.accounts.users import Users
from wechat_login.errors import SessionInvalid, SessionMismatch
from wechat_login.storage.table import Delete, Table

OPENID = "oI7xAlice012345678901234567A"
DAY = 86_400


@pytest.fixture
def world(dynamodb, table_name, clock):
    return World(dynamodb, table_name, clock=clock)


@pytest.fixture
def sessions(world):
    return world.sessions


@pytest.fixture
def table(world):
    return world.table


@pytest.fixture
def opened(world):
    """Log a person in, and return the text of the session."""
    return lambda openid=OPENID: world.log_in(openid)


@pytest.fixture
def items(world):
    return world.items


def test_a_session_is_its_users(opened, sessions):
    text = opened()

    assert sessions.authenticate(text).user.openid == OPENID
    assert sessions.authenticate(text, OPENID).user.openid == OPENID


def test_a_session_names_its_mini_program_its_openid_and_256_random_bits(opened):
    appid, openid, secret = opened().split(".")

    assert (appid, openid) == (APPID, OPENID)
    assert len(secret) == 43
    assert opened().rpartition(".")[2] != secret


def test_the_text_of_a_session_is_not_shown():
    credential = Credential.new(APPID, OPENID)

    assert credential.text.rpartition(".")[2] not in repr(credential)
    assert OPENID not in repr(credential)


def test_the_table_does_not_know_the_secret(opened, items):
    secret = opened().rpartition(".")[2]

    assert secret not in repr(items())


def test_another_users_session_is_a_mismatch(opened, sessions):
    text = opened()

    with pytest.raises(SessionMismatch):
        sessions.authenticate(text, "o-somebody-else")


def test_a_session_that_was_made_but_never_written_is_none(sessions):
    with pytest.raises(SessionInvalid):
        sessions.authenticate(Credential.new(APPID, OPENID).text)


@pytest.mark.parametrize("seconds", [30 * DAY, 30 * DAY + 1, 300 * DAY])
def test_expiry_is_checked_on_read(opened, sessions, items, clock, seconds):
    text = opened()
    before = items()
    clock.now += seconds

    with pytest.raises(SessionInvalid):
        sessions.authenticate(text)

    assert items() == before


def test_a_session_holds_until_its_last_second(opened, sessions, clock):
    text = opened()
    clock.now += 30 * DAY - 1

    assert sessions.authenticate(text).user.openid == OPENID


def test_a_session_is_extended_at_most_once_a_day(opened, sessions, items, clock):
    text = opened()
    ends = []

    for _ in range(4):
        clock.now += DAY // 2
        sessions.authenticate(text)
        (session,) = stored.sessions(items()).values()
        ends.append(session["usedAt"] - 1_800_000_000)

    assert ends == [0, DAY, DAY, 2 * DAY]


def test_a_session_that_is_used_every_month_ends_half_a_year_after_it_began(
    opened, sessions, clock
):
    text = opened()

    for _ in range(6):
        clock.now += 29 * DAY
        assert sessions.authenticate(text).user.openid == OPENID
    clock.now += 6 * DAY
    with pytest.raises(SessionInvalid):
        sessions.authenticate(text)


def test_a_session_of_one_day_is_extended_too(dynamodb, table_name, clock):
    world = World(dynamodb, table_name, clock=clock, days=1)
    text = world.log_in(OPENID)

    for _ in range(6):
        clock.now += DAY // 2
        assert world.sessions.authenticate(text).user.openid == OPENID


def test_a_revoked_session_is_refused_and_stays_refused(opened, sessions, items, clock):
    text = opened()
    sessions.end(sessions.authenticate(text))

    for _ in range(2):
        clock.now += DAY
        with pytest.raises(SessionInvalid):
            sessions.authenticate(text)

    assert stored.sessions(items()) == {}


def test_extending_does_not_bring_a_revoked_session_back(world, dynamodb, table_name):
    text = world.log_in(OPENID)
    session = world.sessions.authenticate(text)
    world.clock.now += DAY

    class RevokedMeanwhile(Table):
        def get(self, key):
            found = super().get(key)
            world.sessions.end(session)
            return found

    table = RevokedMeanwhile(dynamodb, table_name, lambda: 9.0)
    racing = World(dynamodb, table_name, clock=world.clock, table=table)
    with pytest.raises(SessionInvalid):
        racing.sessions.authenticate(text)

    assert stored.sessions(world.items()) == {}


def test_revoking_twice_is_no_error(opened, sessions):
    session = sessions.authenticate(opened())

    sessions.end(session)
    sessions.end(session)


def test_all_sessions_of_one_user_can_be_revoked_together(opened, sessions):
    mine, other = [opened() for _ in range(5)], opened("o-other")

    sessions.end_all(sessions.authenticate(mine[0]).user)

    for text in mine:
        with pytest.raises(SessionInvalid):
            sessions.authenticate(text)
    assert sessions.authenticate(other).user.openid == "o-other"


def test_an_erased_users_session_is_refused(opened, sessions, table):
    text = opened()
    table.write(Delete(sessions.authenticate(text).user.key))

    with pytest.raises(SessionInvalid):
        sessions.authenticate(text)


def test_a_session_is_none_of_another_mini_program(opened, sessions):
    _, _, rest = opened().partition(".")

    with pytest.raises(SessionInvalid):
        sessions.authenticate(f"{SECOND}.{rest}")


class NoTable:
    """A table that must not be asked."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was called")


@given(
    some.one_of(
        some.text(),
        some.from_regex(r"[A-Za-z0-9_.-]{0,220}"),
        some.from_regex(r"o\.[^A-Za-z0-9_-]{43}"),
    )
)
def test_a_text_without_a_sessions_shape_costs_no_read(text):
    table: Any = NoTable()
    sessions = Sessions(table, Users(table), days=30)
    owner, _, secret = text.rpartition(".")
    shaped = len(secret) == 43 and 0 < len(owner) <= 128

    if not shaped:
        with pytest.raises(SessionInvalid):
            sessions.authenticate(text)


@pytest.mark.parametrize("end", ["\n", " ", "\0", "="])
def test_a_session_with_something_behind_it_is_refused(opened, sessions, end):
    text = opened()

    with pytest.raises(SessionInvalid):
        sessions.authenticate(text + end)


def test_a_session_is_ended_by_its_id_which_is_not_its_sid(opened, sessions):
    mine, other = opened(), opened()
    session = sessions.authenticate(mine)
    (named,) = [each for each in sessions.of_account(session) if each.sid != session.sid]

    sessions.end_named(session, named.id)

    assert named.id not in (named.sid, session.id)
    assert sessions.authenticate(mine).user.openid == OPENID
    with pytest.raises(SessionInvalid):
        sessions.authenticate(other)


@pytest.mark.parametrize("id_", ["", "nonsense", "A" * 16])
def test_ending_a_session_that_is_not_there_is_no_error(opened, sessions, items, id_):
    session = sessions.authenticate(opened())
    before = items()

    sessions.end_named(session, id_)

    assert items() == before


def test_a_session_of_another_user_is_not_ended_by_its_id(opened, sessions):
    session, theirs = sessions.authenticate(opened()), opened("o-other")

    sessions.end_named(session, sessions.authenticate(theirs).id)

    assert sessions.authenticate(theirs).user.openid == "o-other"


def test_ending_a_session_of_an_erased_user_makes_no_user(opened, sessions, table, items):
    session = sessions.authenticate(opened())
    table.write(Delete(session.user.key))
    before = items()

    sessions.end(session)
    sessions.end_all(session.user)

    assert items() == before
