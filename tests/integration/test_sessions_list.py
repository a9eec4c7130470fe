"""GET /account/sessions: the sessions of a user, without their credentials."""

import time

import pytest

from tests.support import stored


def listed(call, session):
    status, body = call("list_sessions", session=session)
    assert status == 200, body
    return body["data"]


def test_every_session_is_listed_newest_first_and_the_callers_own_is_marked(backend, call, person):
    alice = person("alice")
    sessions = [alice.log_in()["session"] for _ in range(3)]
    for age, key in enumerate(sorted(stored.sessions(backend.items()))):
        backend.change_session(key, createdAt=int(time.time()) - 1000 * age)

    shown = [listed(call, session) for session in sessions]

    created = [each["createdAt"] for each in shown[0]]
    assert created == sorted(created, reverse=True)
    assert len(set(created)) == 3
    assert [sum(each["current"] for each in view) for view in shown] == [1, 1, 1]
    assert len({tuple(each["current"] for each in view) for view in shown}) == 3


def test_a_list_of_sessions_holds_nothing_to_log_in_with(backend, call, person):
    alice = person("alice")
    alice.log_in()
    secrets = [alice.session.split(".")[1], *(sid for _, sid in stored.sessions(backend.items()))]

    shown = listed(call, alice.session)

    assert shown[0].keys() == {"id", "createdAt", "lastUsedAt", "expiresAt", "current"}
    assert not any(secret in repr(shown) for secret in secrets)


def test_nobody_sees_the_sessions_of_others(call, person):
    alice, bob = person("alice"), person("bob")
    alice.log_in()
    bob.log_in()
    bob.log_in()

    assert len(listed(call, alice.session)) == 1


def test_an_expired_session_is_not_listed_though_it_still_lies_there(backend, call, person):
    alice = person("alice")
    alice.log_in()
    (expired,) = stored.sessions(backend.items())
    alice.log_in()
    backend.change_session(expired, usedAt=int(time.time()) - 30 * 86_400)

    shown = listed(call, alice.session)

    assert [each["current"] for each in shown] == [True]
    assert expired in stored.sessions(backend.items())


@pytest.mark.parametrize(("everywhere", "left"), [(False, 200), (True, 401)])
def test_logging_out_ends_this_session_or_all(call, person, everywhere, left):
    alice = person("alice")
    other = alice.log_in()["session"]
    alice.log_in()

    alice.log_out(everywhere=everywhere)

    assert call("list_sessions", session=alice.session)[0] == 401
    assert call("list_sessions", session=other)[0] == left


def test_a_session_is_ended_by_its_id(backend, call, person):
    alice = person("alice")
    other = alice.log_in()["session"]
    alice.log_in()
    (ended,) = [each["id"] for each in listed(call, alice.session) if not each["current"]]

    answers = [end(backend, alice, ended) for _ in range(2)]

    assert [(each.status, each.body) for each in answers] == [
        (200, {"success": True, "data": None})
    ] * 2
    assert [each["current"] for each in listed(call, alice.session)] == [True]
    assert call("list_sessions", session=other)[0] == 401


def test_a_session_of_another_user_is_not_ended_by_its_id(backend, call, person):
    alice, bob = person("alice"), person("bob")
    alice.log_in()
    bob.log_in()
    (theirs,) = listed(call, bob.session)

    assert end(backend, alice, theirs["id"]).status == 200
    assert len(listed(call, bob.session)) == 1


def test_a_session_can_end_itself(backend, call, person):
    alice = person("alice")
    alice.log_in()
    (own,) = listed(call, alice.session)

    assert end(backend, alice, own["id"]).status == 200
    assert call("list_sessions", session=alice.session)[0] == 401


@pytest.mark.parametrize("id_", ["x", "%00", "..", "a%2Fb", "A" * 2000])
def test_an_id_that_names_no_session_changes_nothing(backend, person, id_):
    alice = person("alice")
    alice.log_in()
    before = backend.items()

    assert end(backend, alice, id_).status in (200, 404)
    assert backend.items() == before


def end(backend, somebody, id_):
    headers = [("Authorization", f"Bearer {somebody.session}")]
    return backend.send("DELETE", f"/account/sessions/{id_}", headers=headers)
