"""The access token: its source, its renewal, and the limit of forced refreshes."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from tests.support.dynamodb import Client
from wechat_login import budget
from wechat_login.errors import (
    AccessTokenRejected,
    CodeRejected,
    StorageUnavailable,
    WeChatUnavailable,
)
from wechat_login.storage.lock import Lock
from wechat_login.storage.parameters import Parameters
from wechat_login.storage.table import Table
from wechat_login.wechat.access_token import AccessTokens, ForcedRefreshes, SharedToken
from wechat_login.wechat.client import NewAccessToken

APPID = "wx1234567890abcdef"
OURS, NAME = f"access-token/{APPID}", f"/test/access-token/{APPID}"
DAY = 86_400


class Fetch:
    """WeChat's stable_token: the same token again until it is forced or has been replaced."""

    def __init__(self):
        self.asked = []
        self.current = "token-1"
        self.expires_in = 7200
        self.failure = None

    def __call__(self, *, force_refresh=False):
        self.asked.append(force_refresh)
        if self.failure:
            raise self.failure
        if force_refresh:
            self.current = f"token-{int(self.current.partition('-')[2]) + 1}"
        return NewAccessToken(self.current, self.expires_in)


@pytest.fixture
def fetch():
    return Fetch()


@pytest.fixture
def ssm(aws):
    return aws("ssm")


@pytest.fixture
def table(table_name):
    # tests/unit/test_lock.py tries the lock on another engine too.
    client: Any = Client(table_name)
    return Table(client, table_name, time_left=lambda: 10.0)


@pytest.fixture
def tokens(ssm, table, fetch, clock):
    """Make the parts of a cold container, with empty memory."""

    def make(seconds=20.0, fetch=fetch):
        ends = clock.now + seconds
        return AccessTokens(
            parameters=Parameters(ssm, {OURS: NAME}, clock),
            lock=Lock(table, "access-token", seconds=15, now=clock),
            forced=ForcedRefreshes(table, appid=APPID, now=clock),
            fetch=fetch,
            appid=APPID,
            count=lambda **_: None,
            time_left=lambda: ends - clock.now,
            reserve=budget.RENEWAL,
            now=clock,
            sleep=clock.sleep,
        )

    return make


def share(ssm, token, expires_at):
    text = json.dumps({"token": token, "expires_at": expires_at})
    ssm.put_parameter(Name=NAME, Value=text, Type="SecureString", Overwrite=True)


