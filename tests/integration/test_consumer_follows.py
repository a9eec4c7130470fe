"""The shop of examples/consumer behind the local stack: real tokens, real events, its own rules."""

import contextlib
import functools
import random
import time

import jwt
import pytest
from botocore.exceptions import ClientError

from tests.support.callers import at_once
from tests.support.consumer import Consumer
from tests.support.shop import opened, rules

PATIENCE = 60


class Behind:
    """The shop, with a queue behind each of its template's rules in the place of Lambda."""

    def __init__(self, shop):
        self.shop = shop
        self._queues = {name: Consumer(name, pattern=each) for name, each in rules().items()}

    def waits_for(self, condition):
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, self.shop.items()
            for queue in self._queues.values():
                for event in queue.hear():
                    self.shop.follow(event)
                queue.received.clear()
            time.sleep(0.05)

    def next_event(self, rule):
        """Wait for an event of a rule, which is then not delivered."""
        (event,) = self._queues[rule].wait_for(1)
        self._queues[rule].received.clear()
        return event

    def order(self, token, article="茶"):
        # API Gateway's JWT authorizer, which passes the claims on, is not part of the local run.
        return self.shop.place(claims_of(token), article=article)

    def articles(self, token):
        return sorted(each["article"] for each in self.shop.list(claims_of(token)))


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def start(deployed_with):
    def start(**parameters):
        backend = deployed_with(Events="true", **parameters)
        backend.deployment.start_schedules()
        return backend

    return start


@pytest.fixture
def behind(start):
    """The shop beside a running backend."""
    backend = start(PhoneConflict="link")
    with opened() as shop:
        yield backend, Behind(shop)


def test_the_orders_of_an_erased_user_lose_their_user(behind):
    backend, shop = behind
    alice, bob = backend.person("alice"), backend.person("bob")
    token, other = alice.register(), bob.register()
    assert shop.order(token)["statusCode"] == 201
    assert shop.order(other)["statusCode"] == 201

    backend.call("erase_account", session=alice.session)
    shop.waits_for(lambda: len(shop.shop.live()) == 1)

    assert alice.openid not in repr([each for each in shop.shop.items() if each["sk"] != "USER"])
    assert shop.order(token)["statusCode"] == 401
    assert shop.articles(other) == ["茶"]


def test_the_orders_of_linked_accounts_are_one_list_until_they_part(behind, wechat):
    backend, shop = behind
    alice, bob = backend.person("alice"), backend.person("bob")
    alices, bobs = alice.register(), bob.register()
    shop.order(alices, "茶")
    shop.order(bobs, "咖啡")
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))

    linked = bob.register()
    shop.waits_for(lambda: shop.articles(alices) == ["咖啡", "茶"])

    assert claims_of(linked)["sub"] == claims_of(alices)["sub"]
    assert (
        shop.order(bobs, "水")["statusCode"] == 201
    )  # a token of before, which names the old userId
    assert shop.articles(alices) == ["咖啡", "水", "茶"]
    assert shop.articles(bobs) == []

    wechat.set_phone("bob", "13900000007")
    parted = bob.register()
    shop.waits_for(lambda: shop.articles(alices) == ["茶"])

    assert shop.articles(parted) == ["咖啡", "水"]


def test_the_orders_of_merged_users_are_those_of_the_userid_that_stays(behind):
    backend, shop = behind
    alice, bob = backend.person("alice"), backend.person("bob")
    alices, bobs = alice.register(), bob.register()
    shop.order(bobs)
    user_ids = [claims_of(each)["sub"] for each in (alices, bobs)]

    backend.deployment.invoke("merge_users", {"userIds": user_ids, "dryRun": False})
    shop.waits_for(lambda: shop.articles(alices) == ["茶"])

    assert shop.articles(bobs) == []


def test_deliveries_and_orders_at_the_same_time_treat_every_order(behind):
    backend, shop = behind
    alice, bob, carol = (backend.person(name) for name in ("alice", "bob", "carol"))
    alices, bobs, carols = alice.register(), bob.register(), carol.register()
    shop.order(alices)
    shop.order(carols)
    user_ids = [claims_of(each)["sub"] for each in (bobs, carols)]
    backend.deployment.invoke("merge_users", {"userIds": user_ids, "dryRun": False})
    backend.call("erase_account", session=alice.session)
    merged, erased = shop.next_event("Moved"), shop.next_event("Erased")

    # Lambda repeats what has failed; transactions may be in each other's way.
    def again(act):
        for _ in range(30):
            with contextlib.suppress(ClientError):
                return act()
        raise TimeoutError

    acts = [functools.partial(shop.shop.follow, event) for event in (merged, erased)]
    acts += [functools.partial(shop.order, token) for token in (alices, carols)]
    calls = [functools.partial(again, act) for act in acts for _ in range(4)]
    random.Random(2026).shuffle(calls)  # noqa: S311 - the same order each time
    answers = at_once(calls)

    refused = [answer for answer in answers if answer == {"statusCode": 401}]
    live = shop.shop.live()
    assert set(live.values()) == {user_ids[0]}
    assert len(live) == 1 + 4
    books = [each for each in shop.shop.items() if each["pk"].startswith("BOOKS#")]
    assert len(books) + len(refused) == 1 + 4
