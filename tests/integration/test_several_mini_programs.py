"""Several mini programs behind one API: one person, and nothing of one works in another."""

import json
import time

import pytest
import requests

from local.functions import FunctionError
from simulated_wechat.message_push import MessagePush
from tests.support import alarms, stored
from tests.support.backend import ACCESS_TOKEN

SECOND = "wxfedcba0987654321"
STRANGER = "wx0000000000000009"
REFERER = "https://servicewechat.com/{}/12/page-frame.html"


@pytest.fixture
def both(backend):
    """The backend with two mini programs."""
    backend.add_mini_program(SECOND)
    return backend


@pytest.fixture
def here(both):
    return both.person("alice")


@pytest.fixture
def there(both):
    return both.person("alice", SECOND)


def find(backend, **by):
    return backend.deployment.invoke("find_user", by)["users"]


def claims_of(backend, token):
    event = {
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {},
        "version": "2.0",
    }
    return backend.deployment.invoke("authorize", event)["context"]


def test_one_person_logs_in_to_both_and_is_one_user_with_two_openids(both, here, there, wechat):
    token = here.register()
    login = there.log_in()

    users = find(both, unionid=wechat.unionid("alice"))
    assert {user["openid"] for user in users} == {here.openid, there.openid}
    assert len({user["userId"] for user in users}) == 1
    assert here.openid != there.openid
    assert (login["registered"], login["token"]) == (False, None)
    assert find(both, openid=there.openid, appid=SECOND)[0]["phone"] is None
    other = there.register()
    contexts = [claims_of(both, each) for each in (token, other)]
    assert [each["appid"] for each in contexts] == [wechat.appid, SECOND]
    assert contexts[0]["userId"] == contexts[1]["userId"]
    assert stored.contradictions(both.items()) == []


def referred(both, wechat, referer, **fields):
    code = wechat.login_code("alice", SECOND)
    answer = requests.post(
        f"{both.url}/login",
        json={"code": code, **fields},
        headers={"Referer": referer},
        timeout=20,
    )
    return answer.status_code, wechat.asked("/sns/jscode2session", SECOND)


def test_the_referer_that_wechats_app_sets_chooses_the_mini_program(both, wechat):
    assert referred(both, wechat, REFERER.format(SECOND)) == (200, 1)


def test_the_appid_in_the_body_goes_before_the_referer(both, wechat):
    assert referred(both, wechat, REFERER.format(wechat.appid), appid=SECOND) == (200, 1)


@pytest.mark.parametrize("referer", ["https://example.com/", REFERER.format("touristappid"), ""])
def test_without_either_it_is_the_first(both, wechat, referer):
    # A code of the second one, which WeChat refuses to exchange for the first.
    assert referred(both, wechat, referer) == (401, 0)


@pytest.mark.parametrize("how", ["body", "referer"])
def test_an_appid_that_is_not_ours_is_refused_without_asking_wechat(both, wechat, how):
    wechat.add_mini_program(STRANGER, "f" * 32)
    fields = {"appid": STRANGER} if how == "body" else {}
    referer = REFERER.format(STRANGER if how == "referer" else SECOND)
    before = both.items()

    status, asked = referred(both, wechat, referer, **fields)

    assert (status, asked, wechat.asked("/sns/jscode2session")) == (400, 0, 0)
    assert both.items() == before


def test_a_mini_program_that_was_added_meanwhile_is_used_without_a_restart(backend, wechat):
    backend.person("alice").log_in()
    backend.set_app_secret(wechat.mini_program(SECOND).app_secret, SECOND)

    assert backend.person("alice", SECOND).log_in()["openid"] == wechat.openid("alice", SECOND)


def test_a_session_of_one_does_nothing_in_the_other(both, here, there):
    here.register()
    there.register()
    secret = here.session.rpartition(".")[2]
    before = both.items()

    forged = f"{SECOND}.{there.openid}.{secret}"
    renamed = f"{SECOND}.{here.openid}.{secret}"
    for session in (forged, renamed):
        assert both.call("show_account", session=session)[0] == 401
    mixed, _ = both.call("look_up_token", session=here.session, openid=there.openid)

    assert mixed == 403
    assert both.items() == before


@pytest.mark.parametrize("wanted", ["code of the second", "code of the first"])
def test_a_phone_code_of_one_is_refused_in_the_other(both, here, there, wanted):
    here.log_in()
    there.log_in()
    user, other = (here, there) if wanted == "code of the second" else (there, here)

    status, _ = user.tap(other.phone_code())

    assert status == 401
    assert stored.phone_claims(both.items()) == {}


def test_an_event_for_one_changes_nothing_in_the_other(both, here, there, wechat):
    here.register()
    there.register()
    parameters = both.deployment.parameters
    push = MessagePush(both.url, parameters["event-token"], parameters["event-aes-key"])

    def cancel(openid, named, encrypted_for):
        message = {
            "ToUserName": "gh_1",
            "FromUserName": "gh_2",
            "CreateTime": int(time.time()) + 5,
            "MsgType": "event",
            "Event": "user_authorization_cancellation",
            "OpenID": openid,
            "AppID": named,
        }
        return push.send(message, appid=encrypted_for, openid=openid, as_xml=False).status

    before = both.items()
    assert cancel(here.openid, wechat.appid, SECOND) == 401
    assert cancel(here.openid, STRANGER, STRANGER) == 401
    assert both.items() == before
    assert cancel(here.openid, SECOND, SECOND) == 200
    assert stored.profiles(both.items()) == stored.profiles(before)
    assert cancel(there.openid, SECOND, SECOND) == 200
    (left,) = stored.profiles(both.items()).values()
    assert left["userId"] == find(both, openid=here.openid)[0]["userId"]


def test_a_wrong_app_secret_of_one_does_not_stop_the_other(both, here, there, capsys, caplog):
    both.set_app_secret("0" * 32, SECOND)
    both.cold_start()

    status, body = both.call("login", code=there.login_code(), appid=SECOND)
    assert (status, body["error"]["code"]) == (500, "misconfigured")
    here.log_in()
    capsys.readouterr()
    with pytest.raises(FunctionError, match="AppSecretRejected"):
        both.deployment.invoke("renew_access_token", {})

    printed = capsys.readouterr().out
    refused = [each.request for each in caplog.records if hasattr(each, "request")][-1]
    assert (refused["code"], refused["appid"]) == ("misconfigured", SECOND)
    points = list(alarms.embedded(printed))
    assert alarms.is_on(alarms.alarm("Misconfigured"), points)
    assert "AccessTokenRenewals" not in printed
    shared = json.loads(both.parameter(ACCESS_TOKEN))
    assert shared["expires_at"] > time.time() + 7000
    assert both.parameter(f"access-token/{SECOND}") is None
    assert here.tap()[0] == 200


def test_a_renewal_renews_each(both, wechat):
    answer = both.deployment.invoke("renew_access_token", {})

    assert answer["validSeconds"].keys() == {wechat.appid, SECOND}
    only = both.deployment.invoke("renew_access_token", {"appid": SECOND})
    assert only["validSeconds"].keys() == {SECOND}