def shared(ssm):
    return json.loads(ssm.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"])


def same(token):
    return token


class Refusing:
    """A call that WeChat refuses while the token is one of these."""

    def __init__(self, *refused):
        self.refused = refused
        self.seen = []

    def __call__(self, token):
        self.seen.append(token)
        if token in self.refused:
            raise AccessTokenRejected
        return token


def test_the_first_use_asks_wechat_and_shares_the_token(tokens, ssm, fetch, clock):
    assert tokens().call(same) == "token-1"

    assert fetch.asked == [False]
    assert shared(ssm) == {"token": "token-1", "expires_at": clock.now + 7200}


def test_the_next_container_finds_it_shared(tokens, fetch):
    tokens().call(same)

    tokens().call(same)

    assert fetch.asked == [False]


def test_memory_serves_for_a_minute(tokens, ssm, clock):
    mine = tokens()
    mine.call(same)
    share(ssm, "token-9", int(clock.now) + 7200)

    at_once = mine.call(same)
    clock.now += 80

    assert at_once == "token-1"
    assert mine.call(same) == "token-9"


@pytest.mark.parametrize(("left", "asked"), [(31, False), (30, True), (1, True), (-100, True)])
def test_a_token_is_not_used_in_its_last_seconds(tokens, ssm, clock, left, asked):
    share(ssm, "token-0", int(clock.now) + left)

    used = tokens().call(same)

    assert used == ("token-1" if asked else "token-0")


@pytest.mark.parametrize(
    "text",
    [
        "-",
        "",
        "null",
        "[]",
        "{}",
        '{"token": "x"}',
        '{"token": 1, "expires_at": "x"}',
        '{"token": "x", "expires_at": 1e999}',
    ],
)
def test_an_invalid_token_is_read_as_none(text):
    assert SharedToken.from_json(text) is None


def test_a_shared_token_reads_back_and_hides_its_value():
    token = SharedToken("token-1", 1_800_000_000)

    read = SharedToken.from_json(token.to_json())

    assert read
    assert asdict(read) == asdict(token)
    assert "token-1" not in repr(token)


def test_a_refused_token_that_another_container_replaced_is_not_asked_for(
    tokens, ssm, fetch, clock
):
    mine = tokens()
    mine.call(same)
    share(ssm, "token-7", int(clock.now) + 7200)
    clock.now += 1
    call = Refusing("token-1")

    assert mine.call(call) == "token-7"

    assert call.seen == ["token-1", "token-7"]
    assert fetch.asked == [False]


def test_a_refused_token_that_wechat_has_replaced_is_asked_for_once(tokens, fetch, ssm, clock):
    mine = tokens()
    mine.call(same)
    fetch.current = "token-2"
    clock.now += 1

    assert mine.call(Refusing("token-1")) == "token-2"

    assert fetch.asked == [False, False]
    assert shared(ssm)["token"] == "token-2"


def test_only_a_token_that_wechat_insists_on_is_forced(tokens, fetch, clock):
    mine = tokens()
    mine.call(same)
    clock.now += 1

    assert mine.call(Refusing("token-1")) == "token-2"

    assert fetch.asked == [False, False, True]


def test_a_call_is_made_twice_at_most(tokens):
    mine = tokens()
    call = Refusing("token-1", "token-2", "token-3")

    with pytest.raises(AccessTokenRejected):
        mine.call(call)

    assert len(call.seen) == 2


def test_other_failures_of_a_call_are_not_retried(tokens, fetch):
    def refuse(_):
        raise CodeRejected

    with pytest.raises(CodeRejected):
        tokens().call(refuse)

    assert fetch.asked == [False]


def test_the_lock_is_released_when_wechat_fails(tokens, fetch):
    fetch.failure = WeChatUnavailable()
    with pytest.raises(WeChatUnavailable):
        tokens().call(same)
    fetch.failure = None

    assert tokens().call(same) == "token-1"


def test_a_container_waits_for_another_that_renews(tokens, table, clock):
    Lock(table, "access-token", seconds=5, now=clock).acquire()
    began = clock.now

    assert tokens().call(same) == "token-1"

    assert 5 <= clock.now - began < 8


def test_it_does_not_wait_longer_than_there_is_time(tokens, table, clock):
    Lock(table, "access-token", seconds=60, now=clock).acquire()
    began = clock.now

    with pytest.raises(WeChatUnavailable):
        tokens(seconds=16).call(same)

    longest_pause = 0.5
    assert 4 < clock.now - began <= 16 - budget.RENEWAL + longest_pause


@pytest.mark.parametrize("left", [0.0, 2.0, budget.DYNAMODB_CALL, budget.RENEWAL - 0.1])
def test_no_renewal_begins_while_the_longest_call_no_longer_fits(tokens, table, clock, fetch, left):
    with pytest.raises(WeChatUnavailable):
        tokens(seconds=left).call(same)

    assert fetch.asked == []
    assert Lock(table, "access-token", seconds=60, now=clock).acquire()


def test_a_forced_refresh_without_an_answer_stays_counted(tokens, forced, clock):
    class Lost(Fetch):
        def __call__(self, *, force_refresh=False):
            token = super().__call__(force_refresh=force_refresh)
            if force_refresh:
                raise WeChatUnavailable(why="ReadTimeout")
            return token

    lost = Lost()
    mine = tokens(fetch=lost)
    mine.call(same)
    clock.now += 1

    with pytest.raises(WeChatUnavailable):
        mine.call(Refusing("token-1"))

    assert lost.asked == [False, False, True]
    assert forced.take() is False
    # WeChat had acted on it: asking without force gives the new token.
    assert mine.call(Refusing("token-1")) == "token-2"
    assert lost.asked[3:] == [False]


def test_a_token_that_cannot_be_shared_is_used_all_the_same(table, fetch, clock):
    class Empty:
        def get_parameters(self, **_):
            return {"Parameters": []}

    class Unwritable(Parameters):
        def put(self, *_):
            raise StorageUnavailable(operation="put_parameter")

    client: Any = Empty()
    tokens = AccessTokens(
        parameters=Unwritable(client, {OURS: NAME}, clock),
        lock=Lock(table, "access-token", seconds=15, now=clock),
        forced=ForcedRefreshes(table, appid=APPID, now=clock),
        fetch=fetch,
        appid=APPID,
        count=lambda **_: None,
        time_left=lambda: 20.0,
        reserve=budget.RENEWAL,
        now=clock,
        sleep=clock.sleep,
    )

    assert tokens.call(same) == "token-1"


def test_renewing_shares_another_token_only(tokens, ssm, fetch, clock):
    tokens().renew()
    version = ssm.get_parameter(Name=NAME)["Parameter"]["Version"]
    clock.now += 300
    tokens().renew()
    unchanged = ssm.get_parameter(Name=NAME)["Parameter"]["Version"]
    fetch.current = "token-2"

    tokens().renew()

    assert unchanged == version
    assert ssm.get_parameter(Name=NAME)["Parameter"]["Version"] == version + 1
    assert fetch.asked == [False] * 3


def test_a_renewal_returns_the_tokens_validity(tokens, fetch):
    fetch.expires_in = 345

    assert tokens().renew() == 345


@pytest.fixture
def forced(table, clock):
    return ForcedRefreshes(table, appid=APPID, now=clock)


def test_forced_refreshes_are_half_a_minute_apart(forced, clock):
    first = forced.take()
    clock.now += 29
    too_soon = forced.take()
    clock.now += 1

    assert (first, too_soon, forced.take()) == (True, False, True)


def test_a_refusal_does_not_put_off_the_next(forced, clock):
    forced.take()
    for _ in range(5):
        clock.now += 5
        forced.take()
    clock.now += 5

    assert forced.take() is True


def test_twenty_are_forced_a_day_and_the_day_is_beijings(forced, clock):
    midnight_in_beijing = 1_800_000_000 // DAY * DAY - 8 * 3600 + DAY
    clock.now = float(midnight_in_beijing)

    taken = []
    for _ in range(30):
        taken.append(forced.take())
        clock.now += 60
    clock.now = midnight_in_beijing + DAY - 1.0
    at_the_days_end = forced.take()
    clock.now += 1

    assert taken == [True] * 20 + [False] * 10
    assert at_the_days_end is False
    assert forced.take() is True


def test_two_apps_in_one_table_are_counted_apart(table, clock):
    mine, theirs = (ForcedRefreshes(table, appid=appid, now=clock) for appid in ("wx1", "wx2"))

    assert (mine.take(), theirs.take(), mine.take()) == (True, True, False)


def test_a_lock_is_held_by_one(table, clock):
    lock = Lock(table, "x", seconds=15, now=clock)
    holder = lock.acquire()

    assert holder is not None
    assert lock.acquire() is None
    lock.release(holder)
    assert lock.acquire() is not None


def test_a_lock_is_lost_after_its_time_and_then_not_released_by_its_former_holder(table, clock):
    lock = Lock(table, "x", seconds=15, now=clock)
    late = lock.acquire()
    clock.now += 16
    lock.acquire()

    lock.release(late)

    assert lock.acquire() is None
