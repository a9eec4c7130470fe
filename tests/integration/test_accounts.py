"""The account routes: people see, change and erase their own data, by their session."""

import json
import threading
from typing import Any

import pytest

from simulated_wechat import phone_data
from tests.support import stored
from tests.support.callers import at_once
from tests.support.fault_proxy import FaultProxy

PHONE = "/wxa/business/getuserphonenumber"
AVATAR = "https://images.example/alice.png"
REFUSED: list[dict[str, Any]] = [
    {"nickname": ""},
    {"nickname": " \t "},
    {"nickname": "\u3000"},
    {"nickname": "a\u0000b"},
    {"nickname": "a\nb"},
    {"nickname": "a\u202eb"},
    {"nickname": "a\u200fb"},
    {"nickname": "\u200b\u200d"},
    {},
    {"nick": "Alice"},
    {"nickname": 7},
    {"nickname": ["a"]},
    {"avatarUrl": "http://images.example/a.png"},
    {"avatarUrl": "wxfile://tmp_1234.png"},
    {"avatarUrl": "https:///"},
    {"avatarUrl": "https://?a"},
    {"avatarUrl": "javascript:alert(1)"},
    {"avatarUrl": 'https://images.example/"onerror="'},
    {"avatarUrl": f"https://images.example/{'a' * 1024}"},
    {"nickname": "Alice", "avatarUrl": "nonsense"},
]
BY_SESSION = ["show_account", "update_account", "erase_account", "list_sessions", "log_out"]


def userinfo(backend, token):
    return backend.send("GET", "/userinfo", headers=[("Authorization", f"Bearer {token}")])


def traces(backend, alice):
    """All items of the table that show that alice was here."""
    profile = stored.profiles(backend.items())[f"USER#{backend.wechat.appid}#{alice.openid}"]
    kept = {value for name, value in profile.items() if isinstance(value, str) and name != "sk"}
    sids = {sid for _, sid in stored.sessions(backend.items())}
    national = alice.phone.removeprefix("+86")
    return {*kept, *sids, alice.openid, backend.wechat.unionid(alice.name), national}


def test_an_account_shows_its_data_with_the_number_masked(call, person, wechat):
    alice = person("alice")
    alice.register()
    wanted = {"userId", "openid", "unionid", "phone", "nickname", "avatarUrl"}

    status, body = call("show_account", session=alice.session)

    national = alice.phone.removeprefix("+86")
    assert status == 200
    assert body["data"].keys() == wanted | {"createdAt", "registeredAt"}
    assert body["data"]["phone"] == f"{national[:3]}******{national[-2:]}"
    assert (body["data"]["openid"], body["data"]["unionid"]) == (
        alice.openid,
        wechat.unionid("alice"),
    )
    assert body["data"]["createdAt"] <= body["data"]["registeredAt"]


def test_an_unregistered_user_sees_their_data(call, person):
    alice = person("alice")
    alice.log_in()

    status, body = call("show_account", session=alice.session)

    assert status == 200
    assert body["data"]["openid"] == alice.openid
    assert (body["data"]["phone"], body["data"]["registeredAt"]) == (None, None)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(None, "session_required", id="none"),
        pytest.param("nonsense", "session_invalid", id="no session"),
        pytest.param("{openid}." + "A" * 43, "session_invalid", id="guessed"),
    ],
)
def test_without_a_session_nothing_is_shown_or_changed(backend, sent, code):
    alice = backend.person("alice")
    alice.register()
    before = backend.items()

    session = sent and sent.format(openid=alice.openid)
    answers = [backend.call(each, session=session, nickname="Mallory") for each in BY_SESSION]

    assert [(status, body["error"]["code"]) for status, body in answers] == [(401, code)] * 5
    assert backend.items() == before


def test_a_profile_is_stored_and_shown(call, person):
    alice = person("alice")
    alice.log_in()

    status, body = call(
        "update_account", session=alice.session, nickname="小丽 ❤️", avatarUrl=AVATAR
    )

    assert status == 200
    assert (body["data"]["nickname"], body["data"]["avatarUrl"]) == ("小丽 ❤️", AVATAR)
    assert call("show_account", session=alice.session)[1] == body


def test_an_absent_field_stays_and_null_removes(call, person):
    alice = person("alice")
    alice.log_in()
    call("update_account", session=alice.session, nickname="Alice", avatarUrl=AVATAR)

    _, without_avatar = call("update_account", session=alice.session, avatarUrl=None)

    assert without_avatar["data"]["nickname"] == "Alice"
    assert without_avatar["data"]["avatarUrl"] is None
    assert call("show_account", session=alice.session)[1] == without_avatar


@pytest.mark.parametrize("letter", ["x", "好", "😀"])
def test_a_nickname_is_measured_in_characters_not_in_bytes(call, person, letter):
    alice = person("alice")
    alice.log_in()

    longest, _ = call("update_account", session=alice.session, nickname=letter * 32)
    longer, body = call("update_account", session=alice.session, nickname=letter * 33)

    assert (longest, longer, body["error"]["code"]) == (200, 400, "bad_request")
    assert call("show_account", session=alice.session)[1]["data"]["nickname"] == letter * 32


