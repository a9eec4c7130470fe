"""Rotation during use: signing keys by schedule and by hand, and sealing keys."""

import contextlib
import json
import random
import secrets
import threading
import time
from functools import cache
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.support import stored
from tests.support.callers import at_once
from tests.support.fault_proxy import FaultProxy
from wechat_login.errors import LoginError, StorageUnavailable
from wechat_login.storage.lock import Lock
from wechat_login.storage.parameters import Parameters
from wechat_login.storage.sealing import Keyring, with_new_key
from wechat_login.storage.table import Table
from wechat_login.tokens.signing_keys import GRACE_SECONDS, Rotation, new_key, new_signing_keys

HOUR = 3600
DAY = 24 * HOUR
TOKEN_SECONDS = 2 * HOUR
STANDARD_PARAMETER = 4096
START = 1_800_000_000
DAYS = 90


class StandardParameters:
    """The part of SSM that a rotation uses, with its size limit and with puts that fail."""

    def __init__(self, private, public):
        self.values = {"signing-keys": private, "public-keys": public}
        self.failing = ()  # names whose put fails
        self.is_down = False  # whether reads fail
        self.acts = False  # whether a failed put is carried out, and only its answer is lost
        self.largest = 0

    def get_parameters(self, *, Names, WithDecryption):  # noqa: N803 - boto3's names
        assert WithDecryption
        if self.is_down:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "GetParameters")
        return {"Parameters": [{"Name": name, "Value": self.values[name]} for name in Names]}

    def put_parameter(self, *, Name, Value, Type, Overwrite):  # noqa: N803 - boto3's names
        assert (Type, Overwrite) == ("SecureString", True)
        if len(Value) > STANDARD_PARAMETER:
            raise ClientError({"Error": {"Code": "ValidationException"}}, "PutParameter")
        if Name not in self.failing or self.acts:
            self.values[Name] = Value
            self.largest = max(self.largest, len(Value))
        if Name in self.failing:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "PutParameter")


class OneAfterAnother:
    """A lock for one thread."""

    def acquire(self):
        return "me"

    def release(self, holder):
        assert holder == "me"


class World:
    """A clock, SSM, a signer and verifiers; the invariants are checked every hour."""

    def __init__(self, keys, *, days=DAYS, token_seconds=TOKEN_SECONDS):
        self.now = START
        self.ssm = StandardParameters(*keys)
        self.token_seconds = token_seconds
        ssm, lock = cast("Any", self.ssm), cast("Any", OneAfterAnother())
        parameters = Parameters(ssm, {name: name for name in self.ssm.values})
        self._rotation = Rotation(
            parameters, lock, days, token_seconds, lambda: self.now, self._new_key
        )
        self.published_at = dict.fromkeys(self.public(), 0)
        self.last_signed_at = {}
        self.wrong = []

    def _new_key(self, active_from):
        """Return the one pair under another name: to make a pair takes a quarter of a second."""
        return {**_pair(), "kid": secrets.token_urlsafe(32), "activeFrom": active_from}

    def rotate(self, **how):
        try:
            return self._rotation.rotate(**how)
        finally:
            self.look()

    def fails(self, *names, acts=False):
        self.ssm.failing, self.ssm.acts = names, acts
        with contextlib.suppress(LoginError):
            self.rotate()
        self.ssm.failing = ()

    def public(self):
        return [key["kid"] for key in json.loads(self.ssm.values["public-keys"])["keys"]]

    def signing(self):
        keys = json.loads(self.ssm.values["signing-keys"])["keys"]
        active = [key for key in keys if key["activeFrom"] <= self.now]
        return max(active, key=lambda key: key["activeFrom"])["kid"]

    def wait(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + HOUR, until)
            self.look()

    def look(self):
        """Sign now, and return the faults that a verifier would find."""
        public, signing = self.public(), self.signing()
        for kid in public:
            self.published_at.setdefault(kid, self.now)
        if signing not in self.last_signed_at and self.now - self.published_at[signing] < DAY:
            self.wrong.append(f"{signing} signs too soon")
        self.last_signed_at[signing] = self.now
        for kid, at in self.last_signed_at.items():
            if at + self.token_seconds > self.now and kid not in public:
                self.wrong.append(f"{kid} is gone though its tokens live")


@cache
def _pair():
    return new_key(0)


