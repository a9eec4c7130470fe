"""Phone numbers: one owner each, whoever claims them and however often."""

import pytest

from tests.support import stored
from tests.support.callers import at_once
from tests.support.clock import Clock
from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.phones import Phones
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.users import UserStore, phone_key
from wechat_login.errors import (
    CodeRejected,
    PhoneTaken,
    SessionInvalid,
    StorageUnavailable,
    TooManyAttempts,
    UserBlocked,
)
from wechat_login.storage.sealing import Keyring, new_keyring
from wechat_login.storage.table import Delete, Table
from wechat_login.wechat.client import Identity
from wechat_login.wechat.phone_number import PhoneNumber

APPID, HERE = "wx1234567890abcdef", "203.0.113.9"
RING = Keyring.from_json(new_keyring())


class Exchange:
    """WeChat's side: a code gives a number once."""

    def __init__(self):
        self.codes = {}
        self.asked = []

    def __call__(self, code, openid):
        self.asked.append((code, openid))
        if code not in self.codes:
            raise CodeRejected(errcode=40029)
        return PhoneNumber("86", self.codes.pop(code))


class World:
    """Phones, users and what they stand on."""

    def __init__(self, dynamodb, table_name, conflict, screen=lambda *_: None):
        self.clock = Clock()
        self.table = Table(dynamodb, table_name, time_left=lambda: 10.0)
        self.users = UserStore(self.table, appid=APPID, now=self.clock)
        self.exchange = Exchange()
        self._sessions = Sessions(self.table, appid=APPID, days=30, now=self.clock)
        self._read = lambda: stored.read_all(dynamodb, table_name)
        self.phones = self.made(self.table, conflict, screen)

    def made(self, table, conflict, screen=lambda *_: None, time_left=lambda: 20.0):
        return Phones(
            table,
            self.users,
            keyring=lambda: RING,
            conflict=conflict,
            attempts=Attempts(self.table, now=self.clock),
            screen=screen,
            exchange=self.exchange,
            legacy=None,
            time_left=time_left,
            now=self.clock,
            sleep=self.clock.sleep,
        )

    def user(self, openid):
        return self.users.record_login(Identity(openid), self._sessions.open(openid).record)

    def register(self, user, national, code=None):
        code = code or f"code-{user.openid}-{national}"
        self.exchange.codes[code] = national
        return self.phones.register(user, code, HERE)

    def items(self):
        return stored.without_counters(self._read())

    def number_of(self, openid):
        number = self.phones.number(self.users.find(openid))
        return number and number.e164


@pytest.fixture(params=["transfer", "link", "reject"])
def conflict(request):
    return request.param


@pytest.fixture
def world(dynamodb, table_name, conflict):
    return World(dynamodb, table_name, conflict)


ALICE, BOB, CAROL = "o-alice", "o-bob", "o-carol"


def test_a_number_is_bound_sealed_and_claimed(world):
    alice = world.register(world.user(ALICE), "13900000001")

    assert alice.registered
    assert world.number_of(ALICE) == "+8613900000001"
    assert "13900000001" not in repr(world.items())
    assert stored.contradictions(world.items()) == []


def test_a_sealed_number_opens_for_its_own_user_only(world):
    alice, bob = world.register(world.user(ALICE), "13900000001"), world.user(BOB)

    moved = bob.__class__(
        **{
            **{name: getattr(bob, name) for name in bob.__slots__},
            "sealed_phone": alice.sealed_phone,
        }
    )

    with pytest.raises(Exception, match="misconfigured"):
        world.phones.number(moved)


def test_the_same_code_again_is_answered_from_here(world):
    alice = world.user(ALICE)
    first = world.register(alice, "13900000001", "code")
    before = stored.without_counters(world.items())

    again = world.phones.register(world.users.find(ALICE), "code", HERE)

    assert again.phone_index == first.phone_index
    assert len(world.exchange.asked) == 1
    assert stored.without_counters(world.items()) == before


def test_the_same_code_is_answered_to_who_was_read_before_it_was_used(world):
    alice = world.user(ALICE)
    world.register(alice, "13900000001", "code")

    again = world.phones.register(alice, "code", HERE)

    assert again.registered
    assert len(world.exchange.asked) == 1


def test_a_refused_code_changes_nothing(world):
    alice = world.user(ALICE)
    before = stored.without_counters(world.items())

    with pytest.raises(CodeRejected):
        world.phones.register(alice, "unknown", HERE)

    assert stored.without_counters(world.items()) == before


