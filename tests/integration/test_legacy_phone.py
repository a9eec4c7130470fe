"""LegacyPhone=true: encryptedData and iv bind a number, and reveal nothing to an attacker."""

import base64
import json
import time

import pytest

from simulated_wechat import phone_data
from tests.support import stored

PHONE = "/wxa/business/getuserphonenumber"
CHECK = "/wxa/business/checkencryptedmsg"
SPENT = 5


@pytest.fixture
def backend(deployed_with):
    return deployed_with(LegacyPhone="true")


def send(backend, somebody, **fields):
    return backend.call(
        "register_phone", session=somebody.session, openid=somebody.openid, **fields
    )


def tapped(wechat, name):
    """The button's result in an old client, without a code."""
    grant = wechat.phone_code(name)
    return {"encryptedData": grant["encryptedData"], "iv": grant["iv"]}


def forged(wechat, name, **changes):
    """Phone data that decrypts with the user's own session_key though WeChat has not made it."""
    info = {**wechat.person(name).phone.as_wechat_tells_it()}
    info["watermark"] = {"timestamp": int(time.time()), "appid": wechat.appid}
    iv = phone_data.new_iv()
    text = json.dumps({**info, **changes}).encode()
    key = wechat.person(name).session_key.text
    return {"encryptedData": phone_data.encrypt(text, key, iv), "iv": iv}


def test_phone_data_binds_the_number_after_wechat_said_that_it_made_it(backend, person, wechat):
    alice = person("alice")
    alice.log_in()

    status, body = send(backend, alice, **tapped(wechat, "alice"))

    assert status == 200
    assert body["data"].count(".") == 2
    assert (wechat.asked(CHECK), wechat.asked(PHONE)) == (1, 0)
    found = backend.deployment.invoke("find_user", {"phone": alice.phone})["users"]
    assert [user["openid"] for user in found] == [alice.openid]
    assert stored.contradictions(backend.items()) == []


