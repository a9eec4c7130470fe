"""Registration: a code is exchanged once, and a number that is paid for is not lost."""

import pytest

from tests.support import stored
from tests.support.callers import at_once
from tests.support.world import APPID, HERE, World
from wechat_login.accounts.attempts import BUSY_SECONDS
from wechat_login.errors import (
    CodeRejected,
    PhoneTaken,
    StorageUnavailable,
    TooManyAttempts,
    UserBlocked,
    WeChatUnavailable,
)
from wechat_login.storage.sealing import with_new_key
from wechat_login.storage.table import Table

ALICE, BOB = "o-alice", "o-bob"
N1 = "13900000001"


@pytest.fixture
def world(dynamodb, table_name):
    return World(dynamodb, table_name)


@pytest.fixture
def alice(world):
    return world.session(ALICE)


def refuse(world, session, code="bad"):
    with pytest.raises(CodeRejected):
        world.registration.register(session, code, HERE)


def test_a_sealed_number_opens_for_its_own_user_only(world, alice):
    world.register(alice, N1)
    world.log_in(BOB)
    sealed = stored.profiles(world.items())[alice.user.key[0]]["phone"]
    bob = world.transactions.run(
        lambda change: change.change(change.find("wx1234567890abcdef", BOB), {"phone": sealed})
    )

    with pytest.raises(Exception, match="misconfigured"):
        world.look_ups.number(bob)


def test_the_same_code_again_is_answered_without_wechat(world, alice):
    first = world.register(alice, N1, "code")
    before = world.without_counters()

    again = world.registration.register(world.session(ALICE), "code", HERE)

    assert again.phone_index == first.phone_index
    assert len(world.exchange.asked) == 1
    # The session of the second request is all that is new.
    assert world.without_counters().keys() == before.keys()


def test_the_same_code_waits_for_the_request_that_is_busy_with_it(world, alice):
    world.register(alice, N1, "code")

    # Read before the code was used, so the number is not seen yet.
    with pytest.raises(TooManyAttempts) as refused:
        world.registration.register(alice, "code", HERE)

    assert refused.value.retry_after == 2
    assert len(world.exchange.asked) == 1


def test_a_rejected_code_changes_nothing_and_is_asked_about_once(world, alice):
    before = world.without_counters()

    for _ in range(4):
        refuse(world, alice)

    assert world.without_counters() == before
    assert len(world.exchange.asked) == 1


def test_after_a_failure_of_wechats_the_same_code_is_tried_at_once(world, alice):
    answers = iter([WeChatUnavailable(), WeChatUnavailable()])
    exchange = world.exchange

    def failing(code, openid):
        for failure in answers:
            raise failure
        return exchange(code, openid)

    world.exchange = failing
    world.build(world.table)
    exchange.codes["code"] = N1, None
    for _ in range(2):
        with pytest.raises(WeChatUnavailable):
            world.registration.register(alice, "code", HERE)

    assert world.registration.register(alice, "code", HERE).registered


def test_a_user_whom_wechat_ranks_as_too_risky_spends_no_code(dynamodb, table_name):
    def screen(_, client_ip):
        raise UserBlocked(ip=client_ip)

    world = World(dynamodb, table_name, screen=screen)

    with pytest.raises(UserBlocked):
        world.register(world.session(ALICE), N1)

    assert world.exchange.asked == []


def test_five_codes_are_tried_in_ten_minutes(world, alice):
    for number in range(5):
        refuse(world, alice, f"bad-{number}")

    with pytest.raises(TooManyAttempts) as refusal:
        world.registration.register(alice, "bad-6", HERE)
    assert len(world.exchange.asked) == 5
    assert 0 < refusal.value.retry_after <= 600
    world.clock.now += 600

    assert world.register(alice, N1).registered


def test_a_code_for_a_number_that_is_taken_is_not_asked_about_again(dynamodb, table_name):
    world = World(dynamodb, table_name, "reject")
    world.register(world.session(BOB), N1)
    alice = world.session(ALICE)

    with pytest.raises(PhoneTaken):
        world.register(alice, N1, "code")
    refuse(world, alice, "code")

    assert len(world.exchange.asked) == 2


class FailingTable(Table):
    """A table whose next transactions are not answered in time."""

    failures = 0

    def _write(self, writes, **options):
        if len(writes) > 1 and self.failures:
            self.failures -= 1
            raise StorageUnavailable(operation="transact_write_items")
        return super()._write(writes, **options)


@pytest.fixture
def failing(dynamodb, table_name, world):
    """A world whose transactions fail, as often as asked."""

    def build(failures, **how):
        table = FailingTable(dynamodb, table_name, lambda: 10.0)
        failing = World(dynamodb, table_name, table=table, clock=world.clock, **how)
        failing.exchange = world.exchange
        failing.build(table)
        table.failures = failures
        return failing

    return build


