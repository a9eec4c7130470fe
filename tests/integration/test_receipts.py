"""A number that was paid for is never lost: when storage fails, a receipt stands for the code."""

import time

import pytest

from tests.support import stored
from tests.support.fault_proxy import FaultProxy
from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.phones import Phones
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.users import UserStore
from wechat_login.errors import CodeRejected, StorageUnavailable
from wechat_login.storage.aws import TRIES
from wechat_login.storage.sealing import Keyring, new_keyring, with_new_key
from wechat_login.storage.table import Table
from wechat_login.wechat.client import Identity
from wechat_login.wechat.phone_number import PhoneNumber

PHONE = "/wxa/business/getuserphonenumber"
APPID = "wx1234567890abcdef"
TEN_MINUTES = 600


@pytest.fixture
def ministack(ministack):
    with FaultProxy(ministack.url).running() as storage:
        yield storage


def redeem(backend, somebody, receipt, **fields):
    session, openid = somebody.session, somebody.openid
    return backend.call("register_phone", session=session, openid=openid, receipt=receipt, **fields)


def test_when_storage_fails_after_the_exchange_a_receipt_completes_the_registration(
    backend, person, wechat, ministack
):
    alice, mallory = person("alice"), person("mallory")
    alice.log_in()
    mallory.log_in()
    ministack.fail("TransactWriteItems")
    status, body = alice.tap()
    ministack.mend()
    receipt = body["error"]["receipt"]

    stolen = redeem(backend, mallory, receipt)
    altered = redeem(backend, alice, receipt[:-4] + ("AAAA" if receipt[-4:] != "AAAA" else "BBBB"))
    before = backend.items()
    registered = redeem(backend, alice, receipt)

    assert (status, body["error"]["code"]) == (503, "storage_unavailable")
    assert [(each[0], each[1]["error"]["code"]) for each in (stolen, altered)] == [
        (401, "code_rejected")
    ] * 2
    assert stored.phone_claims(before) == {}
    assert (registered[0], registered[1]["data"].count(".")) == (200, 2)
    assert wechat.asked(PHONE) == 1
    assert wechat.calls()["charges"]["phoneExchanges"] == 1
    assert stored.contradictions(backend.items()) == []
    found = backend.deployment.invoke("find_user", {"phone": alice.phone})
    assert [user["openid"] for user in found["users"]] == [alice.openid]


def test_a_call_is_tried_as_often_as_there_is_time_kept_for(person, ministack):
    alice = person("alice")
    alice.log_in()
    ministack.fail("BatchGetItem")
    before = len(ministack.calls)

    status, _ = alice.look_up_token()

    assert status == 503
    assert ministack.calls[before:] == ["BatchGetItem"] * TRIES["dynamodb"]


def test_a_short_outage_after_the_exchange_is_not_even_noticed(person, wechat, ministack):
    alice = person("alice")
    alice.log_in()
    # botocore asks twice before it gives up, and that is one try of ours.
    ministack.fail("TransactWriteItems", times=3)

    status, body = alice.tap()

    assert (status, body["data"].count(".")) == (200, 2)
    assert wechat.asked(PHONE) == 1


def test_a_write_whose_answer_was_lost_counts(backend, person, wechat, ministack):
    alice = person("alice")
    alice.log_in()
    ministack.fail("TransactWriteItems", times=3, acts=True)

    status, body = alice.tap()

    assert (status, body["data"].count(".")) == (200, 2)
    assert wechat.asked(PHONE) == 1
    assert stored.contradictions(backend.items()) == []


def test_before_the_exchange_a_failure_costs_nothing(person, wechat, ministack):
    alice = person("alice")
    alice.log_in()
    code = alice.phone_code()
    ministack.fail("UpdateItem", containing="attemptsWindow")
    status, body = alice.tap(code)
    ministack.mend()

    assert status == 503
    assert "receipt" not in body["error"]
    assert wechat.asked(PHONE) == 0
    assert alice.tap(code)[0] == 200


@pytest.mark.parametrize("receipt", ["", "nonsense", "k1.AAAA", "k9." + "A" * 64, 7, "A" * 1025])
def test_what_is_no_receipt_is_refused(backend, person, wechat, receipt):
    alice = person("alice")
    alice.log_in()

    status, body = redeem(backend, alice, receipt)

    assert (status, body["error"]["code"]) in {(400, "bad_request"), (401, "code_rejected")}
    assert stored.phone_claims(backend.items()) == {}
    assert wechat.asked(PHONE) == 0


