"""Limits of questions to WeChat: by network and by user, in the memory of one container."""

import contextlib

import pytest

from tests.support.clock import Clock
from wechat_login.errors import CodeRejected, TooManyAttempts, WeChatUnavailable
from wechat_login.wechat.limits import Limit

ADDRESS = "192.0.2.1"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limit(clock):
    return Limit(3, 600, names=4, now=clock)


def ask(limit, address, error=None):
    with contextlib.suppress(CodeRejected, WeChatUnavailable), limit.rejections(address):
        if error:
            raise error


def reject(limit, address, times=3):
    for _ in range(times):
        ask(limit, address, CodeRejected())


def test_a_name_has_only_so_many_questions(limit, clock):
    for _ in range(3):
        limit.take("alice")
    clock.sleep(400)

    with pytest.raises(TooManyAttempts) as refused:
        limit.take("alice")

    assert refused.value.retry_after == 200
    limit.take("bob")
    clock.sleep(200)
    limit.take("alice")


def test_an_address_whose_codes_wechat_rejects_has_to_wait(limit, clock):
    reject(limit, ADDRESS)

    with pytest.raises(TooManyAttempts):
        ask(limit, ADDRESS)

    ask(limit, "192.0.2.2")
    clock.sleep(600)
    ask(limit, ADDRESS)


def test_accepted_codes_make_up_for_rejected_ones(limit):
    # Behind a carrier's address are thousands of phones, and some of their codes are too old.
    for _ in range(50):
        reject(limit, ADDRESS, 1)
        ask(limit, ADDRESS)

    reject(limit, ADDRESS)

    with pytest.raises(TooManyAttempts):
        ask(limit, ADDRESS)


def test_accepted_codes_are_no_credit_for_later_ones(limit):
    for _ in range(50):
        ask(limit, ADDRESS)
    reject(limit, ADDRESS)

    with pytest.raises(TooManyAttempts):
        ask(limit, ADDRESS)


def test_an_outage_is_not_the_callers_fault(limit):
    for _ in range(50):
        ask(limit, ADDRESS, WeChatUnavailable())

    reject(limit, ADDRESS, 2)
    ask(limit, ADDRESS)


@pytest.mark.parametrize(
    "other", ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:DB8:1:2:0:0:0:9"]
)
def test_the_addresses_of_one_phone_are_one(limit, other):
    reject(limit, "2001:db8:1:2::abcd")

    with pytest.raises(TooManyAttempts):
        ask(limit, other)

    ask(limit, "2001:db8:1:3::1")


@pytest.mark.parametrize("text", ["", ":::", "unknown", "192.0.2.1:80", "fe80::1%eth0"])
def test_a_text_that_is_no_address_is_a_name_like_others(limit, text):
    reject(limit, text)

    with pytest.raises(TooManyAttempts):
        ask(limit, text)


def test_the_names_that_are_remembered_are_few(limit):
    reject(limit, ADDRESS)
    for n in range(4):
        reject(limit, f"192.0.2.{n + 10}", 1)

    ask(limit, ADDRESS)

    reject(limit, ADDRESS)
    with pytest.raises(TooManyAttempts):
        ask(limit, ADDRESS)
