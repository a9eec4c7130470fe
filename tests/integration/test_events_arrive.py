"""Events=true: each type, by each path that can cause it, arrives at another team's queue.

The way is the whole one: outbox, the table's stream, publish_events, EventBridge, a rule, a queue.
Each event is checked against docs/events.schema.json on arrival, and no path has other events than
those listed here.
"""

import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from simulated_wechat import serve
from tests.support import stored
from tests.support.consumer import Consumer

SECOND = "wxfedcba0987654321"
AVATAR = "https://images.example/alice.png"
REVOKE, CANCELLATION = "user_authorization_revoke", "user_authorization_cancellation"


@dataclass(frozen=True)
class Reported:
    """An event without its envelope; the kind is the type without `user.`."""

    kind: str
    detail: dict[str, Any]

    @property
    def openid(self):
        return self.detail["openid"]


class Running:
    """A backend with events, WeChat's pushes, and another team that receives the events."""

    def __init__(self, backend, wechat_url):
        self.backend = backend
        self.call = backend.call
        self.person = backend.person
        self._wechat_url = wechat_url
        self._team = Consumer()
        self._zoe = backend.person("zoe")
        self._zoe.log_in()
        self._marks = self._known = 0
        self.reported()

    def operate(self, function, **event):
        return self.backend.deployment.invoke(function, event)

    def push(self, person, event, **more):
        body = {"user": person.name, "event": event, **more}
        answer = requests.post(f"{self._wechat_url}/simulated/events", json=body, timeout=20)
        assert answer.ok, answer.text

    def reported(self):
        """Wait for all events until now, and return the new ones, in the order of the ids."""
        # The emulator's stream has one shard, so what came before this change arrives before it.
        self._marks += 1
        self.call("update_account", session=self._zoe.session, nickname=f"{self._marks}")
        reported = once(
            self._team.wait_until(lambda received: len(self._marked(received)) == self._marks)
        )
        everything = [each for each in reported if each.openid != self._zoe.openid]
        found, self._known = everything[self._known :], len(everything)
        for openid in {each.openid for each in found}:
            revisions = [each.detail["revision"] for each in found if each.openid == openid]
            assert revisions == sorted(revisions)
        assert not [
            each for each in found if each.detail.get("formerUserId") == each.detail["userId"]
        ]
        return found

    def _marked(self, received):
        return [each for each in once(received) if each.openid == self._zoe.openid][1:]


def once(received):
    """Return each event once, in the order of the ids, which begin with the time."""
    found = {event["detail"]["id"]: event for event in received}
    return [
        Reported(event["detail-type"].removeprefix("user."), event["detail"])
        for _, event in sorted(found.items())
    ]


@pytest.fixture
def start(deployed_with, wechat):
    """Start the backend with events: `start(PhoneConflict="link")`."""
    servers = []

    def start(**parameters):
        backend = deployed_with(Events="true", **parameters)
        backend.deployment.start_schedules()
        keys = backend.deployment.parameters
        token, aes_key = keys["event-token"], keys["event-aes-key"]
        servers.append(serve(wechat, api_url=backend.url, event_token=token, event_aes_key=aes_key))
        return Running(backend, servers[-1].url)

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def running(start):
    return start()


@pytest.fixture
def alice(running):
    """Somebody who is registered, and has a nickname and an avatar."""
    alice = running.person("alice")
    alice.register()
    running.call("update_account", session=alice.session, nickname="小丽", avatarUrl=AVATAR)
    running.reported()
    return alice


def named(reported, *people):
    """Return the types with the names of the users, sorted: those of one change have no order."""
    names = {person.openid: person.name for person in people}
    return sorted(f"{each.kind} {names[each.openid]}" for each in reported)


def test_a_first_login_and_a_registration(running, wechat):
    alice = running.person("alice")
    alice.register()
    created, registered = running.reported()

    assert (created.kind, registered.kind) == ("created", "registered")
    assert created.detail["userId"] == registered.detail["userId"]
    assert created.detail["revision"] < registered.detail["revision"]
    assert registered.detail["unionid"] == wechat.unionid("alice")
    assert abs(registered.detail["time"] - time.time()) < 60


