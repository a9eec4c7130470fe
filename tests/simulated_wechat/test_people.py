"""The simulated people."""

import base64
import re

from simulated_wechat import SimulatedWeChat

LOGIN = "/sns/jscode2session"


def test_a_name_is_the_same_person_after_a_restart(wechat):
    restarted = SimulatedWeChat()

    assert restarted.openid("alice") == wechat.openid("alice")
    assert restarted.unionid("alice") == wechat.unionid("alice")
    assert restarted.phone("alice") == wechat.phone("alice")


def test_somebody_who_comes_to_the_second_mini_program_first_is_the_same_person(wechat):
    wechat.login_code("alice", "wxfedcba0987654321")

    assert wechat.unionid("alice") == SimulatedWeChat().unionid("alice")
    assert wechat.phone("alice") == SimulatedWeChat().phone("alice")


def test_two_people_share_nothing(wechat):
    assert wechat.openid("alice") != wechat.openid("bob")
    assert wechat.unionid("alice") != wechat.unionid("bob")
    assert wechat.phone("alice") != wechat.phone("bob")


def test_another_mini_program_knows_a_person_by_another_openid(wechat):
    assert SimulatedWeChat(appid="wxother").openid("alice") != wechat.openid("alice")


def test_identifiers_have_the_shapes_of_the_real_ones(wechat, backend):
    code = wechat.login_code("alice")
    phone_code = wechat.phone_code("alice")["code"]
    login = backend.login(code)
    token = backend.stable()["access_token"]

    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", login["openid"])
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", login["unionid"])
    assert len(base64.b64decode(login["session_key"], validate=True)) == 16
    assert re.fullmatch(r"\w{32}", code)
    assert re.fullmatch(r"[0-9a-f]{64}", phone_code)
    assert re.fullmatch(r"\+86138\d{8}", wechat.phone("alice"))
    assert 136 <= len(token) <= 512


def test_reset_forgets_codes_faults_calls_and_changed_rules(wechat, backend):
    code = wechat.login_code("alice")
    wechat.block("alice")
    wechat.rotate_app_secret("another")
    wechat.fault(LOGIN, "errcode", errcode=-1)

    wechat.reset()

    assert wechat.calls()["paths"][LOGIN]["count"] == 0
    assert backend.login(code)["errcode"] == 40029
    assert "openid" in backend.login(wechat.login_code("alice"))
