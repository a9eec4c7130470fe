"""What events oblige us to do, and that consent which is newer than an event stays."""

import time

import pytest

from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.phones import Phones
from wechat_login.accounts.platform_events import PlatformEvents
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.users import UserStore
from wechat_login.errors import PushRejected
from wechat_login.storage.sealing import Keyring, new_keyring
from wechat_login.storage.table import Table
from wechat_login.wechat.client import Identity
from wechat_login.wechat.phone_number import PhoneNumber

APPID = "wx1234567890abcdef"
OPENID = "o-alice"
PROFILE = {"nickname": "小丽", "avatarUrl": "https://images.example/a.png"}
KEYRING = new_keyring()


def anything_goes(_user, _nickname):
    """Stands for WeChat's opinion of a nickname."""


class World:
    """Alice, of whom everything is held since `made_at`, on a clock of our own."""

    def __init__(self, dynamodb, table_name):
        self.now = self.made_at = int(time.time())
        table = Table(dynamodb, table_name, time_left=lambda: 10)
        self.users = UserStore(table, appid=APPID, now=lambda: self.now)
        self.sessions = Sessions(table, appid=APPID, days=30, now=lambda: self.now)
        self.phones = Phones(
            table,
            self.users,
            keyring=lambda: Keyring.from_json(KEYRING),
            conflict="transfer",
            attempts=Attempts(table, now=lambda: self.now),
            screen=lambda *_: None,
            exchange=lambda *_: PhoneNumber("86", "13800138000"),
            legacy=None,
            time_left=lambda: 10,
            now=lambda: self.now,
        )
        self.events = PlatformEvents(self.users, self.phones, APPID)
        self.make()

    def make(self):
        self.users.record_login(Identity(OPENID), self.sessions.open(OPENID).record)
        self.register()
        self.users.update_profile(self.alice, PROFILE, anything_goes)

    def register(self):
        self.phones.register(self.alice, f"code-{self.now}", "192.0.2.1")

    @property
    def alice(self):
        return self.users.find(OPENID)

    @property
    def held(self):
        alice = self.alice
        if alice is None:
            return None
        has = {"phone": alice.registered, "nickname": alice.nickname, "avatar": alice.avatar_url}
        return {name for name, value in has.items() if value}

    def happen(self, event, at, **more):
        fields = {"Event": event, "OpenID": OPENID, "CreateTime": str(at), "AppID": APPID, **more}
        return self.events.carry_out({name: value for name, value in fields.items() if value})


@pytest.fixture
def world(dynamodb, table_name):
    return World(dynamodb, table_name)


@pytest.mark.parametrize(
    ("info", "left"),
    [
        ("8", {"nickname", "avatar"}),
        ("6", {"phone"}),
        ("19", {"phone", "avatar"}),
        ("20", {"phone", "nickname"}),
        ("8,6", set()),
        ("1", {"phone", "nickname", "avatar"}),
        ("18", {"phone", "nickname", "avatar"}),
        ("", {"phone", "nickname", "avatar"}),
    ],
)
def test_each_number_of_revoke_info_removes_what_it_stands_for(world, info, left):
    world.happen("user_authorization_revoke", world.now + 1, RevokeInfo=info)

    assert world.held == left


def test_a_cleaned_profile_is_removed_and_the_number_stays(world):
    world.happen("user_info_modified", world.now + 1)

    assert world.held == {"phone"}


@pytest.mark.parametrize(
    ("after", "left"), [(1, None), (0, None), (-1, {"phone", "nickname", "avatar"})]
)
def test_a_cancellation_erases_whoever_was_there_by_then(world, after, left):
    world.happen("user_authorization_cancellation", world.made_at + after)

    assert world.held == left


def test_a_number_that_was_registered_after_the_revocation_stays(world):
    revoked_at = world.now + 10
    world.now += 20
    world.register()

    world.happen("user_authorization_revoke", revoked_at, RevokeInfo="8")

    assert "phone" in world.held


def test_a_profile_that_was_written_after_the_revocation_stays(world):
    revoked_at = world.now + 10
    world.now += 20
    world.users.update_profile(world.alice, PROFILE, anything_goes)

    world.happen("user_authorization_revoke", revoked_at, RevokeInfo="6")

    assert world.held == {"phone", "nickname", "avatar"}


@pytest.mark.parametrize("event", ["user_authorization_revoke", "user_info_modified"])
def test_the_same_event_later_again_leaves_what_came_in_between(world, event):
    at = world.now + 1
    world.now += 2
    world.happen(event, at, RevokeInfo="8,6")
    world.now += 100
    world.make()

    world.happen(event, at, RevokeInfo="8,6")

    assert world.held == {"phone", "nickname", "avatar"}


def test_one_revocation_does_not_shield_the_other_from_a_later_event(world):
    first, second = world.now + 1, world.now + 2
    world.now += 5

    world.happen("user_authorization_revoke", first, RevokeInfo="19")
    world.happen("user_authorization_revoke", second, RevokeInfo="20")

    assert world.held == {"phone"}


@pytest.mark.parametrize(
    "fields",
    [
        {"Event": "wxa_punish_event"},
        {"Event": ""},
        {"OpenID": ""},
        {"CreateTime": ""},
        {"CreateTime": "soon"},
        {"OpenID": "o-nobody"},
    ],
)
def test_what_concerns_nobody_or_is_unknown_does_nothing(world, fields):
    more = {"Event": "user_authorization_cancellation", "CreateTime": str(world.now + 1), **fields}
    event = more.pop("Event")

    world.happen(event, world.now + 1, **more)

    assert world.held == {"phone", "nickname", "avatar"}


def test_an_event_of_another_app_is_refused(world):
    with pytest.raises(PushRejected):
        world.happen("user_authorization_cancellation", world.now + 1, AppID="wx" + "f" * 16)

    assert world.held == {"phone", "nickname", "avatar"}
