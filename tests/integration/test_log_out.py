"""POST /logout: this session ends, or all of its user's, at once."""

import pytest

from tests.support import stored


def test_a_session_that_was_logged_out_is_refused_at_once(person, items):
    alice = person("alice")
    alice.log_in()

    status, body = alice.log_out()

    assert (status, body) == (200, {"success": True, "data": None})
    assert alice.look_up_token()[1]["error"]["code"] == "session_invalid"
    assert stored.sessions(items()) == {}


def test_other_sessions_of_the_user_go_on(person):
    phone, tablet = person("alice"), person("alice")
    phone.log_in()
    tablet.log_in()

    phone.log_out()

    assert phone.look_up_token()[0] == 401
    assert tablet.look_up_token()[0] == 200


def test_everywhere_ends_all_sessions_of_the_user_and_of_nobody_else(person):
    phone, tablet, bob = person("alice"), person("alice"), person("bob")
    for each in (phone, tablet, bob):
        each.log_in()

    status, _ = phone.log_out(everywhere=True)

    assert status == 200
    assert [each.look_up_token()[0] for each in (phone, tablet, bob)] == [401, 401, 200]


def test_logging_out_twice_is_refused_the_second_time(person, items):
    alice = person("alice")
    alice.log_in()
    alice.log_out()
    before = items()

    status, body = alice.log_out()

    assert (status, body["error"]["code"]) == (401, "session_invalid")
    assert items() == before


def test_the_user_and_the_number_stay(person):
    alice = person("alice")
    alice.register()
    alice.log_out(everywhere=True)

    answer = alice.log_in()

    assert answer["registered"] is True


def test_without_a_session_nobody_is_logged_out(call, person, items):
    alice = person("alice")
    alice.log_in()
    before = items()

    status, body = call("log_out", openid=alice.openid, everywhere=True)

    assert (status, body["error"]["code"]) == (401, "session_required")
    assert items() == before


@pytest.mark.parametrize("everywhere", ["true", 1, None, [], {}])
def test_everywhere_is_true_or_false(person, items, everywhere):
    alice = person("alice")
    alice.log_in()
    before = items()

    status, body = alice.log_out(everywhere=everywhere)

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert items() == before


def test_no_body_ends_this_session(backend, person):
    alice = person("alice")
    alice.log_in()

    answer = backend.send("POST", "/logout", b"", [("Authorization", f"Bearer {alice.session}")])

    assert answer.status == 200
    assert alice.look_up_token()[0] == 401
