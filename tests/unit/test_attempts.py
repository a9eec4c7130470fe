"""Attempts: so many codes in ten minutes, and one request at a time for each code."""

from typing import Any

import pytest

from tests.support.callers import at_once
from tests.support.races import on_ministack
from tests.support.world import APPID, World
from wechat_login.accounts.attempts import BUSY_RETRY_SECONDS, BUSY_SECONDS, Attempts
from wechat_login.errors import CodeRejected, StorageUnavailable, TooManyAttempts
from wechat_login.storage.sealing import Keyring, new_keyring

RING = Keyring.from_json(new_keyring())
LIMIT = 3


@pytest.fixture
def world(dynamodb, table_name, clock):
    return World(dynamodb, table_name, clock=clock)


@pytest.fixture
def alice(world):
    return world.session("o-alice").user


@pytest.fixture
def bob(world):
    return world.session("o-bob").user


@pytest.fixture
def attempts(world):
    return Attempts(world.table, keyring=lambda: RING, limit=LIMIT, now=world.clock)


@pytest.fixture
def begin(attempts, alice):
    """Try codes, each to its end, and give those that were allowed."""

    def begun(proofs, user=alice):
        allowed = []
        for proof in proofs:
            try:
                attempts.begin(user, proof)
            except (TooManyAttempts, CodeRejected):
                continue
            attempts.end(user, proof)
            allowed.append(proof)
        return "".join(allowed)

    return begun


def test_so_many_codes_are_tried_and_the_next_has_to_wait(attempts, begin, alice, clock):
    assert begin("abc") == "abc"
    clock.now += 100

    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin(alice, "d")

    assert refused.value.retry_after == 500


@pytest.mark.parametrize("phase", [0, 1, 299, 599.5])
def test_the_ten_minutes_begin_with_the_first_code(begin, clock, phase):
    clock.now += phase
    begin("abc")
    clock.now += 599
    assert begin("d") == ""
    clock.now += 2

    assert begin("defg") == "def"


def test_even_in_the_last_moment_the_wait_is_a_second(attempts, begin, alice, clock):
    begin("abc")
    clock.now += 599.9

    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin(alice, "d")

    assert refused.value.retry_after == 1


def test_each_user_has_attempts_of_their_own(begin, bob):
    begin("abc")

    assert begin("abc", bob) == "abc"


def test_a_code_that_is_sent_again_counts_once(begin):
    assert begin("aaaaaaaa") == "aaaaaaaa"
    assert begin("bcd") == "bc"
    assert begin("a") == "a"


def test_while_a_request_is_busy_with_a_code_the_same_code_waits(attempts, alice, clock):
    attempts.begin(alice, "a")
    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin(alice, "a")
    attempts.begin(alice, "b")

    assert refused.value.retry_after == BUSY_RETRY_SECONDS
    # The request that was busy may have died.
    clock.now += BUSY_SECONDS
    attempts.begin(alice, "a")


def test_a_code_that_wechat_rejected_is_not_tried_again(attempts, alice):
    attempts.begin(alice, "a")
    attempts.end(alice, "a", rejected=True)

    for _ in range(3):
        with pytest.raises(CodeRejected):
            attempts.begin(alice, "a")


def test_ending_an_attempt_of_which_nothing_is_left_is_no_error(attempts, alice, world):
    before = world.items()

    attempts.end(alice, "a")

    assert world.items() == before


def test_ending_an_attempt_while_storage_fails_is_no_error(attempts, alice):
    attempts.begin(alice, "a")

    class Unreachable:
        def write(self, *writes):
            raise StorageUnavailable(writes=len(writes))

    unreachable: Any = Unreachable()
    Attempts(unreachable, keyring=lambda: RING).end(alice, "a")

    with pytest.raises(TooManyAttempts):
        attempts.begin(alice, "a")


def test_an_erasure_does_not_give_new_attempts(begin, world):
    begin("abc")
    world.erasure.erase_openid(APPID, "o-alice", at=world.clock())

    assert begin("d", world.session("o-alice").user) == ""


def test_the_count_names_nobody(begin, alice, world):
    begin("abc")
    (counter,) = [each for (pk, _), each in world.items().items() if pk.startswith("ATTEMPTS#")]

    assert alice.openid not in repr(counter)
    assert counter["expiresAt"] == counter["since"] + 600


@on_ministack
def test_of_many_codes_at_once_exactly_so_many_are_tried(attempts, alice):
    def begun(proof):
        try:
            attempts.begin(alice, proof)
        except TooManyAttempts:
            return False
        return True

    answers = at_once([lambda n=n: begun(f"proof-{n}") for n in range(20)])

    assert answers.count(True) == LIMIT


@on_ministack
def test_of_one_code_at_once_exactly_one_is_tried(attempts, alice):
    def begun():
        try:
            attempts.begin(alice, "proof")
        except TooManyAttempts:
            return False
        return True

    assert at_once([begun] * 20).count(True) == 1
