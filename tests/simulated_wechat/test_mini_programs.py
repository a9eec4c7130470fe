"""Two mini programs of one Open Platform account: their shared and their separate data."""

import http.client
import json

import pytest
import requests

from simulated_wechat import SimulatedWeChat
from tests.support.asking import Asking

LOGIN = "/sns/jscode2session"
STABLE = "/cgi-bin/stable_token"
PHONE = "/wxa/business/getuserphonenumber"
ENCRYPTED = "/wxa/business/checkencryptedmsg"
RISK = "/wxa/getuserriskrank"

FIRST, SECOND = "wx1234567890abcdef", "wxfedcba0987654321"


def test_there_are_two_out_of_the_box_and_the_first_is_meant_if_none_is_named(wechat):
    assert [app.appid for app in wechat.mini_programs()] == [FIRST, SECOND]
    assert wechat.openid("alice") == wechat.openid("alice", FIRST)


def test_an_appid_of_ones_own_comes_first():
    wechat = SimulatedWeChat("wxown", "own-secret", further={"wxother": "other-secret"})

    assert [app.appid for app in wechat.mini_programs()] == ["wxown", "wxother", FIRST, SECOND]
    assert wechat.app_secret == "own-secret"


def test_one_person_has_one_unionid_and_an_openid_in_each(wechat, backend, second):
    here = backend.login(wechat.login_code("alice"))
    there = second.login(wechat.login_code("alice", SECOND))

    assert here["unionid"] == there["unionid"]
    assert here["openid"] != there["openid"]
    assert here["session_key"] != there["session_key"]
    assert second.login(wechat.login_code("bob", SECOND))["unionid"] != there["unionid"]


def test_a_mini_program_may_not_be_bound_to_the_open_platform_account(wechat, backend, second):
    wechat.mini_program(SECOND).unionids = False

    assert "unionid" in backend.login(wechat.login_code("alice"))
    assert "unionid" not in second.login(wechat.login_code("alice", SECOND))


def test_one_person_has_one_number_and_one_reputation(wechat, backend, second):
    wechat.set_phone("alice", "13900000001")
    wechat.block("alice")

    info = second.call(PHONE, code=wechat.phone_code("alice", SECOND)["code"])["phone_info"]

    assert info["purePhoneNumber"] == "13900000001"
    assert info["watermark"]["appid"] == SECOND
    assert backend.login(wechat.login_code("alice"))["errcode"] == 40226
    assert second.login(wechat.login_code("alice", SECOND))["errcode"] == 40226


def test_a_login_code_of_one_is_refused_with_the_others_appid(wechat, backend, second):
    code = wechat.login_code("alice")

    assert second.login(code)["errcode"] == 40029
    assert "openid" in backend.login(code)


def test_a_phone_code_of_one_is_refused_with_the_others_token(wechat, backend, second):
    code = wechat.phone_code("alice")["code"]

    assert second.call(PHONE, code=code)["errcode"] == 40013
    assert backend.call(PHONE, code=code)["errcode"] == 0


def test_a_phone_code_of_one_is_refused_with_the_others_openid(wechat, backend):
    code, elsewhere = wechat.phone_code("alice")["code"], wechat.openid("alice", SECOND)

    assert backend.call(PHONE, code=code, openid=elsewhere)["errcode"] == 40029


def test_the_app_secret_of_one_does_not_open_the_other(wechat, backend, second):
    code = wechat.login_code("alice", SECOND)

    assert second.login(code, secret=backend.app["secret"])["errcode"] == 40125
    assert second.stable(secret=backend.app["secret"])["errcode"] == 40125
    assert second.login(code, appid="wxunknown")["errcode"] == 40013
    assert "openid" in second.login(code)


def test_a_rotated_app_secret_of_one_leaves_the_other(wechat, backend, second):
    wechat.rotate_app_secret("new", SECOND)

    assert second.stable()["errcode"] == 40125
    assert "access_token" in backend.stable()
    assert "access_token" in second.stable(secret="new")


def test_a_forced_refresh_of_one_leaves_the_others_token(backend, second):
    token = backend.stable()["access_token"]
    second.stable(force_refresh=True)

    assert token != second.stable()["access_token"]
    assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == 40029


def test_a_quota_is_each_ones_own(wechat, backend, second):
    for _ in range(100):
        backend.login(wechat.login_code("alice"))

    assert backend.login(wechat.login_code("alice"))["errcode"] == 45011
    assert "openid" in second.login(wechat.login_code("alice", SECOND))


def test_a_balance_is_each_ones_own(wechat):
    wechat.mini_program(SECOND).phone_balance = 0

    assert wechat.phone_code("alice", SECOND)["errno"] == 1400001
    assert "code" in wechat.phone_code("alice")
    assert wechat.calls(SECOND)["charges"]["phoneComponentCalls"] == 0


def test_a_fault_is_felt_by_the_mini_program_it_was_ordered_for(wechat, backend, second):
    wechat.fault(LOGIN, "errcode", errcode=-1, appid=SECOND)

    assert "openid" in backend.login(wechat.login_code("alice"))
    assert second.login(wechat.login_code("alice", SECOND))["errcode"] == -1

    wechat.fault(PHONE, "errcode", errcode=-1)
    code = wechat.phone_code("alice", SECOND)["code"]
    assert second.call(PHONE, code=code)["errcode"] == 0
    assert backend.call(PHONE, code="x")["errcode"] == -1