def test_whom_wechat_thinks_too_risky_spends_no_code(dynamodb, table_name, conflict):
    def screen(_, client_ip):
        raise UserBlocked(ip=client_ip)

    world = World(dynamodb, table_name, conflict, screen)
    alice = world.user(ALICE)

    with pytest.raises(UserBlocked):
        world.register(alice, "13900000001")

    assert world.exchange.asked == []


def test_five_codes_are_tried_in_ten_minutes(world):
    alice = world.user(ALICE)
    for number in range(5):
        with pytest.raises(CodeRejected):
            world.phones.register(alice, f"bad-{number}", HERE)

    with pytest.raises(TooManyAttempts) as refusal:
        world.phones.register(alice, "bad-6", HERE)

    assert len(world.exchange.asked) == 5
    assert 0 < refusal.value.retry_after <= 600


def test_after_ten_minutes_the_next_codes_are_tried(world):
    alice = world.user(ALICE)
    for number in range(5):
        with pytest.raises(CodeRejected):
            world.phones.register(alice, f"bad-{number}", HERE)
    world.clock.now += 600

    assert world.register(alice, "13900000001").registered


def test_one_users_attempts_are_not_anothers(world):
    alice = world.user(ALICE)
    for number in range(5):
        with pytest.raises(CodeRejected):
            world.phones.register(alice, f"bad-{number}", HERE)

    assert world.register(world.user(BOB), "13900000001").registered


def test_a_new_number_frees_the_old_one(world):
    alice = world.register(world.user(ALICE), "13900000001")

    world.register(alice, "13900000002")
    bob = world.register(world.user(BOB), "13900000001")

    assert bob.registered
    assert world.number_of(ALICE) == "+8613900000002"
    assert len(stored.phone_claims(world.items())) == 2
    assert stored.contradictions(world.items()) == []


def test_a_user_who_was_read_before_they_changed_number_can_change_it_again(world):
    stale = world.user(ALICE)
    world.register(stale, "13900000001")

    world.register(stale, "13900000002")

    assert world.number_of(ALICE) == "+8613900000002"
    assert len(stored.phone_claims(world.items())) == 1
    assert stored.contradictions(world.items()) == []


def test_who_was_erased_meanwhile_is_not_brought_back(world):
    alice = world.user(ALICE)
    world.table.write(Delete(alice.key))
    before = stored.without_counters(world.items())

    with pytest.raises(SessionInvalid):
        world.register(alice, "13900000001")

    assert stored.without_counters(world.items()) == before


@pytest.mark.parametrize("conflict", ["transfer"], indirect=True)
def test_transfer_moves_the_number_and_leaves_the_rest(world):
    alice = world.register(world.user(ALICE), "13900000001")

    bob = world.register(world.user(BOB), "13900000001")

    assert bob.user_id != alice.user_id
    assert world.number_of(ALICE) is None
    assert world.users.find(ALICE).user_id == alice.user_id
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["transfer"], indirect=True)
def test_transfer_takes_a_number_from_one_who_was_read_as_registered(world):
    alice = world.register(world.user(ALICE), "13900000001")
    world.register(world.user(BOB), "13900000001")

    world.register(alice, "13900000002")

    assert world.number_of(BOB) == "+8613900000001"
    assert world.number_of(ALICE) == "+8613900000002"
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["transfer"], indirect=True)
def test_two_who_swap_numbers_each_own_one(world):
    alice = world.register(world.user(ALICE), "13900000001")
    bob = world.register(world.user(BOB), "13900000002")

    world.register(alice, "13900000002")
    world.register(bob, "13900000001")

    assert world.number_of(ALICE) == "+8613900000002"
    assert world.number_of(BOB) == "+8613900000001"
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["link"], indirect=True)
def test_link_gives_the_later_openid_the_earlier_userid(world):
    alice = world.register(world.user(ALICE), "13900000001")

    bob = world.register(world.user(BOB), "13900000001")
    carol = world.register(world.user(CAROL), "13900000001")

    assert alice.user_id == bob.user_id == carol.user_id
    assert {user.openid for user in world.users.find_by_id(alice.user_id)} == {ALICE, BOB, CAROL}
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["link"], indirect=True)
def test_who_was_linked_and_takes_another_number_stays_the_same_user(world):
    world.register(world.user(ALICE), "13900000001")
    bob = world.register(world.user(BOB), "13900000001")

    world.register(bob, "13900000002")

    assert world.number_of(ALICE) == "+8613900000001"
    assert world.number_of(BOB) == "+8613900000002"
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["link"], indirect=True)
def test_two_linked_pairs_can_be_linked(world):
    world.register(world.user(ALICE), "13900000001")
    bob = world.register(world.user(BOB), "13900000001")
    world.register(world.user(CAROL), "13900000002")

    world.register(bob, "13900000002")

    assert world.number_of(BOB) == world.number_of(CAROL) == "+8613900000002"
    assert stored.contradictions(world.items()) == []


