"""Phone numbers: one account each, also in a race, and by the time of consent."""

import itertools
import random
from functools import partial

import pytest

from tests.support import stored
from tests.support.callers import at_once
from tests.support.dynamodb import Client
from tests.support.interrupted import Interrupted
from tests.support.world import APPID, World
from wechat_login.accounts.users import phone_key
from wechat_login.errors import CodeRejected, PhoneTaken, SessionInvalid, TooManyAttempts
from wechat_login.storage.table import Delete
from wechat_login.wechat.phone_number import PhoneNumber

ALICE, BOB, CAROL = "o-alice", "o-bob", "o-carol"
N1, N2 = "13900000001", "13900000002"

only = pytest.mark.parametrize


@pytest.fixture(params=["transfer", "link", "reject"])
def conflict(request):
    return request.param


@pytest.fixture
def world(dynamodb, table_name, conflict):
    return World(dynamodb, table_name, conflict)


def with_number(world, openid, national):
    """Log a person in, register a number, and return the session."""
    session = world.session(openid)
    world.register(session, national)
    return session


def user_id(world, openid):
    return world.find(openid).user_id


def test_a_number_is_bound_sealed_and_claimed(world):
    with_number(world, ALICE, N1)

    assert world.number_of(ALICE) == f"+86{N1}"
    assert N1 not in repr(world.items())
    assert world.contradictions() == []


def test_a_new_number_frees_the_old_one(world):
    alice = with_number(world, ALICE, N1)

    world.register(alice, N2)
    with_number(world, BOB, N1)

    assert world.number_of(ALICE) == f"+86{N2}"
    assert len(stored.phone_claims(world.items())) == 2
    assert world.contradictions() == []


def test_a_user_who_was_read_before_a_change_of_number_can_change_it_again(world):
    stale = world.session(ALICE)
    world.register(stale, N1)

    world.register(stale, N2)

    assert world.number_of(ALICE) == f"+86{N2}"
    assert len(stored.phone_claims(world.items())) == 1
    assert world.contradictions() == []


@pytest.mark.parametrize("again", [False, True], ids=["gone", "created anew"])
def test_a_registration_ends_with_the_account_it_began_for(world, again):
    alice = world.session(ALICE)
    world.erasure.erase_openid(APPID, ALICE, at=world.clock())
    if again:
        world.log_in(ALICE)
    before = world.without_counters()

    with pytest.raises(SessionInvalid):
        world.register(alice, N1)

    assert world.without_counters() == before


def test_a_registration_ends_with_its_session(world):
    alice = world.session(ALICE)
    world.sessions.end(alice)

    with pytest.raises(SessionInvalid):
        world.register(alice, N1)

    assert world.number_of(ALICE) is None


@only("conflict", ["transfer"], indirect=True)
def test_transfer_moves_the_number_and_leaves_the_rest(world):
    alice = with_number(world, ALICE, N1).user

    bob = with_number(world, BOB, N1).user

    assert bob.user_id != alice.user_id
    assert world.number_of(ALICE) is None
    assert user_id(world, ALICE) == alice.user_id
    assert world.contradictions() == []


@only("conflict", ["transfer"], indirect=True)
def test_a_number_moves_back_and_forth_within_a_second(world):
    alice, bob = with_number(world, ALICE, N1), with_number(world, BOB, N1)

    world.register(alice, N1, "again")
    assert (world.number_of(ALICE), world.number_of(BOB)) == (f"+86{N1}", None)
    world.register(bob, N1, "again")

    assert (world.number_of(ALICE), world.number_of(BOB)) == (None, f"+86{N1}")
    assert world.contradictions() == []


@only("conflict", ["transfer"], indirect=True)
def test_a_number_is_not_taken_from_an_owner_who_consented_later(world):
    alice, given_at = world.session(ALICE), int(world.clock.now)
    world.clock.now += 60
    with_number(world, BOB, N1)

    with pytest.raises(CodeRejected):
        world.register(alice, N1, given_at=given_at)

    assert world.number_of(BOB) == f"+86{N1}"


@only("conflict", ["transfer"], indirect=True)
def test_two_who_swap_numbers_own_one_each(world):
    alice, bob = with_number(world, ALICE, N1), with_number(world, BOB, N2)

    world.register(alice, N2)
    world.register(bob, N1)

    assert (world.number_of(ALICE), world.number_of(BOB)) == (f"+86{N2}", f"+86{N1}")
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
def test_linked_accounts_share_the_userid_of_the_first(world):
    for openid in (ALICE, BOB, CAROL):
        with_number(world, openid, N1)

    ids = {user_id(world, openid) for openid in (ALICE, BOB, CAROL)}
    assert ids == {user_id(world, ALICE)}
    assert [world.find(each).linked for each in (ALICE, BOB, CAROL)] == [False, True, True]
    assert world.contradictions() == []


