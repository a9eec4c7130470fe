"""`make user`: as an operator uses it, against a local run."""

import json
import os
import sys
from typing import Any

import pytest

from ops import users
from ops.stage import CannotGoOn
from ops.users import parse
from stack.template import ROOT
from tests.support.commands import run_here
from tests.support.written import run

REFUSED = 403
SECOND = "wxfedcba0987654321"


@pytest.fixture
def backend(deployed_with):
    return deployed_with(pages={})


@pytest.fixture
def alice(backend):
    alice = backend.person("alice")
    alice.register()
    return alice


@pytest.fixture
def user(local_stage):
    """Run the command: `user("find +8613800138000", answer="yes")`."""
    environment = {**os.environ, **local_stage}

    def run_it(do, *options, answer="") -> Any:
        return run_here(
            users.main, "local", do, *options, environment=environment, stdin=f"{answer}\n"
        )

    return run_it


def test_a_user_is_found_by_number(local_stage, alice):
    """By the command itself, with no other environment."""
    command = [sys.executable, "-m", "ops.users", "local", f"find {alice.phone}"]

    found = run(command, cwd=ROOT, env=local_stage)

    assert found.returncode == 0, found.stderr
    header, line = found.stdout.splitlines()
    assert dict(zip(header.split("\t"), line.split("\t"), strict=True))["openid"] == alice.openid


def test_a_block_is_shown_first_and_waits_for_yes(user, alice):
    refused = user(f"block {alice.openid} reason=spam", answer="no")
    assert refused.returncode == 1
    assert alice.openid in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert alice.look_up_token()[0] == 200

    done = user(f"block {alice.openid} reason=spam until=2999-01-31", answer="yes")

    assert done.returncode == 0, done.stderr
    assert "spam until 2999-01-31" in done.stdout
    assert alice.look_up_token()[0] == REFUSED


def test_a_block_is_lifted_and_a_session_ended_and_a_user_erased(user, alice):
    user(f"block {alice.openid} reason=spam", answer="yes")
    assert user(f"unblock {alice.openid}", answer="yes").returncode == 0
    alice.log_in()
    assert user(f"end-sessions {alice.phone}", answer="yes").stdout == "found: 1\n"
    assert alice.look_up_token()[0] == 401
    assert user(f"erase {alice.phone}", answer="yes").stdout == "erased: 1\n"
    gone = user(f"erase {alice.phone}", answer="yes")
    assert gone.stderr == "make user: there is no such user\n"


def test_roles_are_set_and_shown_as_json(user, alice):
    done = user(f"roles {alice.openid} editor,admin", "--json", answer="yes")

    assert json.loads(done.stdout)["users"][0]["roles"] == ["admin", "editor"]
    assert '"roles": []' in user(f"roles {alice.openid} none", "--json", answer="yes").stdout


def test_a_user_of_another_mini_program_is_named_with_its_appid(user, backend):
    backend.add_mini_program(SECOND)
    there = backend.person("alice", SECOND)
    there.log_in()

    assert there.openid not in user(f"find {there.openid}").stdout
    assert there.openid in user(f"find {there.openid} appid={SECOND}").stdout
    user(f"block {there.openid} appid={SECOND} reason=spam", answer="yes")
    assert there.look_up_token()[0] == REFUSED


def test_a_person_is_named_by_unionid(user, backend, alice, wechat):
    backend.add_mini_program(SECOND)
    there = backend.person("alice", SECOND)
    there.log_in()
    unionid = f"unionid={wechat.unionid('alice')}"

    found = user(f"find {unionid}").stdout
    assert alice.openid in found
    assert there.openid in found
    assert "only userId" in user(f"merge {unionid}", answer="yes").stderr
    assert user(f"block {unionid} reason=spam", answer="yes").returncode == 0
    assert alice.look_up_token()[0] == there.look_up_token()[0] == REFUSED


def test_two_userids_are_merged_after_yes(user, backend, alice):
    bob = backend.person("bob")
    bob.log_in()
    kept, merged = (user_id(user, each) for each in (alice, bob))

    refused = user(f"merge {merged} {kept}", answer="no")
    assert refused.returncode == 1
    assert f"kept: {kept}, merged: {merged}, users: {bob.openid}" in refused.stderr
    assert user_id(user, bob) == merged

    assert user(f"merge {merged} {kept}", answer="yes").returncode == 0
    assert user_id(user, bob) == kept


def user_id(user, person):
    (found,) = json.loads(user(f"find {person.openid}", "--json").stdout)["users"]
    return found["userId"]


def test_all_users_are_listed_with_what_that_costs(user, backend, alice):
    request = [
        {
            "PutRequest": {
                "Item": {
                    "pk": {"S": f"USER#wx1234567890abcdef#o-{number}"},
                    "sk": {"S": "PROFILE"},
                    "userId": {"S": f"id-{number}"},
                    "createdAt": {"N": str(number)},
                    "lastLoginAt": {"N": str(number)},
                }
            }
        }
        for number in range(2_500)
    ]
    for at in range(0, len(request), 25):
        backend.dynamodb.batch_write_item(RequestItems={backend.table: request[at : at + 25]})

    listed = user("list")

    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert len(lines) == len(set(lines)) == 2_502
    assert "2501 users" in listed.stderr
    assert "read units" in listed.stderr
    assert alice.phone not in listed.stdout
    assert len(user("list registered=true").stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ("", "use DO="),
        ("dance", "use DO="),
        ("find", "takes one user"),
        ("find a b", "takes one user"),
        ("find 13800138000!", "is not a phone number"),
        ("find +8613800138000 reason=x", "has no option reason"),
        ("block +8613800138000", "needs a reason"),
        ("block +8613800138000 reason=spam until=tomorrow", "is not a date"),
        ("list registered=maybe", "must be true or false"),
        ("list alice", "takes no user"),
        ('find "+86', "not readable"),
        ("find +8613800138000 unionid=o-union-1234", "takes one user"),
        ("roles unionid=o-union-1234", "takes one user"),
        ("merge", "two or more userIds, or unionid"),
        ("merge 01980000-0000-7000-8000-000000000001", "two or more userIds, or unionid"),
        ("merge +8613800138000 +8613800138001", "takes userIds"),
        ("merge a b unionid=o-union-1234", "two or more userIds, or unionid"),
    ],
)
def test_an_invalid_command_gets_one_clear_line(do, message):
    with pytest.raises(CannotGoOn, match=message) as wrong:
        parse(do)

    assert "\n" not in str(wrong.value)


def test_what_a_function_refuses_gets_one_clear_line(user, alice):
    refused = user(f"roles {alice.openid} two;words", answer="yes")

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith(
        "A role is 1 to 64 letters, digits and . _ : / - of ASCII."
    )
