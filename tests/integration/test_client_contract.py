"""The three calls of an existing mpvue page, field for field, as its `$http` sends them."""

import json

import pytest


class Page:
    """The page's `$http`: one wrapper around wx.request, which keeps `res.data.session`."""

    routes = {"getOpenId": "/login", "getAccessToken": "/token", "registerPhone": "/phone"}  # noqa: RUF012 - no test changes it

    def __init__(self, backend):
        self._backend = backend
        self._session = None

    def http(self, name, data):
        headers = [("content-type", "application/json")]
        if self._session:
            headers.append(("Authorization", f"Bearer {self._session}"))
        body = json.dumps(data, ensure_ascii=False).encode()
        res = self._backend.send("POST", self.routes[name], body, headers).body
        if isinstance(res.get("data"), dict) and "session" in res["data"]:
            self._session = res["data"]["session"]
        return res


@pytest.fixture
def page(backend):
    return Page(backend)


def test_the_page_goes_from_a_code_to_a_token_in_three_calls(page, wechat):
    res = page.http("getOpenId", {"code": wechat.login_code("alice")})
    openid = res["data"]["openid"]
    before = page.http("getAccessToken", {"openid": openid})
    code = wechat.phone_code("alice")["code"]
    registered = page.http("registerPhone", {"code": code, "openid": openid})
    after = page.http("getAccessToken", {"openid": openid})

    assert res["success"] is True
    assert openid == wechat.openid("alice")
    assert (before["success"], before["data"]) == (True, None)
    assert registered["success"] is True
    assert registered["data"].count(".") == 2
    assert after["data"].count(".") == 2


def test_get_open_id_has_these_fields_and_no_others(page, wechat):
    first = page.http("getOpenId", {"code": wechat.login_code("alice")})
    page.http(
        "registerPhone",
        {"code": wechat.phone_code("alice")["code"], "openid": first["data"]["openid"]},
    )

    second = page.http("getOpenId", {"code": wechat.login_code("alice")})

    assert first == {
        "success": True,
        "data": {
            "openid": wechat.openid("alice"),
            "unionid": wechat.unionid("alice"),
            "session": first["data"]["session"],
            "sessionExpiresIn": 30 * 86400,
            "registered": False,
            "token": None,
            "tokenExpiresIn": None,
        },
    }
    assert second["data"].keys() == first["data"].keys()
    assert second["data"]["registered"] is True
    assert second["data"]["token"].count(".") == 2
    assert second["data"]["tokenExpiresIn"] == 7200


def test_get_access_token_and_register_phone_say_how_long_the_token_holds(page, wechat):
    openid = page.http("getOpenId", {"code": wechat.login_code("alice")})["data"]["openid"]

    none = page.http("getAccessToken", {"openid": openid})
    code = wechat.phone_code("alice")["code"]
    registered = page.http("registerPhone", {"code": code, "openid": openid})
    some = page.http("getAccessToken", {"openid": openid})

    assert none == {"success": True, "data": None, "expiresIn": None}
    assert registered == {"success": True, "data": registered["data"], "expiresIn": 7200}
    assert some == {"success": True, "data": some["data"], "expiresIn": 7200}


def test_a_failure_has_a_code_a_message_and_the_request_s_id(page):
    res = page.http("getAccessToken", {"openid": "o-anybody"})

    assert res["success"] is False
    assert res.keys() == {"success", "error"}
    assert res["error"].keys() == {"code", "message", "requestId"}
    assert res["error"]["code"] == "session_required"
    assert all(isinstance(value, str) and value for value in res["error"].values())


def test_register_phone_twice_with_one_code_answers_twice_and_asks_wechat_once(page, wechat):
    openid = page.http("getOpenId", {"code": wechat.login_code("alice")})["data"]["openid"]
    code = wechat.phone_code("alice")["code"]

    answers = [page.http("registerPhone", {"code": code, "openid": openid}) for _ in range(2)]

    assert [answer["success"] for answer in answers] == [True, True]
    assert all(answer["data"].count(".") == 2 for answer in answers)
    assert wechat.calls()["charges"]["phoneExchanges"] == 1
    assert wechat.asked("/wxa/business/getuserphonenumber") == 1


def test_an_unregistered_user_gets_a_token_where_no_phone_is_required(deployed_with, wechat):
    page = Page(deployed_with(PhoneRequired="false"))

    res = page.http("getOpenId", {"code": wechat.login_code("alice")})
    token = page.http("getAccessToken", {"openid": res["data"]["openid"]})

    assert res["data"]["registered"] is False
    assert res["data"]["token"].count(".") == 2
    assert token["data"].count(".") == 2
