"""The lock over all containers: one holder at a time, and none for ever."""

from tests.support.callers import at_once
from tests.support.races import on_ministack
from wechat_login.storage.lock import Lock


def lock(table, clock, name="keys"):
    return Lock(table, name, seconds=60, now=clock)


def test_one_holds_it_and_the_next_gets_it_when_it_is_released(table, clock):
    first, second = lock(table, clock), lock(table, clock)
    holder = first.acquire()
    refused = second.acquire()

    first.release(holder)

    assert holder
    assert refused is None
    assert second.acquire() not in (None, holder)


def test_the_lock_of_a_crashed_holder_expires(table, clock):
    lock(table, clock).acquire()
    clock.now += 60
    just_before = lock(table, clock).acquire()
    clock.now += 1

    assert just_before is None
    assert lock(table, clock).acquire()


def test_an_expired_holder_cannot_release_the_next_holders_lock(table, clock):
    slow, quick, third = (lock(table, clock) for _ in range(3))
    lost = slow.acquire()
    clock.now += 61
    quick.acquire()

    slow.release(lost)

    assert third.acquire() is None


def test_releasing_twice_is_no_error(table, clock):
    held = lock(table, clock)
    holder = held.acquire()

    held.release(holder)
    held.release(holder)

    assert held.acquire()


def test_locks_of_two_names_are_two_locks(table, clock):
    assert lock(table, clock, "keys").acquire()
    assert lock(table, clock, "access-token").acquire()


@on_ministack
def test_of_many_at_once_one_gets_it(table, clock):
    holders = at_once([lock(table, clock).acquire] * 20)

    assert len([holder for holder in holders if holder]) == 1
