"""WeChat's message push: authentication, and our duties after each event, over real HTTP."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from simulated_wechat import serve
from simulated_wechat.message_push import as_text, encrypt, signature
from tests.support import stored
from tests.support.callers import at_once
from tests.support.fault_proxy import FaultProxy

EVENTS = "/wechat/events"
NONCE = "1514711492"
AVATAR = "https://images.example/alice.png"
CANCELLATION = "user_authorization_cancellation"
REVOKE = "user_authorization_revoke"
MODIFIED = "user_info_modified"


@pytest.fixture
def control(backend, wechat):
    """The control routes of a simulated WeChat that knows where to push to."""
    parameters = backend.deployment.parameters
    server = serve(
        wechat,
        api_url=backend.url,
        event_token=parameters["event-token"],
        event_aes_key=parameters["event-aes-key"],
    )

    def post(route, **body):
        answer = requests.post(f"{server.url}/simulated/{route}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    yield post
    server.stop()


@pytest.fixture
def push(backend, wechat):
    """Push a message made by hand: `push(event, openid, …)` gives the API's answer."""
    parameters = backend.deployment.parameters

    def send(  # noqa: PLR0917 - each is a parameter of the test
        event, openid="", at=None, as_xml=False, message=None, appid=None, **how
    ):
        now = int(time.time())
        fields = {
            "ToUserName": "gh_870882ca4b1",
            "FromUserName": "owAqB1v0ahK_Xlc7GshIDdf2yf7E",
            "CreateTime": now if at is None else at,
            "MsgType": "event",
            "Event": event,
            "OpenID": openid,
            "AppID": wechat.appid,
            **(message or {}),
        }
        key = how.get("aes_key", parameters["event-aes-key"])
        encrypted = encrypt(as_text(fields, as_xml=as_xml).encode(), key, appid or wechat.appid)
        envelope = {"ToUserName": fields["ToUserName"], "Encrypt": encrypted}
        timestamp, token = str(how.get("sent_at", now)), how.get("token", parameters["event-token"])
        nonce = how.get("nonce", NONCE)
        query = {
            "signature": signature(token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "openid": openid,
            "encrypt_type": "aes",
            "msg_signature": signature(token, timestamp, nonce, encrypted),
            **how.get("query", {}),
        }
        query = {name: value for name, value in query.items() if value is not None}
        body = how.get("body", as_text(envelope, as_xml=as_xml))
        kind = "text/xml" if as_xml else "application/json"
        path = f"{EVENTS}?{urlencode(query)}"
        return backend.send("POST", path, body.encode(), [("Content-Type", kind)])

    return send


@pytest.fixture
def alice(backend):
    return known(backend, "alice")


def known(backend, name):
    """A user with all kinds of data."""
    somebody = backend.person(name)
    somebody.register()
    backend.call("update_account", session=somebody.session, nickname="小丽", avatarUrl=AVATAR)
    return somebody


def a_moment_ago():
    """Return this second's time, in the next second: events have their time in seconds."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.02)
    return now


def shown(backend, somebody):
    status, body = backend.call("show_account", session=somebody.session)
    return body["data"] if status == 200 else None


def held(backend, somebody):
    account = shown(backend, somebody)
    return account and [name for name in ("phone", "nickname", "avatarUrl") if account[name]]


def without_replays(items):
    return {key: item for key, item in items.items() if not key[0].startswith("PUSH#")}


def test_the_console_gets_its_echo(control):
    said = control("events/check-url")

    assert (said["status"], said["echoed"]) == (200, True)


def test_a_stranger_gets_no_echo(backend):
    token, timestamp = backend.deployment.parameters["event-token"], str(int(time.time()))
    signed = signature(token, timestamp, NONCE)
    query = {"signature": signed, "timestamp": timestamp, "nonce": NONCE, "echostr": "4375120948"}
    changes = [{"signature": "0" * 40}, {"signature": ""}, {"nonce": "1"}]
    changes += [{"timestamp": "1714036504"}, {"timestamp": "yesterday"}]
    changes += [{"echostr": "<script>"}, {"echostr": ""}]

    right = backend.send("GET", f"{EVENTS}?{urlencode(query)}")
    wrong = [backend.send("GET", f"{EVENTS}?{urlencode({**query, **each})}") for each in changes]

    assert (right.status, right.text) == (200, "4375120948")
    assert [answer.status for answer in wrong] == [401] * len(changes)
    assert {answer.body["error"]["code"] for answer in wrong} == {"push_rejected"}


def test_an_echo_that_was_signed_long_ago_is_refused(backend):
    token, timestamp = backend.deployment.parameters["event-token"], str(int(time.time()) - 301)
    signed = signature(token, timestamp, NONCE)
    query = {"signature": signed, "timestamp": timestamp, "nonce": NONCE, "echostr": "4375120948"}

    assert backend.send("GET", f"{EVENTS}?{urlencode(query)}").status == 401


LEFT = {
    "8": ["nickname", "avatarUrl"],
    "6": ["phone"],
    "19": ["phone", "avatarUrl"],
    "20": ["phone", "nickname"],
    "13": ["phone", "nickname", "avatarUrl"],
}


@pytest.mark.parametrize("text_format", ["json", "xml"])
def test_only_revoked_data_is_removed(backend, control, text_format):
    people = {revoked: known(backend, f"person-{revoked}") for revoked in LEFT}

    said = [
        control("events", user=each.name, event=REVOKE, RevokeInfo=revoked, format=text_format)
        for revoked, each in people.items()
    ]

    assert said == [{"status": 200, "body": "success"}] * len(LEFT)
    assert {revoked: held(backend, each) for revoked, each in people.items()} == LEFT
    assert stored.contradictions(backend.items()) == []


@pytest.mark.parametrize("several", ["8,19,20", "8、19、20", '["8","19","20"]'])
def test_several_things_are_revoked_at_once(backend, alice, push, several):
    assert push(REVOKE, alice.openid, message={"RevokeInfo": several}).text == "success"

    assert held(backend, alice) == []


def test_a_revoked_number_is_gone_without_a_trace_and_free_for_others(
    backend, alice, control, wechat
):
    control("events", user="alice", event=REVOKE, RevokeInfo="8")
    registered = alice.look_up_token()[1]["data"]
    number = alice.phone.removeprefix("+86")
    claims = stored.phone_claims(backend.items())
    (profile,) = stored.profiles(backend.items()).values()

    wechat.set_phone("bob", number)
    backend.person("bob").register()

    assert registered is None
    assert claims == {}
    assert profile.keys().isdisjoint({"phone", "phoneIndex", "phoneCodeHash", "registeredAt"})
    assert stored.contradictions(backend.items()) == []


def test_a_profile_that_wechat_cleaned_is_cleaned_here(backend, alice, control):
    said = control("events", user="alice", event=MODIFIED)

    assert said["body"] == "success"
    assert held(backend, alice) == ["phone"]


@pytest.mark.parametrize("text_format", ["json", "xml"])
def test_a_closed_wechat_account_is_erased(backend, alice, control, text_format):
    token = alice.look_up_token()[1]["data"]
    bob = backend.person("bob")
    bob.log_in()

    said = control("events", user="alice", event=CANCELLATION, format=text_format)

    answer = backend.send("GET", "/userinfo", headers=[("Authorization", f"Bearer {token}")])
    assert said == {"status": 200, "body": "success"}
    assert alice.openid not in repr(backend.items())
    assert (answer.status, alice.look_up_token()[0]) == (403, 401)
    assert shown(backend, bob)


@pytest.mark.parametrize("event", [CANCELLATION, REVOKE, MODIFIED])
def test_an_event_about_nobody_is_acknowledged(backend, push, event):
    before = backend.items()

    answer = push(event, "o" + "A" * 27, message={"RevokeInfo": "8,6"})

    assert (answer.status, answer.text) == (200, "success")
    assert without_replays(backend.items()) == before


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"Event": "wxa_punish_event"}, id="penalty"),
        pytest.param({"Event": "charge_mp_service_quota_notify"}, id="phone packs run out"),
        pytest.param({"MsgType": "text", "Event": "", "Content": "你好"}, id="text"),
        pytest.param({"Event": "debug_demo", "debug_str": "hello"}, id="unknown"),
        pytest.param({"CreateTime": "soon"}, id="no time"),
    ],
)
def test_other_events_are_acknowledged_and_do_nothing(backend, alice, push, message):
    before = backend.items()

    answer = push(CANCELLATION, alice.openid, message=message)

    assert (answer.status, answer.text) == (200, "success")
    assert answer.headers["content-type"].startswith("text/plain")
    assert without_replays(backend.items()) == before


def test_a_blank_before_a_value_does_no_harm(backend, alice, push):
    answer = push(REVOKE, f" {alice.openid}", message={"RevokeInfo": " 8"})

    assert answer.text == "success"
    assert held(backend, alice) == ["nickname", "avatarUrl"]


def test_the_same_push_again_is_refused(backend, alice, push):
    first = push(REVOKE, alice.openid, message={"RevokeInfo": "20"})
    query = {"signature": None}
    sent_at = int(time.time())
    pushes = [push(MODIFIED, alice.openid, sent_at=sent_at, query=query, body="{}")]

    # Recorded and sent again, byte for byte.
    recorded = record(push, backend, REVOKE, alice.openid, message={"RevokeInfo": "19"})
    again = backend.send(*recorded)

    assert (first.status, pushes[0].status) == (200, 401)
    assert (again.status, again.body["error"]["code"]) == (401, "push_rejected")


def record(push, backend, *event, **how):
    """Push, and return the request."""
    sent = []
    send = backend.send

    def observed(*request):
        sent.append(request)
        return send(*request)

    backend.send = observed
    try:
        assert push(*event, **how).status == 200
    finally:
        del backend.send
    return sent[0]


def test_the_same_event_in_a_new_push_does_nothing_more(backend, alice, push):
    at = int(time.time())
    for _ in range(2):
        push(REVOKE, alice.openid, at=at, message={"RevokeInfo": "8"}, nonce="1")
    backend.call("update_account", session=alice.session, nickname="新名字")
    before = without_replays(backend.items())

    answer = push(REVOKE, alice.openid, at=at, message={"RevokeInfo": "8"}, nonce="3")

    assert answer.text == "success"
    assert without_replays(backend.items()) == before


def test_one_push_ten_times_at_once_is_carried_out_once(backend, alice, push):
    answers = at_once(
        [lambda n=n: push(CANCELLATION, alice.openid, nonce=str(n)) for n in range(10)]
    )

    assert {answer.status for answer in answers} == {200}
    assert alice.openid not in repr(backend.items())


@pytest.mark.parametrize("revoked", ["8", "6", "19", "20"])
def test_an_event_that_is_older_than_the_consent_removes_nothing(backend, alice, push, revoked):
    at = int(time.time()) - 10
    alice.tap()
    backend.call("update_account", session=alice.session, nickname="新", avatarUrl=AVATAR)

    answer = push(REVOKE, alice.openid, at=at, message={"RevokeInfo": revoked})

    assert answer.text == "success"
    assert held(backend, alice) == ["phone", "nickname", "avatarUrl"]


def test_an_old_cancellation_keeps_users_who_have_come_back(backend, alice, push):
    at = a_moment_ago()
    push(CANCELLATION, alice.openid, at=at)
    gone = alice.openid not in repr(backend.items())
    alice.session = None
    alice.register()

    answer = push(CANCELLATION, alice.openid, at=at, nonce="2")

    assert gone
    assert answer.text == "success"
    assert held(backend, alice) == ["phone"]


def test_two_revocations_that_were_made_before_either_arrived_are_both_carried_out(
    backend, alice, push
):
    at = a_moment_ago()

    push(REVOKE, alice.openid, at=at, message={"RevokeInfo": "19"}, nonce="1")
    push(REVOKE, alice.openid, at=at, message={"RevokeInfo": "20"}, nonce="2")

    assert held(backend, alice) == ["phone"]


def test_a_new_nickname_does_not_keep_the_avatar_that_was_revoked_before(backend, alice, push):
    at = a_moment_ago()
    backend.call("update_account", session=alice.session, nickname="新名字")

    push(REVOKE, alice.openid, at=at, message={"RevokeInfo": "20"})

    assert held(backend, alice) == ["phone", "nickname"]


STRANGERS: dict[str, dict[str, Any]] = {
    "signature": {"query": {"msg_signature": "0" * 40}},
    "no signature": {"query": {"msg_signature": None}},
    "another token": {"token": "another token of somebody"},
    "another key": {"aes_key": "A" * 43},
    "nonce": {"query": {"nonce": "1"}},
    "another timestamp": {"query": {"timestamp": "1714112445"}},
    "too old": {"sent_at": 1714112445},
    "of the future": {"sent_at": 4102444800},
    "no time": {"sent_at": "yesterday"},
    "another appid behind the message": {"appid": "wxffffffffffffffff"},
    "another appid in it": {"message": {"AppID": "wxffffffffffffffff"}},
    "nothing encrypted": {"body": "{}"},
    "nothing": {"body": ""},
    "a list": {"body": "[]"},
    "deep": {"body": "[" * 9000},
    "XML": {"body": "<xml><Encrypt>AAAA</Encrypt></xml>"},
    "XXE": {"body": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'},
}


def test_a_push_that_is_not_from_wechat_changes_nothing(backend, alice, push):
    before = backend.items()

    answers = {name: push(CANCELLATION, alice.openid, **how) for name, how in STRANGERS.items()}

    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert {answer.body["error"]["code"] for answer in answers.values()} == {"push_rejected"}
    assert backend.items() == before


@pytest.mark.parametrize("name", ["event-token", "event-aes-key"])
def test_a_stage_without_the_consoles_secrets_refuses_pushes(backend, alice, push, name):
    before = backend.items()
    backend.ssm.delete_parameter(Name=backend.parameter_name(name))
    backend.cold_start()

    answer = push(CANCELLATION, alice.openid)

    assert (answer.status, answer.body["error"]["code"]) == (401, "push_rejected")
    assert backend.items() == before


@pytest.mark.parametrize("as_xml", [False, True])
def test_a_message_of_a_user_is_acknowledged_and_does_nothing(alice, push, as_xml):
    written = f"]]></Content><Event>{CANCELLATION}</Event><OpenID>{alice.openid}</OpenID>"
    message = {"MsgType": "text", "Content": written}

    answer = push(CANCELLATION, alice.openid, as_xml=as_xml, message=message)

    assert (answer.status, answer.text) == (200, "success")
    assert alice.look_up_token()[0] == 200


def test_plain_mode_is_refused(backend, alice, wechat):
    token, timestamp = backend.deployment.parameters["event-token"], str(int(time.time()))
    signed = signature(token, timestamp, NONCE)
    message = {
        "CreateTime": int(timestamp),
        "MsgType": "event",
        "Event": CANCELLATION,
        "OpenID": alice.openid,
        "AppID": wechat.appid,
    }
    plain = {"signature": signed, "timestamp": timestamp, "nonce": NONCE}
    # The signature of an empty Encrypt would be the one that covers no content.
    covered = {**plain, "encrypt_type": "aes", "msg_signature": signed}
    before = backend.items()

    answers = [
        backend.send("POST", f"{EVENTS}?{urlencode(query)}", json.dumps(message).encode())
        for query in (plain, covered)
    ]

    assert [answer.status for answer in answers] == [401, 401]
    assert backend.items() == before


def test_the_signature_that_covers_no_content_is_not_looked_at(alice, push):
    answer = push(REVOKE, alice.openid, query={"signature": "0" * 40}, message={"RevokeInfo": "8"})

    assert answer.text == "success"


def test_a_body_that_is_too_large_is_refused(push):
    answer = push(CANCELLATION, body="x" * 16_385)

    assert (answer.status, answer.body["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.usefixtures("alice")
def test_an_event_asks_wechat_nothing(control, wechat):
    before = wechat.calls()

    control("events", user="alice", event=REVOKE, RevokeInfo="8,6")
    control("events", user="alice", event=CANCELLATION)

    assert wechat.calls() == before


class TestWhileStorageFails:
    @pytest.fixture
    def ministack(self, ministack):
        with FaultProxy(ministack.url).running() as storage:
            yield storage

    def test_a_push_that_failed_half_way_may_come_again(self, backend, alice, push, ministack):
        sent_at = int(time.time())
        ministack.fail("TransactWriteItems")
        failed = push(CANCELLATION, alice.openid, sent_at=sent_at)
        ministack.recover()

        again = push(CANCELLATION, alice.openid, sent_at=sent_at)

        assert (failed.status, again.text) == (503, "success")
        assert alice.openid not in repr(backend.items())