def test_an_openid_of_the_other_is_unknown(wechat, backend, second):
    wechat.login_code("alice")
    body = {"scene": 0, "client_ip": "203.0.113.7", "openid": wechat.openid("alice")}

    assert backend.call(RISK, appid=FIRST, **body)["errcode"] == 0
    assert second.call(RISK, appid=SECOND, **body)["errcode"] == 43104


def test_being_active_in_one_is_not_being_active_in_the_other(wechat, second):
    wechat.login_code("alice")
    openid = wechat.openid("alice", SECOND)
    body = {"appid": SECOND, "openid": openid, "scene": 0, "client_ip": "203.0.113.7"}

    assert second.call(RISK, **body)["errcode"] == 61010


def test_a_session_key_is_of_one_mini_program(wechat, backend, second):
    key = backend.login(wechat.login_code("alice"))["session_key"]
    second.login(wechat.login_code("alice", SECOND))

    assert backend.check_session("alice", key)["errcode"] == 0
    assert second.check_session("alice", key)["errcode"] == 87009
    wechat.end_session_key("alice", SECOND)
    assert wechat.check_session("alice")
    assert not wechat.check_session("alice", SECOND)


def test_calls_are_counted_for_each_and_listed_together(wechat, backend, second):
    backend.login(wechat.login_code("alice"))
    second.login(wechat.login_code("alice", SECOND))
    second.login("unknown")

    assert wechat.calls()["paths"][LOGIN] == {"count": 1, "outcomes": {"0": 1}}
    assert wechat.calls(SECOND)["paths"][LOGIN]["outcomes"] == {"0": 1, "40029": 1}
    assert [call["appid"] for call in wechat.calls()["last"]] == [FIRST, SECOND, SECOND]
    assert [call["appid"] for call in wechat.calls(SECOND)["last"]] == [SECOND, SECOND]


def test_calls_that_name_no_known_mini_program_are_the_firsts(wechat, backend):
    backend.login("x", appid="wxunknown")
    backend.post(STABLE, b"{")
    backend.post(PHONE, {"code": "x"}, access_token="92_" + "a" * 134)

    paths = wechat.calls(FIRST)["paths"]
    assert [paths[path]["count"] for path in (LOGIN, STABLE, PHONE)] == [1, 1, 1]


def test_an_added_mini_program_works_at_once_and_goes_with_a_reset(wechat):
    wechat.add_mini_program("wxthird", "third-secret")
    third = Asking(wechat, "wxthird")

    login = third.login(wechat.login_code("alice", "wxthird"))

    assert login["unionid"] == wechat.unionid("alice")
    assert third.call(PHONE, code=wechat.phone_code("alice", "wxthird")["code"])["errcode"] == 0
    wechat.reset()
    assert [app.appid for app in wechat.mini_programs()] == [FIRST, SECOND]


def control(server, route, **body):
    return requests.post(f"{server.url}/simulated/{route}", json=body, timeout=5)


def test_the_control_routes_know_mini_programs(server, served):
    added = control(server, "mini-programs", appid="wx0000000000000003", appSecret="third-secret")
    code = control(server, "wx.login", user="alice", appid="wx0000000000000003").json()["code"]

    login = Asking(served, "wx0000000000000003").login(code)

    assert added.json() == {"miniPrograms": [FIRST, SECOND, "wx0000000000000003"]}
    assert login["openid"] == served.openid("alice", "wx0000000000000003")
    asked = requests.get(f"{server.url}/simulated/calls?appid=wx0000000000000003", timeout=5).json()
    assert asked["paths"][LOGIN]["count"] == 1
    (alice,) = requests.get(
        f"{server.url}/simulated/people?appid=wx0000000000000003", timeout=5
    ).json()["people"]
    assert alice["openid"] == login["openid"]


def test_the_control_routes_take_an_appid(server, served):
    assert "code" in control(server, "getPhoneNumber", user="alice", appid=SECOND).json()
    assert "code" in control(server, "getRealtimePhoneNumber", user="alice", appid=SECOND).json()
    assert served.calls(SECOND)["charges"]["phoneComponentCalls"] == 2
    control(server, "faults", path=STABLE, appid=SECOND, kind="errcode", errcode=-1)
    assert Asking(served, SECOND).stable()["errcode"] == -1
    assert control(server, "rules", appid=SECOND, unionids=False).json()["appid"] == SECOND
    assert served.unionids
    assert control(server, "checkSession", user="alice", appid=SECOND).json()["valid"] is True
    control(server, "people", user="alice", appid=SECOND, session=False)
    assert control(server, "checkSession", user="alice", appid=SECOND).json()["valid"] is False


@pytest.mark.parametrize(
    ("route", "body"),
    [
        pytest.param("wx.login", {"user": "a", "appid": "wxnobody"}, id="unknown"),
        pytest.param("wx.login", {"user": "a", "appid": 5}, id="no string"),
        pytest.param("mini-programs", {"appid": SECOND}, id="there already"),
        pytest.param("mini-programs", {"appid": "nonsense"}, id="no AppID"),
        pytest.param("mini-programs", {}, id="none"),
        pytest.param("faults", {"path": LOGIN, "appid": "wxnobody"}, id="a fault of nobody's"),
        pytest.param("rules", {"appid": "wxnobody", "unionids": False}, id="rules of nobody's"),
    ],
)
def test_a_wrong_appid_is_reported_in_one_sentence(server, route, body):
    answer = control(server, route, **body)

    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_a_get_route_refuses_an_unknown_appid(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request("GET", "/simulated/rules?appid=wxnobody")
    answer = connection.getresponse()

    assert answer.status == 400
    assert json.loads(answer.read()) == {"error": "There is no mini program wxnobody."}
    connection.close()
