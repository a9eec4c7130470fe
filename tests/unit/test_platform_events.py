"""Our duties after events; consent that is newer than an event stays."""

import pytest

from tests.support.world import APPID, SECOND
from tests.support.world import World as Parts
from wechat_login.errors import CodeRejected

OPENID = "o-alice"
PROFILE = {"nickname": "小丽", "avatarUrl": "https://images.example/a.png"}


def anything_goes(_user, _nickname):
    """Stands for WeChat's opinion of a nickname."""


class World:
    """Alice, of whom everything is held since `made_at`, on a clock of our own."""

    def __init__(self, dynamodb, table_name):
        self.parts = Parts(dynamodb, table_name)
        self.made_at = self.now
        self.make()

    @property
    def now(self):
        return int(self.parts.clock.now)

    @now.setter
    def now(self, value):
        self.parts.clock.now = value

    def make(self):
        self.register()
        self.write_profile()

    def register(self, given_at=None):
        session = self.parts.session(OPENID)
        return self.parts.register(session, "13800138000", f"code-{self.now}", given_at)

    def write_profile(self):
        self.parts.profiles.update(self.parts.session(OPENID), PROFILE, anything_goes)

    @property
    def alice(self):
        return self.parts.find(OPENID)

    @property
    def held(self):
        alice = self.alice
        if alice is None:
            return None
        has = {"phone": alice.registered, "nickname": alice.nickname, "avatar": alice.avatar_url}
        return {name for name, value in has.items() if value}

    def happen(self, event, at, **more):
        fields = {"Event": event, "OpenID": OPENID, "CreateTime": str(at), "AppID": APPID, **more}
        return self.parts.events.carry_out({n: value for n, value in fields.items() if value})


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
def test_each_number_of_revoke_info_removes_its_data(world, info, left):
    world.happen("user_authorization_revoke", world.now + 1, RevokeInfo=info)

    assert world.held == left


def test_a_cleaned_profile_is_removed_and_the_number_stays(world):
    world.happen("user_info_modified", world.now + 1)

    assert world.held == {"phone"}


@pytest.mark.parametrize(
    ("after", "left"), [(1, None), (0, None), (-1, {"phone", "nickname", "avatar"})]
)
def test_a_cancellation_erases_users_created_before_it(world, after, left):
    world.happen("user_authorization_cancellation", world.made_at + after)

    assert world.held == left


def test_a_number_that_was_registered_after_the_revocation_stays(world):
    revoked_at = world.now + 10
    world.now += 20
    world.register()

    world.happen("user_authorization_revoke", revoked_at, RevokeInfo="8")

    assert "phone" in world.held


@pytest.mark.parametrize("given", [-1, 0])
def test_a_number_that_was_given_before_the_revocation_is_not_bound_after_it(world, given):
    revoked_at = world.now + 10
    world.now += 20
    world.happen("user_authorization_revoke", revoked_at, RevokeInfo="8")

    with pytest.raises(CodeRejected):
        world.register(given_at=revoked_at + given)

    assert "phone" not in world.held
    world.now += 1
    world.register(given_at=revoked_at + 1)
    assert "phone" in world.held


def test_a_profile_that_was_written_after_the_revocation_stays(world):
    revoked_at = world.now + 10
    world.now += 20
    world.write_profile()

    world.happen("user_authorization_revoke", revoked_at, RevokeInfo="6")

    assert world.held == {"phone", "nickname", "avatar"}


@pytest.mark.parametrize("event", ["user_authorization_revoke", "user_info_modified"])
def test_a_repeated_event_keeps_data_from_in_between(world, event):
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
        {"CreateTime": "²"},
        {"CreateTime": "9" * 5000},
        {"OpenID": "o-nobody"},
    ],
)
def test_an_unknown_event_or_one_about_nobody_does_nothing(world, fields):
    more = {"Event": "user_authorization_cancellation", "CreateTime": str(world.now + 1), **fields}
    event = more.pop("Event")

    world.happen(event, world.now + 1, **more)

    assert world.held == {"phone", "nickname", "avatar"}


@pytest.mark.parametrize(
    ("fields", "done", "metric"),
    [
        (
            {
                "Event": "charge_mp_service_quota_notify",
                "spu_id": "10000077",
                "total_quota": "1000",
                "total_used_quota": "950",
            },
            "noted spu_id=10000077, total_quota=1000, total_used_quota=950",
            "PhonePackWarnings",
        ),
        (
            {
                "Event": "charge_mp_service_validity_notify",
                "spu_id": "10000086",
                "validity_end_time": "2027-01-15 16:00:00",
            },
            "noted spu_id=10000086, validity_end_time=2027-01-15 16:00:00",
            "PhonePackWarnings",
        ),
        (
            {"Event": "wxa_punish_event", "punish_id": "7", "illegal_reason": "违规"},
            "noted punish_id=7, illegal_reason=违规",
            "Punishments",
        ),
        ({"Event": "wxa_punish_event", "illegal_content": "x"}, "noted ", "Punishments"),
    ],
)
def test_a_notice_about_the_mini_program_is_counted_and_logged(world, fields, done, metric):
    said = world.parts.events.carry_out({"CreateTime": "1", **fields})

    assert said == done
    assert world.parts.counted == {metric: 1}
    assert world.held == {"phone", "nickname", "avatar"}


def test_an_event_of_another_mini_program_does_nothing_here(world):
    world.happen("user_authorization_cancellation", world.now + 1, AppID=SECOND)

    assert world.held == {"phone", "nickname", "avatar"}