LEAVING = {
    "another number": lambda world, session: world.register(session, N2),
    "a withdrawal": lambda world, session: world.claims.forget(
        APPID, session.user.openid, at=int(world.clock())
    ),
    "its erasure": lambda world, session: world.erasure.erase_openid(
        APPID, session.user.openid, at=world.clock()
    ),
}


@only("conflict", ["link"], indirect=True)
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_an_account_that_joined_by_number_gets_a_new_userid_when_it_leaves(world, leave):
    alice = with_number(world, ALICE, N1).user
    bob = with_number(world, BOB, N1)

    leave(world, bob)
    world.log_in(BOB)

    assert user_id(world, ALICE) == alice.user_id
    assert user_id(world, BOB) not in (alice.user_id, bob.user.user_id)
    assert not world.find(BOB).linked
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_a_userid_stays_with_its_account_when_that_leaves_the_number(world, leave):
    alice = with_number(world, ALICE, N1)
    world.clock.now += 1
    for openid in (BOB, CAROL):
        with_number(world, openid, N1)
        world.clock.now += 1

    leave(world, alice)

    assert getattr(world.find(ALICE), "user_id", alice.user.user_id) == alice.user.user_id
    assert user_id(world, BOB) == user_id(world, CAROL) != alice.user.user_id
    assert [world.find(each).linked for each in (BOB, CAROL)] == [False, True]
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
def test_an_account_that_is_logged_out_or_erased_takes_linked_accounts_along(world):
    alice, bob = with_number(world, ALICE, N1), with_number(world, BOB, N1)
    bob = world.sessions.authenticate(world.log_in(BOB))

    assert {each.user.openid for each in world.sessions.of_account(alice)} == {ALICE, BOB}
    world.sessions.end_all(world.find(ALICE))
    assert stored.sessions(world.items()) == {}
    world.erasure.erase_account(world.find(ALICE))

    assert world.without_counters() == {}
    assert bob.user.openid == BOB


@only("conflict", ["link"], indirect=True)
def test_two_linked_pairs_can_be_linked(world):
    with_number(world, ALICE, N1)
    bob = with_number(world, BOB, N1)
    with_number(world, CAROL, N2)

    world.register(bob, N2)

    assert world.number_of(BOB) == world.number_of(CAROL) == f"+86{N2}"
    assert user_id(world, BOB) == user_id(world, CAROL) != user_id(world, ALICE)
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
def test_ten_accounts_are_linked_and_the_eleventh_is_refused(world):
    for number in range(10):
        with_number(world, f"o-{number}", N1)

    with pytest.raises(PhoneTaken):
        with_number(world, "o-11", N1)

    world.claims.forget(APPID, "o-0", at=int(world.clock()))
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
def test_accounts_that_were_linked_are_parted_by_a_transfer(world):
    alice = with_number(world, ALICE, N1).user
    with_number(world, BOB, N1)
    world.build(world.table, "transfer")

    with_number(world, CAROL, N1)

    assert (world.number_of(ALICE), world.number_of(BOB)) == (None, None)
    assert user_id(world, ALICE) == alice.user_id != user_id(world, BOB)
    assert world.contradictions() == []


@only("conflict", ["reject"], indirect=True)
def test_reject_refuses_and_writes_nothing(world):
    with_number(world, ALICE, N1)
    bob = world.session(BOB)
    before = world.without_counters()

    with pytest.raises(PhoneTaken):
        world.register(bob, N1)

    assert world.without_counters() == before


def test_a_number_is_forgotten_even_if_its_claim_has_gone(world):
    with_number(world, ALICE, N1)
    index = world.find(ALICE).phone_index
    world.table.write(Delete(phone_key(APPID, index)))

    world.claims.forget(APPID, ALICE, at=int(world.clock()))

    assert world.number_of(ALICE) is None


ACTS = {
    "erase": lambda parts, openid, _: parts.erasure.erase_openid(APPID, openid, at=parts.clock()),
    "forget": lambda parts, openid, _: parts.claims.forget(APPID, openid, at=int(parts.clock())),
    "take": lambda parts, _, number: with_number(parts, f"o-bob-{number}", number),
}


