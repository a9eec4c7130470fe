"""Sessions: opaque, checked on every read, slid at most once a day, revoked for good."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support import stored
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.users import UserStore
from wechat_login.errors import SessionInvalid, SessionMismatch
from wechat_login.storage.table import Delete, Table
from wechat_login.wechat.client import Identity

APPID = "wx1234567890abcdef"
OPENID = "oI7xAlice012345678901234567A"
DAY = 86_400


@pytest.fixture
def table(dynamodb, table_name):
    return Table(dynamodb, table_name, time_left=lambda: 10.0)


@pytest.fixture
def sessions(table, clock):
    return Sessions(table, appid=APPID, days=30, now=clock)


@pytest.fixture
def racing(dynamodb, table_name, clock):
    """Make sessions of which one is revoked between being read and being slid."""

    def make(key):
        class RevokedMeanwhile(Table):
            def get_both(self, first, second):
                found = super().get_both(first, second)
                self.write(Delete(key))
                return found

        table = RevokedMeanwhile(dynamodb, table_name, lambda: 10.0)
        return Sessions(table, appid=APPID, days=30, now=clock)

    return make


@pytest.fixture
def opened(table, sessions, clock):
    """Log somebody in, and give the text of the session."""
    users = UserStore(table, appid=APPID, now=clock)

    def open_session(openid=OPENID):
        session = sessions.open(openid)
        users.record_login(Identity(openid), session.record)
        return session.text

    return open_session


@pytest.fixture
def items(dynamodb, table_name):
    return lambda: stored.read_all(dynamodb, table_name)


def test_a_session_is_its_users(opened, sessions):
    text = opened()

    assert sessions.authenticate(text).user.openid == OPENID
    assert sessions.authenticate(text, OPENID).user.openid == OPENID


def test_a_session_names_its_openid_and_256_random_bits(opened):
    openid, _, secret = opened().partition(".")

    assert openid == OPENID
    assert len(secret) == 43
    assert opened().partition(".")[2] != secret


def test_neither_text_nor_record_is_shown(sessions):
    session = sessions.open(OPENID)

    assert session.text.partition(".")[2] not in repr(session)
    assert OPENID not in repr(session)


def test_the_table_does_not_know_the_secret(opened, items):
    secret = opened().partition(".")[2]

    assert secret not in repr(items())


def test_another_users_session_is_a_mismatch(opened, sessions):
    text = opened()

    with pytest.raises(SessionMismatch):
        sessions.authenticate(text, "o-somebody-else")


def test_a_session_that_was_made_but_never_written_is_none(sessions):
    with pytest.raises(SessionInvalid):
        sessions.authenticate(sessions.open(OPENID).text)


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


def test_a_session_slides_at_most_once_a_day(opened, sessions, items, clock):
    text = opened()
    ends = []

    for _ in range(4):
        clock.now += DAY // 2
        sessions.authenticate(text)
        (session,) = stored.sessions(items()).values()
        ends.append(session["expiresAt"] - 1_800_000_000)

    assert ends == [30 * DAY, 31 * DAY, 31 * DAY, 32 * DAY]


def test_who_comes_every_month_stays(opened, sessions, clock):
    text = opened()

    for _ in range(24):
        clock.now += 29 * DAY
        assert sessions.authenticate(text).user.openid == OPENID


def test_a_revoked_session_is_refused_and_stays_refused(opened, sessions, items, clock):
    text = opened()
    sessions.revoke(sessions.authenticate(text))

    for _ in range(2):
        clock.now += DAY
        with pytest.raises(SessionInvalid):
            sessions.authenticate(text)

    assert stored.sessions(items()) == {}


def test_sliding_does_not_bring_a_revoked_session_back(opened, racing, sessions, items, clock):
    text = opened()
    key = sessions.authenticate(text).key
    clock.now += DAY

    with pytest.raises(SessionInvalid):
        racing(key).authenticate(text)

    assert stored.sessions(items()) == {}


def test_revoking_twice_is_no_error(opened, sessions):
    session = sessions.authenticate(opened())

    sessions.revoke(session)
    sessions.revoke(session)


def test_all_sessions_of_one_user_can_be_revoked_together(opened, sessions):
    mine, other = [opened() for _ in range(5)], opened("o-other")

    sessions.revoke_all(sessions.authenticate(mine[0]).user)

    for text in mine:
        with pytest.raises(SessionInvalid):
            sessions.authenticate(text)
    assert sessions.authenticate(other).user.openid == "o-other"


def test_an_erased_users_session_is_refused(opened, sessions, table):
    text = opened()
    table.write(Delete(sessions.authenticate(text).user.key))

    with pytest.raises(SessionInvalid):
        sessions.authenticate(text)


def test_a_session_of_another_app_is_refused(opened, table, clock):
    text = opened()
    other = Sessions(table, appid="wx2222222222222222", days=30, now=clock)

    with pytest.raises(SessionInvalid):
        other.authenticate(text)


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
def test_what_is_not_of_a_sessions_shape_costs_no_read(text):
    no_table: Any = NoTable()
    sessions = Sessions(no_table, appid=APPID, days=30)
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
