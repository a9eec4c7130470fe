"""WeChat's risk rank of a user."""

import pytest

RISK = "/wxa/getuserriskrank"
HOUR = 3600


def rank(backend, user="alice", **changes):
    body = {
        "appid": backend.wechat.appid,
        "openid": backend.wechat.openid(user),
        "scene": 0,
        "client_ip": "203.0.113.7",
        **changes,
    }
    return backend.call(RISK, **body)


def test_an_active_user_has_the_rank_that_was_set(wechat, backend):
    wechat.login_code("alice")
    wechat.risk_rank("alice", 4)

    answer = rank(backend)

    assert answer["risk_rank"] == 4
    assert answer["errmsg"] == "getuserriskrank succ"
    assert isinstance(answer["unoin_id"], int)


def test_two_hours_after_the_last_action_there_is_no_rank(wechat, backend, clock):
    wechat.login_code("alice")
    clock.sleep(2 * HOUR)
    assert rank(backend)["errcode"] == 0
    clock.sleep(1)

    assert rank(backend)["errcode"] == 61010
    wechat.phone_code("alice")
    assert rank(backend)["errcode"] == 0


def test_it_must_be_switched_on(wechat, backend):
    wechat.risk_rank_enabled = False

    assert rank(backend)["errcode"] == 48001


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        pytest.param({"scene": 3}, 40129, id="unknown scene"),
        pytest.param({"openid": "alice"}, 40003, id="no openid"),
        pytest.param({"openid": "o" + "x" * 27}, 43104, id="openid of another app"),
        pytest.param({"appid": "wxother"}, 43104, id="another app"),
        pytest.param({"client_ip": None}, 47001, id="no client_ip"),
    ],
)
def test_a_wrong_field_is_named(wechat, backend, changes, errcode):
    wechat.login_code("alice")

    assert rank(backend, **changes)["errcode"] == errcode