def quietly(step):
    def run():
        try:
            step()
        except (CodeRejected, PhoneTaken, SessionInvalid):
            return

    return run


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_number_that_changes_and_changes_back_leaves_no_claim_without_owner(
    table_name, conflict, act
):
    def unreached(steps):
        """Take these steps before these calls of the act, and return the calls that it lacks."""
        dynamodb = Client(table_name)
        world = World(dynamodb, table_name, conflict)
        table = Interrupted(dynamodb, table_name, lambda: 10.0)
        racing = World(dynamodb, table_name, conflict, table=table, clock=world.clock)
        racing.exchange.codes = world.exchange.codes
        alice = with_number(world, ALICE, N1)
        world.clock.now += 1
        table.before = {
            call: quietly(partial(world.register, alice, to, f"again-{to}"))
            for call, to in steps.items()
        }

        quietly(partial(act, racing, ALICE, N1))()

        assert world.contradictions() == [], steps
        return table.before.keys()

    for there in itertools.count(1):
        for back in itertools.count(there + 1):
            missing = unreached({there: N2, back: N1})
            if back in missing:
                break
        if there in missing:
            break
    assert there > 2


@pytest.mark.parametrize("changes_before", range(1, 6))
def test_a_holder_who_changes_to_another_number_meanwhile_does_not_keep_the_former_one(
    table_name, changes_before
):
    """Found by the simulation: the newer consent was compared, though it is for another number."""
    dynamodb = Client(table_name)
    world = World(dynamodb, table_name)
    table = Interrupted(dynamodb, table_name, lambda: 10.0)
    racing = World(dynamodb, table_name, table=table, clock=world.clock)
    alice, bob = with_number(world, ALICE, N1), world.session(BOB)
    given_at = int(world.clock.now) + 1
    table.before = {changes_before: lambda: world.register(alice, N2, given_at=given_at + 1)}

    racing.claims.bind(bob, PhoneNumber("86", N1, given_at), "proof")

    assert world.number_of(BOB) == f"+86{N1}"
    assert world.contradictions() == []


@pytest.mark.parametrize("second", range(2, 8))
def test_a_revocation_does_not_remove_a_registration_that_came_after_it(
    table_name, conflict, second
):
    dynamodb = Client(table_name)
    world = World(dynamodb, table_name, conflict)
    table = Interrupted(dynamodb, table_name, lambda: 10.0)
    racing = World(dynamodb, table_name, conflict, table=table, clock=world.clock)
    alice = with_number(world, ALICE, N1)
    revoked_at = int(world.clock.now)
    world.clock.now += 60

    table.before = {second: lambda: world.register(alice, N1, "newer consent")}
    racing.claims.forget(APPID, ALICE, at=revoked_at)
    if second in table.before:
        world.register(alice, N1, "newer consent")

    assert world.number_of(ALICE) == f"+86{N1}"
    assert world.contradictions() == []


@pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
def test_ten_who_claim_one_number_at_once_leave_a_sound_table(world, conflict):
    people = [world.session(f"o-{number}") for number in range(10)]

    def claim(session):
        try:
            return world.register(session, N1)
        except PhoneTaken:
            return None

    winners = [each for each in at_once([lambda each=each: claim(each) for each in people]) if each]

    (number,) = stored.phone_claims(world.items()).values()
    assert len(winners) == {"transfer": 10, "link": 10, "reject": 1}[conflict]
    assert len(number["owners"]) == {"transfer": 1, "link": 10, "reject": 1}[conflict]
    assert world.contradictions() == []


@only("conflict", ["link"], indirect=True)
def test_a_log_out_everywhere_that_meets_the_end_of_a_link_ends_the_users_own_sessions(world):
    alice, _ = with_number(world, ALICE, N1), with_number(world, BOB, N1)
    read_before = world.find(BOB)
    world.register(alice, N2)
    assert user_id(world, BOB) != read_before.user_id

    world.sessions.end_all(read_before)

    assert world.find(BOB).sessions == {}


@pytest.mark.parametrize("seed", range(20))
def test_any_history_leaves_a_sound_table(table_name, seed):
    chance = random.Random(seed)  # noqa: S311 - the same histories each time
    world = World(Client(table_name), table_name)
    for step in range(60):
        world.clock.now += chance.choice([0, 1, 400])
        world.build(world.table, chance.choice(["transfer", "link", "reject"]))
        openid, number = chance.choice([ALICE, BOB, CAROL]), chance.choice([N1, N2])
        act = chance.choice(["register", "register", "forget", "erase", "log out", "old receipt"])
        try:
            match act:
                case "register":
                    world.register(world.session(openid), number, f"code-{step}")
                case "forget":
                    world.claims.forget(APPID, openid, at=int(world.clock()))
                case "erase":
                    world.erasure.erase_openid(APPID, openid, at=world.clock())
                case "log out":
                    world.sessions.end_all(world.session(openid).user)
                case "old receipt":
                    given_at = int(world.clock()) - 300
                    world.register(world.session(openid), number, f"code-{step}", given_at)
        except (CodeRejected, PhoneTaken, TooManyAttempts):
            pass

        assert world.contradictions() == [], (seed, step, act)