def test_a_known_user_who_does_nothing_new_has_no_event(running, alice):
    alice.log_in()
    alice.tap()
    alice.look_up_token()
    running.call("update_account", session=alice.session, nickname="小丽")
    alice.log_out(everywhere=True)
    running.push(running.person("nobody"), CANCELLATION)

    assert running.reported() == []


def test_another_number_is_registered(running, alice, wechat):
    wechat.set_phone("alice", "13900000001")
    alice.tap()

    assert named(running.reported(), alice) == ["registered alice"]


def test_a_profile_is_updated(running, alice):
    running.call("update_account", session=alice.session, nickname="丽丽")
    running.call("update_account", session=alice.session, avatarUrl=None)

    assert named(running.reported(), alice) == ["updated alice"] * 2


def test_a_number_that_moves_to_another_user(running, alice, wechat):
    bob = running.person("bob")
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    time.sleep(1.1)  # the consent of a later second
    bob.register()

    reported = running.reported()
    assert named(reported, alice, bob) == ["created bob", "registered bob", "unregistered alice"]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("8", ["unregistered alice"]),
        ("19", ["updated alice"]),
        ("20", ["updated alice"]),
        ("6", ["updated alice"] * 2),
        ("8,6", ["unregistered alice", "updated alice", "updated alice"]),
    ],
)
def test_what_is_revoked_in_wechat(running, alice, info, expected):
    running.push(alice, REVOKE, RevokeInfo=info)

    assert named(running.reported(), alice) == expected
    running.push(alice, REVOKE, RevokeInfo=info)
    assert running.reported() == []


def test_a_profile_that_is_withdrawn_in_wechat(running, alice):
    running.push(alice, "user_info_modified")

    assert set(named(running.reported(), alice)) == {"updated alice"}


@pytest.mark.parametrize("how", ["API", "WeChat", "operator"])
def test_an_erased_user_who_comes_back(running, alice, how):
    if how == "API":
        running.call("erase_account", session=alice.session)
    elif how == "WeChat":
        running.push(alice, CANCELLATION)
    else:
        running.operate("erase_user", openid=alice.openid)
    (erased,) = running.reported()
    time.sleep(1.1)  # a cancellation is for all of its second
    alice.log_in()
    (created,) = running.reported()

    assert (erased.kind, created.kind) == ("erased", "created")
    assert erased.openid == created.openid
    assert erased.detail["userId"] != created.detail["userId"]
    assert erased.detail["revision"] < created.detail["revision"]


def test_what_operators_do(running, alice):
    end = int(time.time()) + 600
    for change in (
        {"blocked": True, "reason": "spam"},
        {"blocked": True, "reason": "spam", "endsAt": end},
        {"blocked": False},
        {"roles": ["editor"]},
    ):
        running.operate("update_user", openid=alice.openid, **change)

    reported = running.reported()
    assert [each.kind for each in reported] == ["blocked", "blocked", "unblocked", "updated"]
    assert [each.detail["blockedUntil"] for each in reported[:2]] == [None, end]
    private = (alice.phone, alice.phone[3:], "spam", "editor", "小丽", "images.example")
    assert not [text for text in private if text in repr(reported)]


def test_the_end_of_a_block_has_no_event(running, alice):
    running.operate(
        "update_user",
        openid=alice.openid,
        blocked=True,
        reason="spam",
        endsAt=int(time.time()) + 600,
    )
    (pk,) = [pk for pk in stored.profiles(running.backend.items()) if pk.endswith(alice.openid)]
    running.reported()
    running.backend.change((pk, "PROFILE"), "SET blocked.endsAt = :now", now=int(time.time()))

    alice.log_in()
    alice.look_up_token()

    assert running.reported() == []


def test_linked_accounts_are_erased_together_with_an_event_each(start, wechat):
    running = start(PhoneConflict="link")
    alice, bob = running.person("alice"), running.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()
    running.reported()

    running.call("erase_account", session=alice.session)

    assert named(running.reported(), alice, bob) == ["erased alice", "erased bob"]


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [("alice", ["erased alice", "updated bob"]), ("bob", ["erased bob"])],
)
def test_one_of_linked_accounts_is_cancelled_in_wechat(start, wechat, leaves, expected):
    running = start(PhoneConflict="link")
    alice, bob = people = running.person("alice"), running.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()
    user_id = running.reported()[0].detail["userId"]

    running.push(next(each for each in people if each.name == leaves), CANCELLATION)

    reported = running.reported()
    assert named(reported, *people) == expected
    for each in reported:
        last = each.detail["userId"] if each.kind == "erased" else each.detail["formerUserId"]
        assert last == user_id


