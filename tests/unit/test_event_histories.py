"""Random histories of users: the events say what the stored items say, and nothing else."""

import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.support import events
from tests.support.dynamodb import Client
from tests.support.outbox import Recorded
from tests.support.world import APPID, SECOND, World
from wechat_login.errors import LoginError

# Two people, each in two mini programs, with the unionid that WeChat may give.
USERS = {
    ("oI7xAlice012345678901234567A", APPID): "oUAlice",
    ("oI7xAlice0123456789012second", SECOND): "oUAlice",
    ("oI7xBob0012345678901234567890", APPID): "oUBob",
    ("oI7xBob001234567890123second0", SECOND): "oUBob",
}
NUMBERS = ("13800138000", "13800138001")
REVOKED = ("8", "6", "8,19", "5")
user = some.sampled_from(sorted(USERS))
log_in = some.tuples(some.just("log_in"), user, some.booleans())
act = some.one_of(
    log_in,
    log_in,
    log_in,
    some.tuples(some.just("register"), user, some.sampled_from(NUMBERS)),
    some.tuples(some.just("rename"), user, some.sampled_from(["小丽", "Bob", None])),
    some.tuples(some.just("revoke"), user, some.sampled_from(REVOKED)),
    some.tuples(some.just("cancel"), user),
    some.tuples(some.just("operate"), user, some.sampled_from([True, False, None])),
    some.tuples(some.just("assign"), user, some.sampled_from([[], ["editor"]])),
    some.tuples(some.just("end_sessions"), user),
    some.tuples(some.just("erase"), user),
    some.tuples(some.just("leave"), user),
    some.tuples(some.just("merge"), user, user),
    some.tuples(some.just("prefer"), some.sampled_from(["transfer", "link", "reject"])),
)


class History:
    """A world in which things happen, one a second."""

    def __init__(self, *, events):
        name = "users"
        client = Client(name)
        table = Recorded(client, name)
        self.world = World(client, name, table=table, events=events)
        self.table = table
        self.done: Counter[str] = Counter()

    def happen(self, name, *how):
        """Do something, which may be refused."""
        self.world.clock.sleep(1)
        try:
            getattr(self, name)(*how)
        except LoginError as refused:
            self.done[refused.code] += 1
        self.done[name] += 1

    def session(self, user, unionid=None):
        openid, appid = user
        return self.world.session(openid, unionid, appid)

    def log_in(self, user, has_unionid):
        self.session(user, USERS[user] if has_unionid else None)

    def register(self, user, number):
        code = f"code-{self.world.clock.now}"
        self.world.register(self.session(user), number, code)

    def rename(self, user, nickname):
        self.world.profiles.update(self.session(user), {"nickname": nickname}, lambda *_: None)

    def push(self, user, event, info=""):
        at = str(int(self.world.clock.now))
        whom = {"OpenID": user[0], "AppID": user[1], "CreateTime": at}
        self.world.events.carry_out({"Event": event, "RevokeInfo": info, **whom})

    def revoke(self, user, info):
        self.push(user, "user_authorization_revoke", info)

    def cancel(self, user):
        self.push(user, "user_authorization_cancellation")

    def found(self, user):
        return self.world.look_ups.users({"openid": user[0], "appid": user[1]})

    def operate(self, user, blocked):
        """Block for ever, unblock, or (None) block for a minute."""
        ends_at = {} if blocked is not None else {"endsAt": int(self.world.clock.now) + 60}
        change = {"blocked": blocked is not False, "reason": "spam", **ends_at}
        self.world.operators.update(
            self.found(user), {"openid": user[0], "appid": user[1], **change}
        )

    def assign(self, user, roles):
        self.world.operators.update(self.found(user), {"roles": roles})

    def end_sessions(self, user):
        for each in self.found(user):
            self.world.sessions.end_all(each)

    def erase(self, user):
        for each in self.found(user):
            self.world.erasure.erase_found(each)

    def leave(self, user):
        self.world.erasure.erase_account(self.session(user).user)

    def merge(self, one, other):
        user_ids = [user.user_id for each in (one, other) for user in self.found(each)]
        self.world.merging.merge({"userIds": user_ids, "dryRun": False})

    def prefer(self, conflict):
        self.world.build(self.table, conflict)


def contradictions(history):
    # Of merged users each may have had the userId first.
    found = history.world.contradictions()
    return [each for each in found if not (history.done["merge"] and "had it first" in each)]


def follow(received):
    """Return what a service knows of the users that are there, from their events in any order."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for event in sorted(received, key=lambda event: event["revision"]):
        key, kind = (event["appid"], event["openid"]), event["type"].removeprefix("user.")
        if kind == "erased":
            known.pop(key, None)
            continue
        user = known.setdefault(key, {"registered": False, "blocked": False})
        user |= {"userId": event["userId"], "unionid": event["unionid"]}
        if kind in ("registered", "unregistered"):
            user["registered"] = kind == "registered"
        if kind in ("blocked", "unblocked"):
            user["blocked"] = kind == "blocked"
    return known


def stored(table):
    """Return the same from the table's items."""
    return {
        tuple(pk.split("#")[1:]): {
            "userId": item["userId"],
            "unionid": item.get("unionid"),
            "registered": "phoneIndex" in item,
            "blocked": "blocked" in item,
        }
        for (pk, sk), item in table.items().items()
        if sk == "PROFILE"
    }


def in_order(received):
    """Return whether each user's revisions grow from transaction to transaction."""
    revisions: dict[tuple[str, str], list[int]] = {}
    for event in received:
        revisions.setdefault((event["appid"], event["openid"]), []).append(event["revision"])
    return all(each == sorted(each) for each in revisions.values())


def after(acts, *, events):
    """Return a history in which these things have happened, on an empty table."""
    history = History(events=events)
    for each in acts:
        history.happen(*each)
    return history


@settings(max_examples=100)
@given(acts=some.lists(act, min_size=8, max_size=20), chance=some.randoms())
def test_a_service_that_follows_the_events_knows_what_is_stored(acts, chance):
    history = after(acts, events=True)

    received = list(history.table.events)
    assert all(each.reported == each.owed for each in history.table.transactions)
    assert in_order(received)
    for event in received:
        detail = {name: event[name] for name in event if name != "type"}
        events.check({"source": "wechat-login", "detail-type": event["type"], "detail": detail})
    chance.shuffle(received)
    assert follow(received) == stored(history.table)
    assert contradictions(history) == []


@settings(max_examples=20)
@given(acts=some.lists(act, min_size=8, max_size=20))
def test_without_events_the_same_histories_write_none(acts):
    history = after(acts, events=False)

    assert history.table.events == []
    assert not [key for key in history.table.items() if key[0].startswith("EVENT#")]


def test_histories_reach_every_type():
    chance = random.Random(12)  # noqa: S311 - the same acts each time
    people = sorted(USERS)
    acts: list[tuple] = [("prefer", "link")]
    for _ in range(12):
        one, other = chance.sample(people, 2)
        acts += [("register", one, NUMBERS[0]), ("log_in", one, True), ("merge", one, other)]
        acts += [("rename", one, f"{chance.random()}"), ("revoke", other, "8")]
        acts += [("operate", one, True), ("operate", one, False)]
        acts += [("cancel", other)] if chance.random() < 0.3 else []
    kinds = {event["type"] for event in after(acts, events=True).table.events}

    assert kinds == events.kinds()