class Paid:
    """Somebody whose code was exchanged just before storage failed, on a clock of their own."""

    def __init__(self, dynamodb, table_name, openid="o-alice", conflict="transfer"):
        self.now = time.time()
        self.left = 10.0
        self.keyring = new_keyring()
        self.exchanges = 0
        self.dynamodb = dynamodb
        self.table = Table(dynamodb, table_name, time_left=lambda: 10)
        self.users = UserStore(self.table, appid=APPID)
        self.sessions = Sessions(self.table, appid=APPID, days=30)
        self.conflict = conflict
        self.user = self.make(openid)

    def make(self, openid):
        session = self.sessions.open(openid)
        return self.users.record_login(Identity(openid), session.record)

    def phones(self, table=None):
        return Phones(
            table or self.table,
            self.users,
            keyring=lambda: Keyring.from_json(self.keyring),
            conflict=self.conflict,
            attempts=Attempts(self.table),
            screen=lambda user, client_ip: None,  # noqa: ARG005 - the signature that it stands for
            exchange=self.exchange,
            legacy=None,
            time_left=lambda: 0.0,
            now=lambda: self.now,
        )

    def exchange(self, code, openid):  # noqa: ARG002 - the signature that it stands for
        self.exchanges += 1
        return PhoneNumber("86", "13800138000")

    def receipt(self):
        with pytest.raises(StorageUnavailable) as failure:
            self.phones(Unreachable(self.table)).register(self.user, "a-phone-code", "192.0.2.1")
        return failure.value.told["receipt"]


class Unreachable:
    """A table whose transactions find nobody."""

    def __init__(self, table):
        self._table = table

    def get(self, key):
        return self._table.get(key)

    def write(self, *writes):
        raise StorageUnavailable(writes=len(writes))


@pytest.fixture
def paid(dynamodb, table_name):
    return Paid(dynamodb, table_name)


def test_a_receipt_is_good_for_ten_minutes(paid):
    receipt = paid.receipt()
    paid.now += TEN_MINUTES - 2
    bound = paid.phones().redeem(paid.user, receipt)

    paid.now += 3
    with pytest.raises(CodeRejected):
        paid.phones().redeem(paid.user, receipt)

    assert bound.registered
    assert paid.exchanges == 1


def test_a_receipt_is_good_for_its_user_only(paid):
    receipt = paid.receipt()
    mallory = paid.make("o-mallory")

    with pytest.raises(CodeRejected):
        paid.phones().redeem(mallory, receipt)

    assert not paid.users.find("o-mallory").registered


def test_no_letter_of_a_receipt_can_be_changed(paid):
    receipt = paid.receipt()
    other = {"A": "B"}
    # Of the last letter of base64 some bits stand for nothing.
    altered = [
        receipt[:at] + other.get(receipt[at], "A") + receipt[at + 1 :]
        for at in range(len(receipt.rstrip("=")) - 1)
    ]

    refused = 0
    for each in altered:
        with pytest.raises(CodeRejected):
            paid.phones().redeem(paid.user, each)
        refused += 1

    assert refused == len(altered) > 100


def test_a_receipt_that_is_used_twice_binds_once(paid):
    receipt = paid.receipt()

    first = paid.phones().redeem(paid.user, receipt)
    second = paid.phones().redeem(paid.users.find("o-alice"), receipt)

    assert first.phone_index == second.phone_index


def test_after_a_receipt_the_code_it_stands_for_is_answered_too(paid):
    paid.phones().redeem(paid.user, paid.receipt())

    again = paid.phones().register(paid.users.find("o-alice"), "a-phone-code", "192.0.2.1")

    assert again.registered
    assert paid.exchanges == 1


def test_a_receipt_outlives_a_new_sealing_key(paid):
    receipt = paid.receipt()
    paid.keyring = with_new_key(paid.keyring)

    bound = paid.phones().redeem(paid.user, receipt)

    assert bound.registered


def test_a_receipt_shows_nothing_of_the_number(paid):
    assert "13800138000" not in paid.receipt()
