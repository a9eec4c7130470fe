"""The shop of examples/consumer: events in any order, and repeated, end in the same state."""

import contextlib
import functools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stack.cloudformation import REGION
from tests.support import events
from tests.support.shop import ADDRESS, opened, template
from wechat_login.accounts.users import uuid7

APPID, SECOND = "wx1234567890abcdef", "wxfedcba0987654321"
NOW = 1_800_000_000


@pytest.fixture
def shop(ministack, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    # An account of its own, beside those of deployments.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "200000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # boto3's session would keep this account for the tests that follow.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    with opened() as shop:
        yield shop


class Account:
    """A user of the login service, and the events about them."""

    def __init__(self, openid="o-alice", appid=APPID, user_id="alice"):
        self.openid = openid
        self.appid = appid
        self.user_id = user_id
        self.revision = NOW * 1000

    def token(self, at):
        return {"sub": self.user_id, "client_id": self.appid, "openid": self.openid, "iat": at}

    def event(self, kind, at, **more):
        self.revision += 1
        detail = {
            "id": uuid7(at),
            "userId": self.user_id,
            "appid": self.appid,
            "openid": self.openid,
            "unionid": None,
            "time": at,
            "revision": self.revision,
            **more,
        }
        event = {"source": "wechat-login", "detail-type": kind, "detail": detail}
        events.check(event)
        return event

    def moved(self, user_id, at, kind="user.merged"):
        former, self.user_id = self.user_id, user_id
        return self.event(kind, at, formerUserId=former)

    def erased(self, at):
        return self.event("user.erased", at)


@pytest.fixture
def alice():
    return Account()


def order_of(answer):
    assert answer["statusCode"] == 201, answer
    return json.loads(answer["body"])["id"]


def test_the_order_of_an_erased_user_stays_in_the_books_without_its_user(shop, alice):
    order = order_of(shop.place(alice.token(NOW)))

    shop.follow(alice.erased(NOW + 60))

    (books,) = [each for each in shop.items() if each["sk"] == "ORDER"]
    assert books.keys() == {"pk", "sk", "article", "quantity", "placedAt"}
    assert books["pk"] == f"BOOKS#{order}"
    (left,) = [each for each in shop.items() if each["sk"] != "ORDER"]
    assert ADDRESS not in repr(shop.items())
    # That the user is erased has to be known while their tokens are valid, and then expires.
    assert left["sk"] == "USER"
    assert left["expiresAt"] > left["erasedAt"] - NOW


def test_a_merged_users_orders_are_those_of_the_new_userid(shop, alice):
    order = order_of(shop.place(alice.token(NOW)))

    shop.follow(alice.moved("bob", NOW + 60))

    assert [each["id"] for each in shop.list(alice.token(NOW + 60))] == [order]
    assert shop.orders.of_person("alice", APPID) == []


def test_an_order_with_a_token_from_before_the_merge_is_the_new_userids(shop, alice):
    old = alice.token(NOW)
    shop.follow(alice.moved("bob", NOW + 60))

    order = order_of(shop.place(old))

    assert shop.live() == {order: "bob"}


def test_an_erased_users_token_places_no_order(shop, alice):
    old = alice.token(NOW)
    shop.follow(alice.erased(NOW + 60))

    assert shop.place(old) == {"statusCode": 401}
    assert shop.live() == {}


def test_a_user_who_comes_back_keeps_the_new_orders_when_the_erasure_arrives_late(shop, alice):
    order_of(shop.place(alice.token(NOW)))
    erased = alice.erased(NOW + 60)
    alice.user_id = "alice again"
    order = order_of(shop.place(alice.token(NOW + 120)))

    for _ in range(2):
        shop.follow(erased)

    assert shop.live() == {order: "alice again"}
    assert order_of(shop.place(alice.token(NOW + 180))) in shop.live()


def test_an_old_event_after_a_newer_one_changes_nothing(shop, alice):
    order = order_of(shop.place(alice.token(NOW)))
    older, newer = alice.moved("bob", NOW + 60), alice.moved("carol", NOW + 120, "user.updated")

    shop.follow(newer)
    before = shop.items()
    shop.follow(older)

    assert shop.items() == before
    assert shop.live() == {order: "carol"}


def test_of_two_erasures_the_later_one_counts_in_each_order(shop, alice):
    first, between, second = alice.erased(NOW + 60), alice.token(NOW + 90), alice.erased(NOW + 120)

    shop.follow(second)
    shop.follow(first)

    assert shop.place(between) == {"statusCode": 401}


def test_the_orders_in_another_mini_program_stay_as_they_are(shop, alice):
    there = Account("o-there", SECOND, "alice")
    order = order_of(shop.place(there.token(NOW)))
    order_of(shop.place(alice.token(NOW)))

    shop.follow(alice.erased(NOW + 60))

    assert shop.live() == {order: "alice"}
    assert shop.list(alice.token(NOW)) == []
    assert [each["id"] for each in shop.list(there.token(NOW))] == [order]


def test_a_token_signed_within_seconds_of_the_erasure_belongs_to_the_erased_account(shop, alice):
    order_of(shop.place(alice.token(NOW + 63)))

    shop.follow(alice.erased(NOW + 60))

    assert shop.live() == {}


def test_a_user_with_more_orders_than_a_page_is_followed_to_the_last(shop, alice):
    # DynamoDB returns at most a megabyte a page.
    for _ in range(6):
        order_of(shop.place(alice.token(NOW), address="x" * 300_000))

    shop.follow(alice.erased(NOW + 60))

    assert shop.live() == {}
    assert len([each for each in shop.items() if each["sk"] == "ORDER"]) == 6


@pytest.mark.parametrize("body", [None, "", "{", "[]", '{"article": "茶"}'])
def test_an_order_without_its_parts_is_refused(shop, alice, body):
    request = {
        "requestContext": {"authorizer": {"jwt": {"claims": alice.token(NOW)}}},
        "body": body,
    }

    assert shop.handle("place_order", request)["statusCode"] == 400


STEP = 60
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "move", "erase"]),
        st.integers(0, 2),  # whose
        st.integers(0, 3),  # an order: how many changes ago its token was signed
    ),
    min_size=1,
    max_size=12,
)