@pytest.mark.parametrize("conflict", ["reject"], indirect=True)
def test_reject_refuses_and_writes_nothing(world):
    world.register(world.user(ALICE), "13900000001")
    bob = world.user(BOB)
    before = stored.without_counters(world.items())

    with pytest.raises(PhoneTaken):
        world.register(bob, "13900000001")

    assert stored.without_counters(world.items()) == before


def test_a_number_is_forgotten_though_its_claim_has_gone_in_between(world):
    alice = world.user(ALICE)
    registered = world.register(alice, "13900000001")
    world.table.write(Delete(phone_key(APPID, registered.phone_index)))

    world.phones.forget(ALICE, unless_newer_than=world.clock())

    assert world.number_of(ALICE) is None


class FailingTable(Table):
    """A table whose next transactions are not answered in time."""

    failures = 0

    def write(self, *writes):
        if len(writes) > 1 and self.failures:
            self.failures -= 1
            raise StorageUnavailable(operation="transact_write_items")
        super().write(*writes)


def test_a_number_that_was_paid_for_is_written_when_the_table_answers_again(
    dynamodb, table_name, world, conflict
):
    table = FailingTable(dynamodb, table_name, lambda: 10.0)
    table.failures = 2
    alice = world.user(ALICE)
    world.exchange.codes["code"] = "13900000001"

    registered = world.made(table, conflict).register(alice, "code", HERE)

    assert registered.registered
    assert len(world.exchange.asked) == 1
    assert stored.contradictions(world.items()) == []


def test_a_number_that_could_not_be_written_is_not_lost(dynamodb, table_name, world, conflict):
    table = FailingTable(dynamodb, table_name, lambda: 10.0)
    table.failures = 100
    alice = world.user(ALICE)
    world.exchange.codes["code"] = "13900000001"
    phones = world.made(table, conflict)

    with pytest.raises(StorageUnavailable) as failure:
        phones.register(alice, "code", HERE)
    table.failures = 0
    redeemed = phones.redeem(alice, failure.value.told["receipt"])

    assert redeemed.registered
    assert world.number_of(ALICE) == "+8613900000001"
    assert "13900000001" not in str(failure.value.told["receipt"])


@pytest.mark.parametrize("late", [0, 599])
def test_a_receipt_is_its_users_own(dynamodb, table_name, world, conflict, late):
    table = FailingTable(dynamodb, table_name, lambda: 10.0)
    table.failures = 100
    alice, bob = world.user(ALICE), world.user(BOB)
    world.exchange.codes["code"] = "13900000001"
    phones = world.made(table, conflict)
    with pytest.raises(StorageUnavailable) as failure:
        phones.register(alice, "code", HERE)
    world.clock.now += late

    with pytest.raises(CodeRejected):
        world.phones.redeem(bob, failure.value.told["receipt"])

    assert world.phones.redeem(alice, failure.value.told["receipt"]).registered


@pytest.mark.parametrize("receipt", ["", "x", "k1.AAAA", "k1." + "A" * 400])
def test_what_is_no_receipt_is_refused(world, receipt):
    with pytest.raises(CodeRejected):
        world.phones.redeem(world.user(ALICE), receipt)


@pytest.mark.parametrize("aws", ["ministack"], indirect=True)
def test_twenty_who_claim_one_number_at_once_leave_a_sound_table(world, conflict):
    people = [world.user(f"o-{number}") for number in range(20)]

    def claim(user):
        try:
            return world.register(user, "13900000001")
        except PhoneTaken:
            return None

    winners = [each for each in at_once([lambda each=each: claim(each) for each in people]) if each]

    (number,) = stored.phone_claims(world.items()).values()
    assert len(winners) == {"transfer": 20, "link": 20, "reject": 1}[conflict]
    assert len(number["owners"]) == {"transfer": 1, "link": 20, "reject": 1}[conflict]
    assert stored.contradictions(world.items()) == []
