"""Login codes: five minutes, one use, one owner."""

import pytest

from simulated_wechat import SimulatedWeChat
from tests.support.asking import login_query

LOGIN = "/sns/jscode2session"
MINUTE = 60


def test_a_login_code_names_its_user(wechat, backend):
    answer = backend.login(wechat.login_code("alice"))

    assert answer["openid"] == wechat.openid("alice")
    assert answer["unionid"] == wechat.unionid("alice")


def test_success_carries_no_errcode(wechat, backend):
    assert set(backend.login(wechat.login_code("alice"))) == {
        "openid",
        "unionid",
        "session_key",
    }


def test_without_an_open_platform_account_there_is_no_unionid(wechat, backend):
    wechat.unionids = False

    assert "unionid" not in backend.login(wechat.login_code("alice"))


def test_a_login_code_works_once(wechat, backend):
    code = wechat.login_code("alice")
    backend.login(code)

    assert backend.login(code)["errcode"] == 40163


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [pytest.param(300, True, id="five minutes"), pytest.param(301, False, id="later")],
)
def test_a_login_code_lives_five_minutes(wechat, backend, clock, seconds, accepted):
    code = wechat.login_code("alice")
    clock.sleep(seconds)

    assert ("openid" in backend.login(code)) is accepted


def test_an_expired_login_code_is_invalid_even_if_it_was_used(wechat, backend, clock):
    code = wechat.login_code("alice")
    backend.login(code)
    clock.sleep(301)

    assert backend.login(code)["errcode"] == 40029


@pytest.mark.parametrize("code", ["never-issued", "the code is a mock one"])
def test_a_code_wechat_did_not_make_is_invalid(backend, code):
    assert backend.login(code)["errcode"] == 40029


def test_a_phone_code_does_not_log_in(wechat, backend):
    assert backend.login(wechat.phone_code("alice")["code"])["errcode"] == 40029


def test_another_mini_programs_code_does_not_log_in(backend):
    code = SimulatedWeChat(appid="wxother").login_code("alice")

    assert backend.login(code)["errcode"] == 40029


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        pytest.param({"appid": None}, 41002, id="no appid"),
        pytest.param({"secret": None}, 41004, id="no secret"),
        pytest.param({"js_code": None}, 41008, id="no code"),
        pytest.param({"grant_type": None}, 40002, id="no grant_type"),
        pytest.param({"grant_type": "client_credential"}, 40002, id="wrong grant_type"),
        pytest.param({"appid": "wxother"}, 40013, id="unknown appid"),
        pytest.param({"secret": "wrong"}, 40125, id="wrong secret"),
    ],
)
def test_a_missing_or_wrong_field_is_named(wechat, backend, changes, errcode):
    code = wechat.login_code("alice")

    assert backend.login(code, **changes)["errcode"] == errcode
    assert "openid" in backend.login(code)


def test_parameters_in_a_body_are_not_read(wechat, backend):
    answer = backend.post(LOGIN, login_query(wechat, wechat.login_code("alice")))

    assert answer["errcode"] == 41002


def test_the_old_app_secret_dies_with_the_rotation(wechat, backend):
    wechat.rotate_app_secret("new")
    code = wechat.login_code("alice")

    assert backend.login(code)["errcode"] == 40125
    assert "openid" in backend.login(code, secret="new")


def test_outside_the_whitelist_the_refusal_names_the_address(wechat, backend):
    wechat.whitelist = {"203.0.113.7"}
    query = login_query(wechat, wechat.login_code("alice"))

    refused = backend.ask("GET", LOGIN, query, client_ip="198.51.100.1")

    assert refused["errcode"] == 40164
    assert "invalid ip 198.51.100.1 ipv6 ::ffff:198.51.100.1, not in" in refused["errmsg"]
    assert "openid" in backend.ask("GET", LOGIN, query, client_ip="203.0.113.7")


def test_a_blocked_user_is_refused_and_the_code_is_gone(wechat, backend):
    wechat.block("alice")
    code = wechat.login_code("alice")

    assert backend.login(code)["errcode"] == 40226
    assert backend.login(code)["errcode"] == 40163


def test_a_user_logs_in_a_hundred_times_a_minute(wechat, backend, clock):
    for _ in range(100):
        backend.login(wechat.login_code("alice"))
    code = wechat.login_code("alice")

    assert backend.login(code)["errcode"] == 45011
    assert "openid" in backend.login(wechat.login_code("bob"))
    clock.sleep(MINUTE)
    assert "openid" in backend.login(code)
