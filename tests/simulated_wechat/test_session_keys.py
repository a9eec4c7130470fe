"""One session_key a user, its life and its signatures."""

import pytest

from simulated_wechat import phone_data

RESET = "/wxa/resetusersessionkey"
DAY = 86400


def test_a_login_soon_after_another_keeps_the_key(wechat, backend, clock):
    first = backend.login(wechat.login_code("alice"))["session_key"]
    clock.sleep(299)
    second = backend.login(wechat.login_code("alice"))["session_key"]
    clock.sleep(1)
    third = backend.login(wechat.login_code("alice"))["session_key"]

    assert first == second != third


def test_only_one_key_of_a_user_is_valid(wechat, backend):
    wechat.session_key_refresh_seconds = 0
    old = backend.login(wechat.login_code("alice"))["session_key"]
    new = backend.login(wechat.login_code("alice"))["session_key"]

    assert backend.check_session("alice", old)["errcode"] == 87009
    assert backend.check_session("alice", new) == {"errcode": 0, "errmsg": "ok"}


def test_a_key_ends_when_it_is_not_used(wechat, backend, clock):
    key = backend.login(wechat.login_code("alice"))["session_key"]
    assert wechat.check_session("alice")
    clock.sleep(3 * DAY)

    assert not wechat.check_session("alice")
    assert backend.check_session("alice", key)["errcode"] == 87007


def test_use_prolongs_a_key(wechat, backend, clock):
    backend.login(wechat.login_code("alice"))
    clock.sleep(2 * DAY)
    wechat.phone_code("alice")
    clock.sleep(2 * DAY)

    assert wechat.check_session("alice")


def test_a_key_can_be_ended(wechat, backend):
    backend.login(wechat.login_code("alice"))
    wechat.end_session_key("alice")

    assert not wechat.check_session("alice")


def test_a_reset_key_dies_and_the_new_one_keeps_its_end(wechat, backend, clock):
    old = backend.login(wechat.login_code("alice"))["session_key"]
    clock.sleep(2 * DAY)

    answer = backend.check_session("alice", old, path=RESET)

    assert answer["openid"] == wechat.openid("alice")
    assert backend.check_session("alice", old)["errcode"] == 87009
    assert backend.check_session("alice", answer["session_key"])["errcode"] == 0
    clock.sleep(DAY)
    assert backend.check_session("alice", answer["session_key"])["errcode"] == 87007


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        pytest.param({"signature": "0" * 64}, 87009, id="wrong signature"),
        pytest.param({"signature": "ü"}, 87009, id="no signature at all"),
        pytest.param({"sig_method": "md5"}, 87008, id="unknown method"),
        pytest.param({"signature": ""}, 40097, id="no signature"),
        pytest.param({"openid": ""}, 40097, id="no openid"),
        pytest.param({"openid": "o" + "x" * 27}, 87007, id="stranger"),
    ],
)
def test_the_signature_must_be_made_with_the_key(wechat, backend, changes, errcode):
    key = backend.login(wechat.login_code("alice"))["session_key"]

    assert backend.check_session("alice", key, **changes)["errcode"] == errcode


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            b'{"foo":"bar"}',
            "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b",
        ),
        (b"", "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128"),
    ],
)
def test_it_signs_the_official_sample(message, expected):
    assert phone_data.session_signature("o0q0otL8aEzpcZL/FT9WsQ==", message) == expected