@pytest.fixture(scope="module")
def old_keys():
    """The first keys, at the time when the next key is due."""
    return new_signing_keys(START - DAYS * DAY)


@pytest.fixture(scope="module")
def new_keys():
    """The first keys, as `make secrets` has just made them."""
    return new_signing_keys(START)


@pytest.fixture
def world(old_keys):
    return World(old_keys)


def test_the_first_scheduled_run_changes_nothing(new_keys):
    world = World(new_keys)
    before = dict(world.ssm.values)

    said = world.rotate()

    assert said == {"signing_keys": 1, "public_keys": 1}
    assert world.ssm.values == before


def test_the_first_key_signs_for_as_many_days_as_every_other(new_keys):
    world = World(new_keys)

    signed = []
    for _ in range(2 * DAYS):
        world.rotate()
        signed.append(world.signing())
        world.wait(DAY)

    # The key's own days, without the hour that is added to the first key's age.
    assert [abs(signed.count(kid) - DAYS) <= 1 for kid in dict.fromkeys(signed)] == [True, True]
    assert world.wrong == []


def test_the_first_key_can_be_replaced_by_hand_at_once(new_keys):
    world = World(new_keys)

    assert world.rotate(by_hand=True) == {"signing_keys": 2, "public_keys": 2}


def test_the_next_key_is_published_a_day_before_it_signs(world):
    first = world.signing()
    world.rotate(by_hand=True)

    (next_key,) = set(world.public()) - {first}
    world.wait(DAY - 1)
    just_before = world.signing()
    world.wait(1)

    assert (just_before, world.signing()) == (first, next_key)
    assert world.wrong == []


def test_the_former_key_is_published_until_its_last_token_has_died(world):
    first = world.signing()
    world.rotate(by_hand=True)
    world.wait(DAY)
    seen = []

    for _ in range(5):
        world.rotate()
        seen.append(first in world.public())
        world.wait(HOUR)

    assert seen == [True, True, True, False, False]
    assert world.wrong == []


def test_a_former_private_key_is_dropped_once_the_next_one_signs(world):
    world.rotate(by_hand=True)
    waiting = len(json.loads(world.ssm.values["signing-keys"])["keys"])
    world.wait(DAY)
    world.rotate()

    assert waiting == 2
    assert len(json.loads(world.ssm.values["signing-keys"])["keys"]) == 1


def test_by_hand_a_key_is_made_at_once_but_not_while_another_waits(world):
    counts = [world.rotate(by_hand=True) for _ in range(3)]

    assert counts == [{"signing_keys": 2, "public_keys": 2}] * 3


def test_a_run_that_is_not_due_changes_nothing(world):
    for _ in range(3):
        world.rotate()
        world.wait(DAY)
    before = dict(world.ssm.values)

    said = world.rotate()

    assert said == {"signing_keys": 1, "public_keys": 1}
    assert world.ssm.values == before


def test_a_run_does_not_write_what_it_has_not_read_this_time(world):
    world.rotate()
    world.wait(2 * DAY)
    # Another container has rotated since, and SSM does not answer this one.
    world.ssm.values = dict(zip(world.ssm.values, new_signing_keys(world.now), strict=True))
    before = dict(world.ssm.values)
    world.ssm.is_down = True

    with pytest.raises(StorageUnavailable):
        world.rotate(by_hand=True)

    assert world.ssm.values == before


def test_a_run_that_comes_late_still_gives_a_day_of_notice(world):
    world.rotate()
    world.wait(DAY)
    world.rotate()
    first = world.signing()
    world.wait(200 * DAY)

    world.rotate()
    world.wait(DAY - 1)
    just_before = world.signing()
    world.wait(1)

    assert just_before == first
    assert world.signing() != first
    assert world.wrong == []


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("failing", ["public-keys", "signing-keys"])
def test_the_next_run_completes_an_incomplete_run(old_keys, failing, acts):
    world = World(old_keys)
    first = world.signing()
    world.fails(failing, acts=acts)
    at_that_moment = world.signing()

    world.wait(HOUR)
    world.rotate()
    world.wait(DAY + HOUR)
    world.rotate()

    assert at_that_moment == first
    assert world.signing() != first
    assert world.wrong == []


