"""Attempts: so many in a window, counted for each user, exactly."""

from dataclasses import replace

import pytest

from tests.support.callers import at_once
from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.users import User
from wechat_login.errors import SessionInvalid, TooManyAttempts
from wechat_login.storage.table import Delete, Put

ALICE = User("wx", "o-alice", "id", 0, 0)
BOB = User("wx", "o-bob", "id", 0, 0)
# The beginning of a window of ten minutes.
NOW = 1_800_000_000


@pytest.fixture
def attempts(table, clock):
    for user in (ALICE, BOB):
        pk, sk = user.key
        table.write(Put({"pk": pk, "sk": sk, "userId": user.user_id}))
    return Attempts(table, limit=3, now=clock)


def begin(attempts, user=ALICE, proofs="abc"):
    return [attempts.begin(user, proof) for proof in proofs]


def test_so_many_attempts_are_free_and_the_next_has_to_wait(attempts, clock):
    begun = begin(attempts)
    clock.now += 100

    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin(ALICE, "d")

    assert begun == [True] * 3
    assert refused.value.retry_after == 500


def test_in_the_next_window_there_are_new_ones(attempts, clock):
    begin(attempts)
    clock.now += 600

    assert begin(attempts, proofs="def") == [True] * 3


def test_even_in_the_last_moment_one_waits_a_second_at_least(attempts, clock):
    begin(attempts)
    clock.now += 599.9

    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin(ALICE, "d")

    assert refused.value.retry_after == 1


def test_everybody_has_attempts_of_their_own(attempts):
    begin(attempts)

    assert begin(attempts, BOB) == [True] * 3


def test_the_same_proof_is_one_attempt_until_it_is_begun_again(attempts):
    first, second = begin(attempts, proofs="aa")
    attempts.begin_again(ALICE)
    third = attempts.begin(ALICE, "b")

    assert (first, second, third) == (True, False, True)
    with pytest.raises(TooManyAttempts):
        attempts.begin_again(ALICE)


def test_a_proof_that_has_begun_is_told_apart_even_when_nothing_is_left(attempts):
    begin(attempts)

    assert attempts.begin(ALICE, "a") is False


def test_of_many_at_once_exactly_so_many_begin(ministack_attempts):
    def begun(proof):
        try:
            return ministack_attempts.begin(ALICE, proof)
        except TooManyAttempts:
            return None

    answers = at_once([lambda n=n: begun(f"proof-{n}") for n in range(20)])

    assert answers.count(True) == 3
    assert answers.count(None) == 17


def test_of_one_proof_at_once_exactly_one_begins(ministack_attempts):
    answers = at_once([lambda: ministack_attempts.begin(ALICE, "proof")] * 20)

    assert answers.count(True) == 1
    assert answers.count(False) == 19


@pytest.fixture
def ministack_attempts(request, attempts):
    # moto takes one call after another, but not as one.
    if "ministack" not in request.node.callspec.id:
        pytest.skip("races need a real server")
    return attempts


def test_who_was_erased_meanwhile_attempts_nothing_and_leaves_nothing(attempts, table):
    table.write(Delete(ALICE.key))

    with pytest.raises(SessionInvalid):
        attempts.begin(ALICE, "a")

    assert table.get(ALICE.key) is None


def test_a_user_read_in_an_earlier_window_is_counted_in_this_one(attempts, clock):
    begin(attempts)
    read_then = replace(ALICE, attempts_window=clock.now // 600)
    clock.now += 600

    assert begin(attempts, read_then, proofs="def") == [True] * 3