class History:
    """What three people do, and the events about it, which are delivered somehow."""

    def __init__(self, shop, data):
        self._shop = shop
        self._data = data
        self.accounts = [Account(f"o-{each}", user_id=f"u-{each}") for each in range(3)]
        self._tokens = {each: [each.token(NOW)] for each in self.accounts}
        self._erased_at = dict.fromkeys(self.accounts, 0)
        self._orders = {}
        self._pending = []

    def order(self, account, _, age):
        claims = self._tokens[account][-1 - age :][0]
        answer = self._shop.place(claims)
        if answer["statusCode"] == 201:
            self._orders[order_of(answer)] = account, claims["iat"]
        else:
            assert claims["iat"] < self._erased_at[account]

    def move(self, account, now, _):
        self._pending.append(account.moved(f"u-{now}", now))
        self._tokens[account].append(account.token(now + STEP // 2))

    def erase(self, account, now, _):
        self._erased_at[account] = now
        self._pending.append(account.erased(now))
        account.user_id = f"u-{now}"
        self._tokens[account].append(account.token(now + STEP // 2))

    def deliver_some(self):
        while self._pending and self._data.draw(st.booleans(), "delivered"):
            self._deliver_one()

    def deliver_all(self):
        while self._pending:
            self._deliver_one()

    def _deliver_one(self):
        chosen = self._data.draw(st.integers(0, len(self._pending) - 1), "which")
        self._shop.follow(self._pending[chosen])
        if not self._data.draw(st.booleans(), "again later"):
            del self._pending[chosen]

    def expected(self):
        """Return the userId of each order that is not of an erased account."""
        return {
            order: account.user_id
            for order, (account, signed_at) in self._orders.items()
            if signed_at > self._erased_at[account]
        }


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, data=st.data())
def test_each_order_of_events_with_repetitions_ends_in_the_same_state(shop, steps, data):
    shop.empty()
    history = History(shop, data)
    for number, (act, who, age) in enumerate(steps, 1):
        getattr(history, act)(history.accounts[who], NOW + number * STEP, age)
        history.deliver_some()
    history.deliver_all()

    assert shop.live() == history.expected()


class Killed(Exception):
    pass


def interrupted(shop, work, at, act):
    """Do some work, with `act` before its call number `at`; return whether there was that call."""
    calls = 0

    def before_call(**_):
        nonlocal calls
        calls += 1
        if calls == at:
            act()

    hooks = shop.client.meta.events
    hooks.register_first("before-call.dynamodb", before_call)
    try:
        work()
    except Killed:
        return True
    finally:
        hooks.unregister("before-call.dynamodb", before_call)
    return calls >= at


def last_event(account, kind):
    return account.erased(NOW + 60) if kind == "erased" else account.moved("bob", NOW + 60)


def die():
    raise Killed


each_kind = pytest.mark.parametrize(("kind", "left"), [("merged", {"bob"}), ("erased", set())])


def accounts_with_two_orders(shop):
    while True:
        shop.empty()
        account = Account()
        for _ in range(2):
            order_of(shop.place(account.token(NOW)))
        yield account


@each_kind
def test_an_event_whose_handler_dies_at_any_call_is_applied_when_it_comes_again(shop, kind, left):
    for at, account in enumerate(accounts_with_two_orders(shop), 1):
        event = last_event(account, kind)
        if not interrupted(shop, functools.partial(shop.follow, event), at, die):
            break
        shop.follow(event)
        assert set(shop.live().values()) == left, at
    assert at > 5


@each_kind
def test_an_order_placed_at_any_moment_of_an_event_is_treated_too(shop, kind, left):
    for at, account in enumerate(accounts_with_two_orders(shop), 1):
        old, event = account.token(NOW), last_event(account, kind)
        work, act = functools.partial(shop.follow, event), functools.partial(shop.place, old)
        if not interrupted(shop, work, at, act):
            break
        assert set(shop.live().values()) == left, at
    assert at > 5


@pytest.mark.parametrize("is_known", [False, True])
@each_kind
def test_an_event_that_comes_at_any_moment_of_an_order_is_applied_to_it(shop, kind, left, is_known):
    for at in range(1, 100):
        shop.empty()
        account = Account()
        if is_known:
            shop.follow(account.moved("carol", NOW - 60))
        old, event = account.token(NOW), last_event(account, kind)
        work, act = functools.partial(shop.place, old), functools.partial(shop.follow, event)
        if not interrupted(shop, work, at, act):
            break
        assert set(shop.live().values()) == left, at
    assert at > 2


def test_a_newer_event_at_any_moment_of_an_older_one_wins(shop):
    for at, account in enumerate(accounts_with_two_orders(shop), 1):
        older, newer = account.moved("bob", NOW + 60), account.moved("carol", NOW + 61)
        work, act = functools.partial(shop.follow, older), functools.partial(shop.follow, newer)
        if not interrupted(shop, work, at, act):
            break
        assert set(shop.live().values()) == {"carol"}, at
    assert at > 5


def test_an_erasure_at_any_moment_of_a_merge_leaves_no_order_of_the_user(shop):
    for at, account in enumerate(accounts_with_two_orders(shop), 1):
        merged, erased = account.moved("bob", NOW + 60), account.erased(NOW + 61)
        work, act = functools.partial(shop.follow, merged), functools.partial(shop.follow, erased)
        if not interrupted(shop, work, at, act):
            break
        assert shop.live() == {}, at
        assert len([each for each in shop.items() if each["sk"] == "ORDER"]) == 2, at
    assert at > 5


TRANSACTION = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Delete": "DeleteItem"}


def needed(operation, params):
    """Return the actions that IAM wants for a call, each with the index if it reads one."""
    if operation == "TransactWriteItems":
        return {(TRANSACTION[kind], None) for each in params["TransactItems"] for kind in each}
    return {(operation, params.get("IndexName"))}


def granted(function):
    (policy,) = template()["Resources"][function]["Properties"]["Policies"]
    for statement in policy["Statement"]:
        actions = statement["Action"]
        for action in actions if isinstance(actions, list) else [actions]:
            index = statement["Resource"].get("Fn::Sub", "").rpartition("/index/")[2] or None
            yield action.removeprefix("dynamodb:"), index


def test_each_function_may_do_what_it_does_and_nothing_else(shop, alice):
    used: dict[str, set] = {"FollowUsers": set(), "PlaceOrder": set(), "ListOrders": set()}

    @contextlib.contextmanager
    def noted(function):
        def note(params, model, **_):
            used[function] |= needed(model.name, params)

        hooks = shop.client.meta.events
        hooks.register("provide-client-params.dynamodb", note)
        yield
        hooks.unregister("provide-client-params.dynamodb", note)

    for happening in (None, lambda: alice.moved("bob", NOW + 60), lambda: alice.erased(NOW + 120)):
        with noted("FollowUsers"):
            if happening:
                shop.follow(happening())
        with noted("PlaceOrder"):
            shop.place(alice.token(NOW))
        with noted("ListOrders"):
            shop.list(alice.token(NOW))

    assert used == {name: set(granted(name)) for name in used}