@pytest.fixture
def receipt(failing, world, alice):
    """The receipt of alice, whose number was paid for and could not be written."""
    world.exchange.codes["code"] = N1, None
    with pytest.raises(StorageUnavailable) as failure:
        failing(100).registration.register(alice, "code", HERE)
    return failure.value.response_fields["receipt"]


def test_a_number_that_was_paid_for_is_written_when_the_table_answers_again(failing, world, alice):
    world.exchange.codes["code"] = N1, None

    registered = failing(2).registration.register(alice, "code", HERE)

    assert registered.registered
    assert len(world.exchange.asked) == 1
    assert world.contradictions() == []


def test_a_receipt_replaces_the_code(world, alice, receipt):
    world.clock.now += 599

    assert world.registration.redeem(alice, receipt).registered
    assert world.number_of(ALICE) == f"+86{N1}"
    assert N1 not in receipt
    assert world.registration.register(world.session(ALICE), "code", HERE).registered
    assert len(world.exchange.asked) == 1


def test_a_receipt_is_valid_for_ten_minutes(world, alice, receipt):
    world.clock.now += 601

    with pytest.raises(CodeRejected):
        world.registration.redeem(alice, receipt)


def test_a_receipt_that_is_used_twice_binds_once(world, alice, receipt):
    world.registration.redeem(alice, receipt)
    before = world.items()

    world.registration.redeem(world.session(ALICE), receipt)

    assert stored.phone_claims(world.items()) == stored.phone_claims(before)


ENDINGS = {
    "withdrawn": lambda world: world.claims.forget(
        "wx1234567890abcdef", ALICE, at=int(world.clock())
    ),
    "erased": lambda world: world.erasure.erase_openid(APPID, ALICE, at=world.clock()),
    "given to another number": lambda world: world.register(
        world.session(ALICE), "13900000002", "later"
    ),
}


@pytest.mark.parametrize("redeemed", [False, True], ids=["unused", "used"])
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_a_receipt_is_void_after_its_consent_has_ended(world, alice, receipt, redeemed, end):
    if redeemed:
        world.registration.redeem(alice, receipt)
    world.clock.now += 1
    end(world)
    world.clock.now += 1

    with pytest.raises(CodeRejected):
        world.registration.redeem(world.session(ALICE), receipt)

    assert world.number_of(ALICE) != f"+86{N1}"


def test_a_receipt_does_not_take_a_number_back_from_its_next_owner(world, alice, receipt):
    world.registration.redeem(alice, receipt)
    world.clock.now += 1
    world.register(world.session(BOB), N1)

    with pytest.raises(CodeRejected):
        world.registration.redeem(world.session(ALICE), receipt)

    assert world.number_of(BOB) == f"+86{N1}"


def test_a_receipt_is_its_users_own(world, receipt):
    with pytest.raises(CodeRejected):
        world.registration.redeem(world.session(BOB), receipt)


def test_no_letter_of_a_receipt_can_be_changed(world, alice, receipt):
    other = {"A": "B"}
    # Some bits of base64's last letter have no meaning.
    altered = [
        receipt[:at] + other.get(receipt[at], "A") + receipt[at + 1 :]
        for at in range(len(receipt.rstrip("=")) - 1)
    ]

    for each in altered:
        with pytest.raises(CodeRejected):
            world.registration.redeem(alice, each)

    assert len(altered) > 100


def test_a_receipt_outlives_a_new_sealing_key(world, alice, receipt):
    world.keyring = with_new_key(world.keyring)

    assert world.registration.redeem(alice, receipt).registered


@pytest.mark.parametrize("receipt", ["", "x", "k1.AAAA", "k1." + "A" * 400])
def test_a_text_that_is_no_receipt_is_refused(world, receipt):
    with pytest.raises(CodeRejected):
        world.registration.redeem(world.session(ALICE), receipt)


@pytest.mark.parametrize("dynamodb", ["ministack"], indirect=True)
def test_of_one_code_at_once_wechat_is_asked_once(world):
    session = world.session(ALICE)
    world.exchange.codes["code"] = N1, None

    def register():
        try:
            return world.registration.register(session, "code", HERE)
        except TooManyAttempts:
            return None

    assert len([each for each in at_once([register] * 10) if each]) == 1
    assert len(world.exchange.asked) == 1
    assert world.number_of(ALICE) == f"+86{N1}"


def test_a_code_that_was_used_for_an_earlier_number_brings_nothing_back(world, alice):
    world.register(alice, N1, "first")
    world.clock.now += 1
    world.register(world.session(ALICE), "13900000002", "second")
    with pytest.raises(TooManyAttempts):
        world.registration.register(world.session(ALICE), "first", HERE)
    world.clock.now += BUSY_SECONDS

    refuse(world, world.session(ALICE), "first")

    assert world.number_of(ALICE) == "+8613900000002"
