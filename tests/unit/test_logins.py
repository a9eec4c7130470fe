"""Logins: one write for a known user, one transaction for a new one, ten sessions at most."""

import pytest

from benchmarks.capacity import item_bytes
from tests.support import stored
from tests.support.callers import at_once
from tests.support.interrupted import Interrupted
from tests.support.world import APPID, World
from wechat_login.accounts.logins import MOST_SESSIONS, SESSIONS_LEFT
from wechat_login.errors import SessionInvalid, StorageUnavailable
from wechat_login.storage.table import Put, Table
from wechat_login.wechat.client import Identity

ALICE = Identity(APPID, "oI7xAlice012345678901234567A", "oUAlice")
DAY = 86_400


class Watched(Table):
    """A table that lists its calls, and fails chosen calls."""

    def __init__(self, *wiring):
        super().__init__(*wiring)
        self.calls = []
        self.failing = ""

    def get(self, key):
        self.calls.append("get")
        return super().get(key)

    def _write(self, writes, **options):
        expressions = [each.request.get("UpdateExpression", "") for each in writes]
        self.calls.append(f"write {len(writes)}")
        if self.failing and any(self.failing in each for each in expressions):
            raise StorageUnavailable(operation="write")
        return super()._write(writes, **options)


@pytest.fixture
def watched(dynamodb, table_name):
    return Watched(dynamodb, table_name, lambda: 10.0)


@pytest.fixture
def world(dynamodb, table_name, watched):
    return World(dynamodb, table_name, table=watched)


@pytest.mark.parametrize("erased_before", range(3, 7))
def test_an_erasure_during_a_login_ends_the_user_id_with_its_claims(
    dynamodb, table_name, erased_before
):
    """Found by the simulation: the login claimed the unionid again for the user who was erased."""
    world, erased = World(dynamodb, table_name), set()
    table = Interrupted(dynamodb, table_name, lambda: 10.0)
    racing = World(dynamodb, table_name, table=table, clock=world.clock)

    def erase():
        erased.add(world.find(ALICE.openid).user_id)
        world.erasure.erase_openid(APPID, ALICE.openid, at=world.clock())

    # The first transaction fails, because another login creates the user; so this login reads.
    table.before = {2: lambda: world.logins.log_in(ALICE), erased_before: erase}

    login = racing.logins.log_in(ALICE)

    assert world.contradictions() == []
    if world.find(ALICE.openid):
        assert login.user.user_id not in erased


def profile(world):
    (item,) = stored.profiles(world.items()).values()
    return item


def test_a_first_login_creates_the_user(world):
    login = world.logins.log_in(ALICE)

    assert login.is_new
    assert login.user.created_at == login.user.last_login_at == int(world.clock.now)
    assert not login.user.registered
    assert world.find(ALICE.openid).user_id == login.user.user_id
    assert world.contradictions() == []


def test_a_later_login_keeps_the_user_and_notes_the_time(world):
    first = world.logins.log_in(ALICE)
    world.clock.now += 1000

    second = world.logins.log_in(ALICE)

    assert not second.is_new
    assert second.user.user_id == first.user.user_id
    assert second.user.created_at == first.user.created_at
    assert second.user.last_login_at == int(world.clock.now)


def test_the_login_of_a_known_user_is_one_write(world, watched):
    world.logins.log_in(ALICE)
    watched.calls.clear()

    for _ in range(MOST_SESSIONS - 1):
        world.logins.log_in(ALICE)

    assert watched.calls == ["write 1"] * (MOST_SESSIONS - 1)


def test_a_login_does_not_count_as_a_change_of_the_user(world):
    world.logins.log_in(ALICE)
    before = profile(world)["revision"]

    world.logins.log_in(ALICE)

    assert profile(world)["revision"] == before


def test_the_eleventh_login_keeps_itself_and_the_four_last_used(world):
    texts = []
    for _ in range(MOST_SESSIONS):
        texts.append(world.log_in(ALICE.openid))
        world.clock.now += 1
    world.clock.now += DAY
    used = texts[2:5]
    for text in used:
        world.sessions.authenticate(text)

    texts.append(world.log_in(ALICE.openid))

    valid = [text for text in texts if is_valid(world, text)]
    assert len(valid) == SESSIONS_LEFT
    assert set(valid) == {*used, texts[-2], texts[-1]}


def test_expired_sessions_go_first(world):
    for _ in range(MOST_SESSIONS - 1):
        world.log_in(ALICE.openid)
    world.clock.now += 31 * DAY
    newer = [world.log_in(ALICE.openid), world.log_in(ALICE.openid)]

    assert len(profile(world)["sessions"]) == 2
    assert all(is_valid(world, text) for text in newer)


def test_twelve_logins_on_twelve_days_take_one_further_write(world, watched):
    world.log_in(ALICE.openid)
    watched.calls.clear()

    for _ in range(12):
        world.log_in(ALICE.openid)

    assert len(watched.calls) == 12 + 1


def test_a_login_succeeds_even_if_old_sessions_cannot_be_removed(world, watched):
    for _ in range(MOST_SESSIONS):
        world.log_in(ALICE.openid)
    watched.failing = "REMOVE sessions"

    assert is_valid(world, world.log_in(ALICE.openid))
    watched.failing = ""
    world.log_in(ALICE.openid)

    assert len(profile(world)["sessions"]) == SESSIONS_LEFT