def test_a_key_that_was_published_but_never_signed_shortens_no_tokens_life(world):
    world.fails("signing-keys")
    world.wait(DAY)
    world.rotate()
    world.wait(DAY)

    # The second key signs from now on; tokens of the first are minutes old.
    world.rotate()
    world.wait(TOKEN_SECONDS)

    assert world.wrong == []


def test_keys_that_never_signed_are_forgotten_and_never_fill_the_parameter(world):
    for _ in range(6):
        world.fails("signing-keys")
        world.wait(60)
    world.rotate()
    world.wait(DAY)
    world.rotate()

    assert world.wrong == []
    assert world.ssm.largest <= STANDARD_PARAMETER
    assert len(world.public()) <= 3


def test_three_years_of_outages_break_no_token_and_outgrow_no_parameter(old_keys):
    chance = random.Random(2026)  # noqa: S311 - the same examples each time
    world = World(old_keys, days=120)

    for _ in range(3 * 365):
        if chance.random() < 0.6:
            failing = chance.choice(["public-keys", "signing-keys"])
            world.fails(failing, acts=chance.random() < 0.3)
        elif chance.random() < 0.9:
            world.rotate()
        world.wait(DAY + chance.randrange(-HOUR, HOUR))

    assert world.wrong == []
    assert world.ssm.largest <= STANDARD_PARAMETER
    assert len(world.last_signed_at) >= 8


def test_daily_new_keys_by_hand_fit_into_the_parameter_with_the_longest_tokens(old_keys):
    world = World(old_keys, days=2, token_seconds=DAY)

    for _ in range(6):
        world.rotate(by_hand=True)
        world.wait(DAY)

    assert world.wrong == []
    assert world.ssm.largest <= STANDARD_PARAMETER


class TestInTheDeployment:
    @pytest.fixture
    def ministack(self, ministack):
        with FaultProxy(ministack.url).running() as storage:
            yield storage

    def rotation(self, backend, now=time.time):
        """Rotate in another container, with its own memory and the same SSM and table."""
        names = {name: backend.parameter_name(name) for name in ("signing-keys", "public-keys")}
        table = Table(backend.dynamodb, backend.table, time_left=lambda: 10)
        lock = Lock(table, "signing-keys", seconds=60)
        return Rotation(Parameters(backend.ssm, names), lock, DAYS, TOKEN_SECONDS, now)

    @pytest.fixture
    def months_old(self, backend):
        """Give the backend a first key that was made months ago."""
        keys = new_signing_keys(time.time() - DAYS * DAY)
        for name, value in zip(("signing-keys", "public-keys"), keys, strict=True):
            backend.set_parameter(name, value)

    def kids(self, backend, name):
        return [key["kid"] for key in json.loads(backend.parameter(name))["keys"]]

    def test_the_first_scheduled_run_makes_no_key(self, backend):
        before = self.kids(backend, "public-keys")

        said = backend.deployment.invoke("rotate_signing_keys", {})

        assert said == {"signing_keys": 1, "public_keys": 1}
        assert self.kids(backend, "public-keys") == before

    def test_a_rotation_by_hand_publishes_the_next_key(self, backend):
        (first,) = self.kids(backend, "public-keys")

        said = backend.deployment.invoke("rotate_signing_keys", {"now": True})

        assert said == {"signing_keys": 2, "public_keys": 2}
        assert self.kids(backend, "public-keys")[0] == first
        assert self.kids(backend, "public-keys") == self.kids(backend, "signing-keys")

    def test_rotations_at_once_make_one_key(self, backend):
        rotations = [self.rotation(backend) for _ in range(5)]

        said = at_once([lambda each=each: each.rotate(by_hand=True) for each in rotations])

        assert {"signing_keys": 2, "public_keys": 2} in said
        assert len(self.kids(backend, "signing-keys")) == 2
        assert self.kids(backend, "public-keys") == self.kids(backend, "signing-keys")

    def test_a_rotation_waits_for_nobody_while_another_runs(self, backend, ministack):
        held = ministack.hold("PutParameter", containing="public-keys")
        first = threading.Thread(target=self.rotation(backend).rotate, kwargs={"by_hand": True})
        first.start()
        held.reached.wait(20)

        said = self.rotation(backend).rotate(by_hand=True)
        held.goes_on.set()
        first.join(20)

        assert said == {"rotated": "elsewhere"}
        assert len(self.kids(backend, "signing-keys")) == 2

    def test_an_incomplete_rotation_harms_nobody_and_can_be_repeated(
        self, backend, person, ministack
    ):
        alice = person("alice")
        before = alice.register()
        ministack.fail("PutParameter", containing="signing-keys")
        with pytest.raises(LoginError):
            self.rotation(backend).rotate(by_hand=True)
        ministack.recover()
        backend.cold_start()
        meanwhile = alice.look_up_token()[1]["data"]

        self.rotation(backend).rotate(by_hand=True)
        backend.cold_start()

        sent = [[("Authorization", f"Bearer {token}")] for token in (before, meanwhile)]
        assert [backend.send("GET", "/userinfo", headers=each).status for each in sent] == [200] * 2
        assert len(self.kids(backend, "signing-keys")) == 2
        assert set(self.kids(backend, "signing-keys")) <= set(self.kids(backend, "public-keys"))

    @pytest.mark.usefixtures("months_old")
    def test_tokens_of_the_former_and_of_the_new_key_are_both_accepted(self, backend, person):
        alice = person("alice")
        old = alice.register()
        self.rotation(backend, lambda: time.time() - DAY - HOUR).rotate(by_hand=True)
        self.rotation(backend).rotate()
        backend.cold_start()
        new = alice.look_up_token()[1]["data"]

        sent = [[("Authorization", f"Bearer {token}")] for token in (old, new)]
        answers = [backend.send("GET", "/userinfo", headers=each) for each in sent]

        assert old.split(".")[0] != new.split(".")[0]
        assert [answer.status for answer in answers] == [200, 200]

    @pytest.mark.usefixtures("months_old")
    def test_a_former_key_is_rejected_after_its_tokens_have_expired(self, backend, person):
        alice = person("alice")
        old = alice.register()
        # One day, a token's lifetime and its grace period ago.
        long_ago = DAY + TOKEN_SECONDS + GRACE_SECONDS + 1
        self.rotation(backend, lambda: time.time() - long_ago).rotate(by_hand=True)
        self.rotation(backend).rotate()
        backend.cold_start()

        answer = backend.send("GET", "/userinfo", headers=[("Authorization", f"Bearer {old}")])

        assert answer.status == 403
        assert len(self.kids(backend, "public-keys")) <= 2