@pytest.mark.parametrize("nickname", ["👩\u200d💻小王", "张\u3000三", "O'Neill-Ñandú 🇨🇳"])
def test_a_nickname_as_people_have_them_in_wechat_is_taken(call, person, nickname):
    alice = person("alice")
    alice.log_in()

    status, body = call("update_account", session=alice.session, nickname=nickname)

    assert status == 200
    assert body["data"]["nickname"] == nickname


def test_an_invalid_nickname_or_avatar_changes_nothing(call, person, items):
    alice = person("alice")
    alice.log_in()
    before = items()

    answers = [call("update_account", session=alice.session, **each) for each in REFUSED]

    assert [status for status, _ in answers] == [400] * len(REFUSED)
    assert {body["error"]["code"] for _, body in answers} == {"bad_request"}
    assert items() == before


def test_only_nickname_and_avatar_can_be_changed(call, person, items):
    alice = person("alice")
    alice.register()
    (before,) = stored.profiles(items()).values()

    others = {"userId": "mine", "phone": "+8613900000000"}

    status, _ = call("update_account", session=alice.session, nickname="Alice", **others)

    (after,) = stored.profiles(items()).values()
    assert status == 200
    assert after.keys() - before.keys() == {"nickname", "nicknameSetAt", "updatedAt"}
    assert {name: after[name] for name in before} == {**before, "revision": after["revision"]}
    assert after["revision"] == before["revision"] + 1


def test_a_unionid_is_filled_in_when_it_first_appears(call, person, wechat):
    alice = person("alice")
    wechat.unionids = False
    user_id = alice.log_in() and call("show_account", session=alice.session)[1]["data"]["userId"]

    wechat.unionids = True
    alice.log_in()

    _, body = call("show_account", session=alice.session)
    assert body["data"]["unionid"] == wechat.unionid("alice")
    assert body["data"]["userId"] == user_id


def test_a_unionid_that_disappears_is_not_forgotten(call, person, wechat):
    alice = person("alice")
    alice.log_in()

    wechat.unionids = False
    alice.log_in()

    _, body = call("show_account", session=alice.session)
    assert body["data"]["unionid"] == wechat.unionid("alice")


def test_after_an_erasure_no_item_mentions_the_user(deployed_with):
    backend = deployed_with(LegacyPhone="true")
    alice, bob = backend.person("alice"), backend.person("bob")
    bob.register()
    kept = stored.without_counters(backend.items())
    alice.log_in()
    alice.register()
    backend.call("update_account", session=alice.session, nickname="小丽-0815", avatarUrl=AVATAR)
    left = {trace for trace in traces(backend, alice) if trace not in repr(kept)}
    assert len(left) > 8

    status, body = backend.call("erase_account", session=alice.session)

    items = backend.items()
    dump = json.dumps(list(stored.without_counters(items).values()), ensure_ascii=False)
    assert (status, body) == (200, {"success": True, "data": None})
    assert alice.openid not in repr(items)
    assert [trace for trace in left if trace in dump] == []
    assert stored.without_counters(backend.items()) == kept


def test_after_an_erasure_every_session_and_token_is_refused(backend, call, person):
    alice = person("alice")
    first_token = alice.register()
    first_session = alice.session
    second_token = alice.log_in()["token"]
    call("erase_account", session=alice.session)

    by_session = [call(each, session=first_session) for each in BY_SESSION]
    by_session += [alice.look_up_token(), alice.tap()]
    by_token = [userinfo(backend, token) for token in (first_token, second_token)]

    assert {(status, body["error"]["code"]) for status, body in by_session} == {
        (401, "session_invalid")
    }
    assert [answer.status for answer in by_token] == [403, 403]


def test_an_erased_user_can_register_again_at_once_as_a_new_user(backend, call, person):
    alice = person("alice")
    old_token = alice.register()
    _, before = call("show_account", session=alice.session)
    call("erase_account", session=alice.session)

    login = alice.log_in()
    new_token = alice.register()

    _, after = call("show_account", session=alice.session)
    assert (login["registered"], login["token"]) == (False, None)
    assert after["data"]["userId"] != before["data"]["userId"]
    assert after["data"]["phone"] == before["data"]["phone"]
    assert userinfo(backend, new_token).status == 200
    assert userinfo(backend, old_token).status == 403
    assert stored.contradictions(backend.items()) == []


@pytest.mark.parametrize("conflict", ["transfer", "link", "reject"])
def test_the_number_of_an_erased_user_is_free_for_others(deployed_with, wechat, conflict):
    backend = deployed_with(PhoneConflict=conflict)
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))

    backend.call("erase_account", session=alice.session)
    bob.register()

    (claim,) = stored.phone_claims(backend.items()).values()
    assert claim["owners"] == [f"USER#{wechat.appid}#{bob.openid}"]
    assert stored.contradictions(backend.items()) == []