def test_a_unionid_is_added_later_and_stays(world):
    world.logins.log_in(Identity(APPID, ALICE.openid))
    world.logins.log_in(ALICE)
    world.logins.log_in(Identity(APPID, ALICE.openid))

    assert world.find(ALICE.openid).unionid == "oUAlice"
    assert len(profile(world)["sessions"]) == 3


def test_a_new_user_does_not_show_secrets(world):
    login = world.logins.log_in(ALICE)

    assert login.session.partition(".")[2] not in repr(login)
    assert login.sid not in repr(login.user)


def test_a_session_key_is_not_kept_if_nothing_needs_it(world):
    world.log_in(ALICE.openid, None, "c2Vzc2lvbi1rZXk=")
    world.log_in(ALICE.openid, None, "c2Vzc2lvbi1rZXk=")

    assert "sessionKey" not in profile(world)


def test_a_session_key_is_kept_sealed_and_replaced_by_the_next(dynamodb, table_name):
    world = World(
        dynamodb, table_name, seal_session_key=lambda openid, key: f"{openid}:{key[::-1]}"
    )

    for key in ("first", "second"):
        world.log_in(ALICE.openid, None, key)

    assert profile(world)["sessionKey"] == f"{ALICE.openid}:dnoces"


def test_a_session_key_goes_with_the_next_login_once_nothing_needs_it(dynamodb, table_name, world):
    keeping = World(dynamodb, table_name, seal_session_key=lambda *_: "sealed")
    keeping.log_in(ALICE.openid, None, "key")

    world.log_in(ALICE.openid, None, "key")

    assert "sessionKey" not in profile(world)


@pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
def test_thirty_first_logins_at_once_create_one_user(world):
    logins = at_once([lambda: world.logins.log_in(ALICE)] * 30)

    assert len({login.user.user_id for login in logins}) == 1
    assert sum(login.is_new for login in logins) == 1
    assert world.contradictions() == []


@pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
def test_thirty_logins_at_once_lose_sessions_to_the_limit_only(world):
    world.log_in(ALICE.openid)

    texts = at_once([lambda: world.log_in(ALICE.openid)] * 30)

    valid = [text for text in texts if is_valid(world, text)]
    assert 1 <= len(valid) <= len(profile(world)["sessions"]) <= MOST_SESSIONS


@pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
def test_ten_logins_at_once_all_last(world):
    texts = at_once([lambda: world.log_in(ALICE.openid)] * MOST_SESSIONS)

    assert all(is_valid(world, text) for text in texts)


def test_a_user_who_was_erased_is_created_anew(world):
    first = world.logins.log_in(ALICE)
    world.erasure.erase_openid(APPID, ALICE.openid, at=world.clock())

    second = world.logins.log_in(ALICE)

    assert second.is_new
    assert second.user.user_id != first.user.user_id


def test_a_user_of_the_former_version_keeps_everything_but_the_sessions(world):
    pk, sk = world.logins.log_in(ALICE).user.key
    former = profile(world)
    former = {name: each for name, each in former.items() if name not in ("sessions", "revision")}
    attempts = {"logins": 7, "attempts": 1, "attemptsWindow": 3_000_000, "proofs": {"a"}}
    put(world, {**former, **attempts, "pk": pk, "sk": sk})

    login = world.logins.log_in(ALICE)

    now = profile(world)
    assert not login.is_new
    assert list(now["sessions"]) == [login.sid]
    assert {name: each for name, each in now.items() if name in former} == former
    assert not attempts.keys() & now.keys()


def put(world, item):
    world.table.write(Put({n: frozenset(v) if isinstance(v, set) else v for n, v in item.items()}))


def is_valid(world, text):
    try:
        return bool(world.sessions.authenticate(text))
    except SessionInvalid:
        return False


@pytest.mark.parametrize("dynamodb", ["memory"], indirect=True)
@pytest.mark.parametrize(("sessions", "most"), [(4, 1024), (MOST_SESSIONS, 2048)])
def test_a_whole_user_fits_into_one_write_unit_with_four_sessions_and_into_two_with_ten(
    dynamodb, table_name, world, sessions, most
):
    identity = Identity(APPID, "oI7xT_lnqExWB9MvkiVcu-Q06VMA", "owZWR2lk8PcIrKgyhfiwRhy7X0jE")
    text = world.logins.log_in(identity).session
    session = world.sessions.authenticate(text)
    world.register(session, "13800138000")
    # As long as the URLs under which WeChat itself publishes avatars.
    avatar = f"https://thirdwx.qlogo.cn/mmopen/vi_32/{'Q' * 90}/132"
    world.profiles.update(session, {"nickname": "小丽", "avatarUrl": avatar}, lambda *_: None)
    for _ in range(sessions - 1):
        world.logins.log_in(identity)

    pk, sk = session.user.key
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    item = dynamodb.get_item(TableName=table_name, Key=key)["Item"]

    assert len(item["sessions"]["M"]) == sessions
    assert item_bytes(item) <= most
