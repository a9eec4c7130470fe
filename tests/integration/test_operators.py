"""update_user, end_sessions and list_users: what an operator decides, and what the user notices."""

import functools
import json
import time
from collections import Counter

import jwt
import pytest

from local.functions import FunctionError
from tests.support import stored
from tests.support.callers import at_once


@pytest.fixture
def alice(backend):
    alice = backend.person("alice")
    alice.register()
    return alice


def operate(backend, function, **event):
    return backend.deployment.invoke(function, event)


def block(backend, person, **more):
    change = {"openid": person.openid, "blocked": True, "reason": "spam", **more}
    return operate(backend, "update_user", **change)


def authorized(backend, token):
    event = {"headers": {"authorization": f"Bearer {token}"}, "requestContext": {}}
    return backend.deployment.invoke("authorize", event)


def code_of(answer):
    status, body = answer
    return status, body["error"]["code"]


BLOCKED = (403, "user_blocked")


def test_a_blocked_user_is_refused_everywhere_at_once(backend, alice):
    token = alice.look_up_token()[1]["data"]
    assert authorized(backend, token)["isAuthorized"]

    (user,) = block(backend, alice)["users"]

    assert user["blocked"]["reason"] == "spam"
    assert code_of(alice.look_up_token()) == BLOCKED
    assert code_of(alice.tap()) == BLOCKED
    assert code_of(backend.call("show_account", session=alice.session)) == BLOCKED
    assert code_of(backend.call("login", code=alice.login_code())) == BLOCKED
    assert authorized(backend, token) == {"isAuthorized": False}
    assert stored.sessions(backend.items()) == {}


def test_a_block_survives_erasure_and_lifts_at_its_end(backend, alice):
    block(backend, alice, endsAt=int(time.time()) + 600)
    assert operate(backend, "erase_user", openid=alice.openid) == {"erased": 1}
    assert stored.profiles(backend.items()) == {}

    assert code_of(backend.call("login", code=alice.login_code())) == BLOCKED

    (left,) = [key for key in backend.items() if key[0].startswith("BLOCK#")]
    assert alice.openid not in repr(left)
    backend.change(left, "SET expiresAt = :now", now=int(time.time()))
    assert alice.log_in()["registered"] is False


def test_the_end_of_a_block_lifts_it(backend, alice):
    block(backend, alice, endsAt=int(time.time()) + 600)
    (pk,) = stored.profiles(backend.items())
    backend.change((pk, "PROFILE"), "SET blocked.endsAt = :now", now=int(time.time()))

    assert alice.log_in()["registered"] is True


def test_an_unblocked_user_logs_in_again(backend, alice):
    block(backend, alice)
    operate(backend, "update_user", openid=alice.openid, blocked=False)

    assert code_of(alice.look_up_token()) == (401, "session_invalid")
    assert alice.log_in()["token"]


@pytest.mark.parametrize("known", [True, False])
def test_no_session_lives_after_a_block_among_fifty_logins(deployed_with, known):
    backend = functools.partial(deployed_with, seconds=120)(LoginsPerSecond="10000")
    alice = backend.person("alice")
    alice.register()
    if not known:
        block(backend, alice)
        operate(backend, "erase_user", openid=alice.openid)
    log_in = [functools.partial(backend.call, "login", code=alice.login_code()) for _ in range(50)]

    answers = at_once([*log_in[:25], lambda: block(backend, alice), *log_in[25:]])

    said = Counter(answer[0] for answer in answers if isinstance(answer, tuple))
    assert said.keys() <= {200, 403}
    assert stored.sessions(backend.items()) == {}
    assert stored.contradictions(backend.items()) == []
    for answer in answers:
        if isinstance(answer, tuple) and answer[0] == 200:
            session = answer[1]["data"]["session"]
            status, _ = backend.call("look_up_token", session=session, openid=alice.openid)
            assert status in (401, 403)
    assert code_of(backend.call("login", code=alice.login_code())) == BLOCKED


def test_roles_stand_in_the_token_and_in_the_authorizers_context(backend, alice):
    (user,) = operate(backend, "update_user", phone=alice.phone, roles=["editor", "admin"])["users"]

    token = alice.look_up_token()[1]["data"]

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["roles"] == user["roles"] == ["admin", "editor"]
    assert authorized(backend, token)["context"]["roles"] == "admin editor"
    assert stored.sessions(backend.items()) != {}


def test_a_team_logs_a_user_out_everywhere(backend, alice):
    assert operate(backend, "end_sessions", openid=alice.openid) == {"found": 1}

    assert code_of(alice.look_up_token()) == (401, "session_invalid")
    assert alice.log_in()["registered"] is True


def test_a_list_shows_every_user_with_the_number_masked(backend, alice):
    bob = backend.person("bob")
    bob.log_in()
    users, after = [], None
    while True:
        page = operate(backend, "list_users", limit=2, next=after)
        assert page["readUnits"] > 0
        users += page["users"]
        if not (after := page["next"]):
            break

    assert sorted(user["openid"] for user in users) == sorted([alice.openid, bob.openid])
    (shown,) = [user for user in users if user["openid"] == alice.openid]
    assert shown["phone"].endswith(alice.phone[-2:])
    assert alice.phone not in json.dumps(page)


def test_an_act_leaves_one_line_with_whom_why_and_by_whom(backend, alice, caplog):
    caplog.clear()
    by = "arn:aws:sts::123456789012:assumed-role/support/eve"
    reason = f"spam from {alice.phone}"

    block(backend, alice, by=by, reason=reason)

    (line,) = [record.request for record in caplog.records if hasattr(record, "request")]
    assert line["act"] == "update_user blocked=True"
    assert line["users"] == [f"{alice.openid[:4]}…{alice.openid[-4:]}"]
    assert line["by"] == "arn:aws:sts::…:assumed-role/support/eve"
    assert line["reason"] == "spam from +…"
    assert line["counts"] == {"OperatorActions": 1}
    assert alice.openid not in repr(line)


def test_a_merge_leaves_a_line_with_whom_why_and_by_whom(backend, alice, caplog):
    bob = backend.person("bob")
    bob.register()
    user_ids = [
        operate(backend, "find_user", openid=each.openid)["users"][0]["userId"]
        for each in (alice, bob)
    ]
    caplog.clear()

    merge = {"userIds": user_ids, "dryRun": False, "by": "eve", "reason": "same person"}
    merged = operate(backend, "merge_users", **merge)

    (line,) = [record.request for record in caplog.records if hasattr(record, "request")]
    assert (line["act"], line["by"], line["reason"]) == ("merge_users", "eve", "same person")
    assert line["users"] == [
        f"{each['openid'][:4]}…{each['openid'][-4:]}" for each in merged["users"]
    ]
    assert len(line["users"]) == 1
    assert line["counts"] == {"OperatorActions": 1}


@pytest.mark.parametrize("function", ["update_user", "list_users"])
def test_a_wrong_question_fails_with_one_clear_reason(backend, alice, function):
    with pytest.raises(FunctionError, match="BadRequest"):
        operate(backend, function, openid=alice.openid, blocked="yes")