def test_linked_accounts_are_erased_together(deployed_with, wechat):
    backend = deployed_with(PhoneConflict="link")
    alice, bob = backend.person("alice"), backend.person("bob")
    alice.register()
    wechat.set_phone("bob", alice.phone.removeprefix("+86"))
    bob.register()

    backend.call("erase_account", session=alice.session)

    assert bob.look_up_token()[0] == 401
    assert stored.without_counters(backend.items()) == {}


def test_an_unregistered_user_can_erase_their_data(call, person, items):
    alice = person("alice")
    alice.log_in()

    status, _ = call("erase_account", session=alice.session)

    assert status == 200
    assert items() == {}


def test_an_erasure_among_logins_leaves_no_half_user(backend, call, person):
    alice = person("alice")
    alice.register()
    _, before = call("show_account", session=alice.session)
    # With these logins she has ten sessions at most; one more could end the session of the erasure.
    session, codes = alice.session, [alice.login_code() for _ in range(9)]

    answers = at_once(
        [lambda: call("erase_account", session=session)]
        + [lambda code=code: call("login", code=code) for code in codes]
    )

    held = {body["data"]["session"] for _, body in answers[1:]}
    shown = [call("show_account", session=each) for each in held]
    assert [status for status, _ in answers] == [200] * 10
    assert before["data"]["userId"] not in repr(backend.items())
    assert {status for status, _ in shown} <= {200, 401}
    assert len({body["data"]["userId"] for status, body in shown if status == 200}) <= 1
    assert stored.contradictions(backend.items()) == []


def test_an_erasure_among_updates_leaves_nothing(backend, call, person):
    alice = person("alice")
    alice.register()
    session = alice.session

    answers = at_once(
        [lambda: call("erase_account", session=session)]
        + [lambda n=n: call("update_account", session=session, nickname=f"n{n}") for n in range(20)]
    )

    assert answers[0][0] == 200
    assert {status for status, _ in answers[1:]} <= {200, 401}
    assert alice.openid not in repr(backend.items())


def test_an_erasure_among_registrations_leaves_nothing(backend, call, person, wechat):
    alice = person("alice")
    alice.register()
    session, openid = alice.session, alice.openid
    codes = []
    for n in range(20):
        wechat.set_phone("alice", f"139000000{n:02}")
        codes.append(alice.phone_code())

    answers = at_once(
        [lambda: call("erase_account", session=session)]
        + [
            lambda code=code: call("register_phone", session=session, openid=openid, code=code)
            for code in codes
        ]
    )

    assert answers[0][0] == 200
    assert {status for status, _ in answers[1:]} <= {200, 401, 429}
    assert stored.profiles(backend.items()) == stored.phone_claims(backend.items()) == {}
    assert openid not in repr(backend.items())


def test_erasing_twice_at_once_erases_once_and_fails_nobody(backend, call, person):
    alice = person("alice")
    alice.register()
    session = alice.session

    answers = at_once([lambda: call("erase_account", session=session)] * 10)

    assert {status for status, _ in answers} <= {200, 401}
    assert 200 in {status for status, _ in answers}
    assert alice.openid not in repr(backend.items())


class TestWithSlowStorage:
    """An erasure during another request."""

    @pytest.fixture
    def ministack(self, ministack):
        with FaultProxy(ministack.url).running() as storage:
            yield storage

    def test_a_registration_that_is_overtaken_by_the_erasure_leaves_nothing(
        self, backend, call, person, ministack
    ):
        alice = person("alice")
        alice.log_in()
        code, answers = alice.phone_code(), []
        counting = ministack.hold("PutItem", containing="proofs")
        registering = threading.Thread(target=lambda: answers.append(alice.tap(code)))
        registering.start()
        counting.reached.wait(10)

        erased, _ = call("erase_account", session=alice.session)
        counting.goes_on.set()
        registering.join(20)

        ((status, body),) = answers
        assert (erased, status, body["error"]["code"]) == (200, 401, "session_invalid")
        assert alice.openid not in repr(backend.items())

    def test_an_erasure_that_fails_half_way_can_be_repeated(self, backend, call, person, ministack):
        alice = person("alice")
        alice.register()
        ministack.fail("TransactWriteItems")
        failed, body = call("erase_account", session=alice.session)
        ministack.recover()

        status, _ = call("erase_account", session=alice.session)

        assert (failed, body["error"]["code"]) == (503, "storage_unavailable")
        assert status == 200
        assert alice.openid not in repr(backend.items())


def test_a_session_key_of_an_erased_user_opens_nothing_for_the_next(deployed_with, wechat):
    backend = deployed_with(LegacyPhone="true")
    alice = backend.person("alice")
    alice.log_in()
    wechat.phone_code("alice")
    key = wechat.person("alice").session_key.text
    backend.call("erase_account", session=alice.session)
    wechat.end_session_key("alice")
    alice.log_in()

    iv = phone_data.new_iv()
    old = phone_data.encrypt(b'{"phoneNumber": "13800000000"}', key, iv)
    status, body = backend.call(
        "register_phone", session=alice.session, openid=alice.openid, encryptedData=old, iv=iv
    )

    assert (status, body["error"]["code"]) == (409, "session_key_stale")