def test_linked_accounts_merge_and_part(start, wechat):
    running = start(PhoneConflict="link")
    alice, bob = running.person("alice"), running.person("bob")
    alice.register()
    bob.log_in()
    created = {each.openid: each.detail["userId"] for each in running.reported()}
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.tap()

    reported = running.reported()
    assert named(reported, alice, bob) == ["merged bob", "registered bob"]
    (merged,) = [each.detail for each in reported if each.kind == "merged"]
    assert merged["userId"] == created[alice.openid]
    assert merged["formerUserId"] == created[bob.openid]
    assert len({each.detail["revision"] for each in reported}) == 1

    running.push(bob, REVOKE)

    reported = running.reported()
    assert named(reported, alice, bob) == ["unregistered bob", "updated bob"]
    (parted,) = [each.detail for each in reported if each.kind == "updated"]
    assert parted["formerUserId"] == created[alice.openid]
    assert parted["userId"] != created[alice.openid]


def test_a_unionid_that_appears_and_a_merge(running, wechat):
    running.backend.add_mini_program(SECOND)
    for appid in (wechat.appid, SECOND):
        wechat.mini_program(appid).unionids = False
    here, there = running.person("alice"), running.person("alice", SECOND)
    here.log_in()
    there.log_in()
    first, second = running.reported()
    assert first.detail["userId"] != second.detail["userId"]
    assert {each.detail["appid"] for each in (first, second)} == {wechat.appid, SECOND}
    for appid in (wechat.appid, SECOND):
        wechat.mini_program(appid).unionids = True
    here.log_in()
    there.log_in()
    reported = running.reported()
    assert [each.kind for each in reported] == ["updated", "updated"]
    assert {each.detail["unionid"] for each in reported} == {wechat.unionid("alice")}

    running.operate("merge_users", unionid=wechat.unionid("alice"), dryRun=False)

    (merged,) = running.reported()
    assert merged.kind == "merged"
    assert merged.openid == there.openid
    assert merged.detail["userId"] == first.detail["userId"]
    assert merged.detail["formerUserId"] == second.detail["userId"]


def test_the_first_of_linked_accounts_leaves_and_the_others_get_another_userid(start, wechat):
    running = start(PhoneConflict="link")
    alice, bob = running.person("alice"), running.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()
    user_id = running.reported()[0].detail["userId"]

    running.push(alice, REVOKE)

    reported = running.reported()
    assert named(reported, alice, bob) == ["unregistered alice", "updated bob"]
    details = {each.kind: each.detail for each in reported}
    assert details["unregistered"]["userId"] == details["updated"]["formerUserId"] == user_id
    assert details["updated"]["userId"] != user_id


def test_a_linked_user_who_leaves_is_again_who_they_are_in_another_mini_program(start, wechat):
    running = start(PhoneConflict="link")
    running.backend.add_mini_program(SECOND)
    alice, there = running.person("alice"), running.person("alice", SECOND)
    bob = running.person("bob")
    bob.register()
    alice.log_in()
    there.log_in()
    own = running.reported()[-1].detail["userId"]
    wechat.set_phone("alice", bob.phone.removeprefix("+86"))
    alice.tap()
    assert named(running.reported(), alice) == ["merged alice", "registered alice"]

    running.push(alice, REVOKE)

    reported = running.reported()
    assert named(reported, alice) == ["unregistered alice", "updated alice"]
    assert {each.detail["userId"] for each in reported} == {own}


def test_one_person_in_a_second_mini_program_is_created_with_the_known_userid(running):
    running.backend.add_mini_program(SECOND)
    running.person("alice").log_in()
    running.person("alice", SECOND).log_in()

    first, second = running.reported()
    assert (first.kind, second.kind) == ("created", "created")
    assert first.detail["userId"] == second.detail["userId"]
    assert first.openid != second.openid


def test_a_dry_run_has_no_event(running, alice):
    there = running.person("bob")
    there.log_in()
    running.reported()
    users = [
        running.operate("find_user", openid=each.openid)["users"][0] for each in (alice, there)
    ]

    running.operate("merge_users", userIds=[each["userId"] for each in users])

    assert running.reported() == []
