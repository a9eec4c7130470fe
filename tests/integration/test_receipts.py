"""A number that is paid for is never lost: if storage fails, a receipt replaces the code."""

import pytest

from tests.support import stored
from tests.support.fault_proxy import FaultProxy
from wechat_login.budget import AWS_TRIES as TRIES

PHONE = "/wxa/business/getuserphonenumber"


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
    ministack.recover()
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
    ministack.fail("GetItem")
    before = len(ministack.calls)

    status, _ = alice.look_up_token()

    assert status == 503
    assert ministack.calls[before:] == ["GetItem"] * TRIES["dynamodb"]


def test_a_short_outage_after_the_exchange_is_not_even_noticed(person, wechat, ministack):
    alice = person("alice")
    alice.log_in()
    # One try of ours is two tries of botocore.
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
    ministack.fail("PutItem", containing="proofs")
    status, body = alice.tap(code)
    ministack.recover()

    assert status == 503
    assert "receipt" not in body["error"]
    assert wechat.asked(PHONE) == 0
    assert alice.tap(code)[0] == 200


@pytest.mark.parametrize("receipt", ["", "nonsense", "k1.AAAA", "k9." + "A" * 64, 7, "A" * 1025])
def test_a_text_that_is_no_receipt_is_rejected(backend, person, wechat, receipt):
    alice = person("alice")
    alice.log_in()

    status, body = redeem(backend, alice, receipt)

    assert (status, body["error"]["code"]) in {(400, "bad_request"), (401, "code_rejected")}
    assert stored.phone_claims(backend.items()) == {}
    assert wechat.asked(PHONE) == 0