def test_the_same_phone_data_again_is_answered_without_asking_wechat(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    data = tapped(wechat, "alice")
    send(backend, alice, **data)

    status, body = send(backend, alice, **data)

    assert (status, body["data"].count(".")) == (200, 2)
    assert wechat.asked(CHECK) == 1


def test_a_foreign_number_is_bound_too(backend, person, wechat):
    alice = person("alice")
    wechat.set_phone("alice", "51234567", "852")
    alice.log_in()

    status, _ = send(backend, alice, **tapped(wechat, "alice"))

    found = backend.deployment.invoke("find_user", {"phone": "+85251234567"})
    assert status == 200
    assert len(found["users"]) == 1


def test_the_session_key_is_sealed_at_rest_and_for_one_user_only(backend, person, wechat):
    alice, bob = person("alice"), person("bob")
    alice.log_in()
    bob.log_in()
    users = {pk: item["sessionKey"] for pk, item in stored.profiles(backend.items()).items()}
    data = tapped(wechat, "bob")

    # Bob's sealed session_key moved to alice would open bob's data for her.
    ((alices, _),) = [each for each in users.items() if each[0].endswith(alice.openid)]
    ((_, bobs),) = [each for each in users.items() if each[0].endswith(bob.openid)]
    backend.dynamodb.update_item(
        TableName=backend.table,
        Key={"pk": {"S": alices}, "sk": {"S": "PROFILE"}},
        UpdateExpression="SET sessionKey = :sealed",
        ExpressionAttributeValues={":sealed": {"S": bobs}},
    )
    status, body = send(backend, alice, **data)

    keys = [wechat.person(name).session_key.text for name in ("alice", "bob")]
    assert not any(key in repr(backend.items()) for key in keys)
    assert (status, body["error"]["code"]) == (409, "session_key_stale")


def test_blanks_in_the_place_of_plus_are_forgiven(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    data = tapped(wechat, "alice")
    while "+" not in data["encryptedData"] or "+" not in data["iv"]:
        data = tapped(wechat, "alice")

    spoilt = {name: text.replace("+", " ") for name, text in data.items()}
    status, _ = send(backend, alice, **spoilt)

    assert status == 200
    assert stored.phone_claims(backend.items())


def test_a_stale_session_key_is_reported_and_a_new_login_fixes_it(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    wechat.end_session_key("alice")
    stale = send(backend, alice, **tapped(wechat, "alice"))

    alice.log_in()
    status, _ = send(backend, alice, **tapped(wechat, "alice"))

    assert (stale[0], stale[1]["error"]["code"]) == (409, "session_key_stale")
    assert status == 200


def test_while_legacy_phone_is_off_it_is_reported_and_no_session_key_is_kept(deployed_with, wechat):
    backend = deployed_with()
    alice = backend.person("alice")
    alice.log_in()

    status, body = send(backend, alice, **tapped(wechat, "alice"))

    assert (status, body["error"]["code"]) == (409, "legacy_phone_disabled")
    assert wechat.asked(CHECK) == 0
    assert all("sessionKey" not in user for user in stored.profiles(backend.items()).values())


@pytest.mark.parametrize("legacy", ["true", "false"])
def test_a_code_is_used_if_the_request_has_one(deployed_with, wechat, legacy):
    backend = deployed_with(LegacyPhone=legacy)
    alice = backend.person("alice")
    alice.log_in()
    grant = wechat.phone_code("alice")
    both = {name: grant[name] for name in ("code", "encryptedData", "iv")}

    # A field that is null counts as absent.
    status, _ = send(backend, alice, **both, receipt=None)

    assert status == 200
    assert (wechat.asked(PHONE), wechat.asked(CHECK)) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        pytest.param({"kind": "status", "times": 9}, 502, "wechat_unavailable", id="outage"),
        pytest.param({"kind": "drop", "times": 9}, 502, "wechat_unavailable", id="no answer"),
        pytest.param({"kind": "garbage", "times": 9}, 502, "wechat_unavailable", id="garbage"),
        pytest.param({"kind": "errcode", "errcode": 1}, 409, "session_key_stale", id="not made"),
        pytest.param({"kind": "errcode", "errcode": 40097}, 500, "misconfigured", id="our bug"),
    ],
)
def test_an_unconfirmed_number_is_not_bound(backend, person, wechat, fault, status, code):  # noqa: PLR0917 - each is a parameter of the test
    alice = person("alice")
    alice.log_in()
    wechat.fault(CHECK, **fault)

    answer, body = send(backend, alice, **tapped(wechat, "alice"))

    wechat.fault(CHECK, "errcode", 0)
    assert (answer, body["error"]["code"]) == (status, code)
    assert stored.phone_claims(backend.items()) == {}
    assert send(backend, alice, **tapped(wechat, "alice"))[0] == 200


def wrong_data(wechat):
    """Phone data of every wrong kind, each for alice."""
    right = tapped(wechat, "alice")
    raw, iv = (base64.b64decode(right[name]) for name in ("encryptedData", "iv"))

    def text(changed):
        return base64.b64encode(changed).decode()

    def flipped(whole, at):
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    wechat.phone_code("bob")
    return {
        "no base64": {**right, "encryptedData": "%%%"},
        "nothing": {**right, "encryptedData": "===="},
        "a short iv": {**right, "iv": text(iv[:15])},
        "an iv that is no base64": {**right, "iv": "?" * 24},
        "half a block": {**right, "encryptedData": text(raw[:-8])},
        "the last block gone": {**right, "encryptedData": text(raw[:-16])},
        "the first block gone": {**right, "encryptedData": text(raw[16:])},
        "a wrong padding": {**right, "encryptedData": text(flipped(raw, len(raw) - 17))},
        "a changed block": {**right, "encryptedData": text(flipped(raw, 20))},
        "an iv that renames the first field": {**right, "iv": text(flipped(iv, 2))},
        "an iv that breaks the JSON": {**right, "iv": text(flipped(iv, 0))},
        "somebody else's": tapped(wechat, "bob"),
        "not made by WeChat": forged(wechat, "alice"),
        "another number, not made by WeChat": forged(
            wechat, "alice", phoneNumber="13900000000", purePhoneNumber="13900000000"
        ),
        "another app's": forged(wechat, "alice", watermark={"appid": "wx", "timestamp": 0}),
        "no number": forged(wechat, "alice", purePhoneNumber="", phoneNumber=""),
    }


def test_every_failure_is_the_same_to_the_byte(backend, person, wechat):
    wrong = wrong_data(wechat)
    answers = {}
    for name, data in wrong.items():
        alice = person("alice")
        alice.log_in()
        body = json.dumps({"openid": alice.openid, **data}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {alice.session}"}
        answer = backend.send("POST", "/phone", body, headers.items())
        request_id = answer.headers["apigw-requestid"]
        volatile = ("date", "apigw-requestid")
        kept = {key: value for key, value in answer.headers.items() if key not in volatile}
        answers[name] = (answer.status, answer.text.replace(request_id, "…"), str(kept))
        backend.forget_attempts()

    assert [name for name, (status, *_) in answers.items() if status != 409] == []
    assert len(set(answers.values())) == 1
    assert wechat.asked(CHECK) == len(wrong)


def test_data_that_is_older_than_ten_minutes_is_refused(backend, person, wechat):
    alice = person("alice")
    alice.log_in()
    on_time = wechat.now
    wechat.now = lambda: on_time() - 601
    old = tapped(wechat, "alice")
    wechat.now = on_time

    status, body = send(backend, alice, **old)

    assert (status, body["error"]["code"]) == (409, "session_key_stale")
    assert wechat.asked(CHECK) == 1


def test_after_some_attempts_a_user_has_to_wait(backend, person, wechat):
    alice, bob = person("alice"), person("bob")
    alice.log_in()
    bob.log_in()
    wrong = [
        send(backend, alice, **forged(wechat, "alice"))
        for _ in range(SPENT)
        if wechat.phone_code("alice")
    ]
    asked = wechat.asked(CHECK)

    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {alice.session}"}
    body = json.dumps({"openid": alice.openid, **tapped(wechat, "alice")}).encode()
    limited = backend.send("POST", "/phone", body, headers.items())

    assert [status for status, _ in wrong] == [409] * SPENT
    assert (limited.status, limited.body["error"]["code"]) == (429, "too_many_attempts")
    assert 1 <= int(limited.headers["retry-after"]) <= 600
    assert wechat.asked(CHECK) == asked
    assert send(backend, bob, **tapped(wechat, "bob"))[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"encryptedData": "AAAA"},
        {"encryptedData": 7, "iv": "AAAA"},
        {"encryptedData": "A" * 4097, "iv": "A" * 24},
        {"encryptedData": "A" * 24, "iv": "A" * 129},
        {"iv": "A" * 24},
    ],
)
def test_a_value_that_is_no_phone_data_is_a_bad_request(backend, person, wechat, fields):
    alice = person("alice")
    alice.log_in()

    status, body = send(backend, alice, **fields)

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert wechat.asked(CHECK) == 0