def sealed_with(items, openid):
    (profile,) = [item for pk, item in stored.profiles(items).items() if pk.endswith(openid)]
    return profile["phone"].partition(".")[0]


def test_after_a_sealing_key_rotation_old_values_are_read_and_new_ones_use_the_new_key(backend):
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    backend.set_parameter("sealing-key", with_new_key(backend.parameter("sealing-key")))
    backend.cold_start()

    bob.register()

    shown = [backend.call("show_account", session=each.session) for each in (alice, bob)]
    assert [sealed_with(backend.items(), each.openid) for each in (alice, bob)] == ["k1", "k2"]
    assert [body["data"]["phone"][-2:] for _, body in shown] == [alice.phone[-2:], bob.phone[-2:]]


def test_numbers_are_found_and_unique_across_a_sealing_key_rotation(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    backend.set_parameter("sealing-key", with_new_key(backend.parameter("sealing-key")))
    backend.cold_start()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.log_in()

    status, _ = bob.tap()
    found = backend.deployment.invoke("find_user", {"phone": alice.phone})

    assert status == 409
    assert [user["openid"] for user in found["users"]] == [alice.openid]


def test_a_container_with_the_former_sealing_keys_reads_what_another_has_sealed(backend):
    alice = backend.person("alice")
    alice.register()
    renewed = with_new_key(backend.parameter("sealing-key"))
    backend.set_parameter("sealing-key", renewed)
    # Another, newer container has bound the number; this container still has its old memory.
    ((pk, profile),) = stored.profiles(backend.items()).items()
    keyring = Keyring.from_json(renewed)
    text = Keyring.from_json(renewed).open(profile["phone"], context=pk)
    sealed = keyring.seal(text, context=pk)
    backend.dynamodb.update_item(
        TableName=backend.table,
        Key={"pk": {"S": pk}, "sk": {"S": "PROFILE"}},
        UpdateExpression="SET phone = :sealed",
        ExpressionAttributeValues={":sealed": {"S": sealed}},
    )

    status, body = backend.call("show_account", session=alice.session)

    assert status == 200
    assert body["data"]["phone"].endswith(alice.phone[-2:])
