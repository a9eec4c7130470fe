"""Hundreds of requests at once: nobody gets a 5xx, and the table is consistent."""

import functools
from collections import Counter

import pytest

from tests.support import stored
from tests.support.callers import at_once

# Each who claims a number meets all others: twice as many take four times as long.
MANY = 25
PHONE = "/wxa/business/getuserphonenumber"


@pytest.fixture
def deployed_with(deployed_with):
    """Functions with more time, because hundreds of requests run on two cores."""
    return functools.partial(deployed_with, seconds=120, connect_timeout=5, read_timeout=10)


def statuses(answers):
    return Counter(status for status, _ in answers)


def codes(answers):
    return Counter(body["error"]["code"] for _, body in answers if not body["success"])


def test_two_hundred_people_and_fifty_phones_of_one_log_in_and_register_at_once(backend, person):
    everybody = [person(f"person-{number}") for number in range(200)]
    one = [person("one") for _ in range(50)]

    def log_in_and_register(somebody):
        somebody.log_in()
        return somebody.tap()

    answers = at_once([lambda each=each: log_in_and_register(each) for each in [*everybody, *one]])

    items = backend.items()
    assert statuses(answers[:200]) == {200: 200}
    # The number of exchanged taps in ten minutes, and of sessions per user, is limited.
    assert statuses(answers[200:]).keys() <= {200, 401, 429}
    assert len(stored.profiles(items)) == len(stored.id_claims(items)) == 201
    registered = [each for each in stored.profiles(items).values() if "phoneIndex" in each]
    assert len(stored.phone_claims(items)) == len(registered) >= 200
    assert 201 <= len(stored.sessions(items)) <= 210
    assert stored.contradictions(items) == []


def test_fifty_logins_of_one_user_with_one_code_are_one_login(backend, call, person):
    code = person("alice").login_code()

    answers = at_once([lambda: call("login", code=code)] * 50)

    assert statuses(answers) == {200: 1, 401: 49}
    assert codes(answers) == {"code_rejected": 49}
    assert len(stored.profiles(backend.items())) == len(stored.sessions(backend.items())) == 1


def test_fifty_first_logins_of_one_user_with_fifty_codes_make_one_user(backend, call, person):
    fifty = [person("alice").login_code() for _ in range(50)]

    answers = at_once([lambda code=code: call("login", code=code) for code in fifty])

    items = backend.items()
    assert statuses(answers) == {200: 50}
    assert len(stored.profiles(items)) == len(stored.id_claims(items)) == 1
    assert len({body["data"]["session"] for _, body in answers}) == 50
    assert 1 <= len(stored.sessions(items)) <= 10
    assert stored.contradictions(items) == []


@pytest.mark.parametrize("times", [2, 5])
def test_one_phone_code_sent_several_times_at_once_is_exchanged_once_and_then_answered(
    backend, person, wechat, times
):
    alice = person("alice")
    alice.log_in()
    code = alice.phone_code()
    # So that the winner need not fetch it while the others wait.
    backend.deployment.invoke("renew_access_token", {})

    answers = at_once([lambda: alice.tap(code)] * times)

    assert statuses(answers) == {200: 1, 429: times - 1}
    assert statuses([alice.tap(code) for _ in range(times)]) == {200: times}
    assert wechat.calls()["charges"]["phoneExchanges"] == 1
    assert stored.contradictions(backend.items()) == []


def test_one_phone_code_sent_fifty_times_at_once_is_exchanged_once(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    code = alice.phone_code()
    # So that the winner need not fetch it while the others wait.
    backend.deployment.invoke("renew_access_token", {})

    answers = at_once([lambda: alice.tap(code)] * 50)

    assert statuses(answers).keys() <= {200, 429}
    assert statuses(answers)[200] >= 1
    assert wechat.calls()["charges"]["phoneExchanges"] == 1
    assert stored.contradictions(backend.items()) == []


def claim_one_number(backend, wechat):
    """Register one number for many people at the same moment."""
    people = [backend.person(f"person-{number}") for number in range(MANY)]
    for each in people:
        wechat.set_phone(each.name, "13900000001")
        each.log_in()
    taps = [(each, each.phone_code()) for each in people]
    return people, at_once([lambda who=who, code=code: who.tap(code) for who, code in taps])


def test_of_many_who_claim_one_number_one_owns_it_by_transfer(backend, wechat):
    people, answers = claim_one_number(backend, wechat)

    items = backend.items()
    (claim,) = stored.phone_claims(items).values()
    tokens = [each.look_up_token()[1]["data"] for each in people]
    # An earlier consent does not take the number from a later one.
    assert statuses(answers).keys() <= {200, 401}
    assert len(claim["owners"]) == 1
    assert sum(token is not None for token in tokens) == 1
    assert len(stored.id_claims(items)) == MANY
    assert stored.contradictions(items) == []


def test_of_many_who_claim_one_number_ten_are_one_account_by_link(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")

    people, answers = claim_one_number(backend, wechat)

    items = backend.items()
    (claim,) = stored.phone_claims(items).values()
    assert statuses(answers) == {200: 10, 409: MANY - 10}
    assert len(claim["owners"]) == 10
    assert len({stored.profiles(items)[owner]["userId"] for owner in claim["owners"]}) == 1
    assert len(stored.id_claims(items)) == 1 + MANY - 10
    assert sum(each.look_up_token()[1]["data"] is not None for each in people) == 10
    assert stored.contradictions(items) == []


def test_of_many_who_claim_one_number_one_gets_it_by_reject(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="reject")

    _, answers = claim_one_number(backend, wechat)

    items = backend.items()
    (claim,) = stored.phone_claims(items).values()
    assert statuses(answers) == {200: 1, 409: MANY - 1}
    assert codes(answers) == {"phone_taken": MANY - 1}
    assert len(claim["owners"]) == 1
    assert stored.contradictions(items) == []


@pytest.mark.parametrize("conflict", ["transfer", "link", "reject"])
def test_people_who_change_numbers_among_themselves_leave_no_contradiction(
    deployed_with, wechat, conflict
):
    backend = deployed_with(PhoneConflict=conflict)
    people = [backend.person(f"person-{number}") for number in range(8)]
    numbers = [f"1390000000{number}" for number in range(4)]
    for each in people:
        each.log_in()

    seen: Counter[str] = Counter()
    for turn in range(3):
        for number, each in enumerate(people):
            wechat.set_phone(each.name, numbers[(number + turn) % 4])
        taps = [(each, each.phone_code()) for each in people]
        seen += statuses(at_once([lambda who=who, code=code: who.tap(code) for who, code in taps]))

    assert seen.keys() <= {200, 401, 409}
    assert stored.contradictions(backend.items()) == []


def test_logins_registrations_and_log_outs_of_one_user_at_once_leave_a_sound_table(backend, person):
    alice = [person("alice") for _ in range(12)]
    for each in alice:
        each.log_in()

    answers = at_once(
        [
            *[lambda each=each: each.tap() for each in alice[:4]],
            *[lambda each=each: each.log_out() for each in alice[4:8]],
            *[lambda each=each: each.look_up_token() for each in alice[8:]],
            lambda: alice[0].log_out(everywhere=True),
        ]
    )

    assert statuses(answers).keys() <= {200, 401}
    assert stored.contradictions(backend.items()) == []
