"""The two kinds of access token, and their quotas."""

import pytest

from simulated_wechat.quotas import Quota

STABLE = "/cgi-bin/stable_token"
PLAIN = "/cgi-bin/token"
PHONE = "/wxa/business/getuserphonenumber"
CLEAR = "/cgi-bin/clear_quota/v2"
MINUTE = 60
HOUR = 3600
DAY = 86400


def test_the_same_token_comes_with_the_time_it_has_left(backend, clock):
    first = backend.stable()
    clock.sleep(HOUR)
    second = backend.stable()

    assert first["expires_in"] == 7200
    assert second == {"access_token": first["access_token"], "expires_in": 3600}


def test_in_its_last_five_minutes_a_token_is_renewed_and_both_work(backend, clock):
    old = backend.stable()["access_token"]
    clock.sleep(7200 - 299)
    new = backend.stable()

    assert new["access_token"] != old
    assert new["expires_in"] == 7200
    for token in (old, new["access_token"]):
        assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == 40029


def test_a_returned_token_has_at_least_five_minutes(backend, clock):
    backend.stable()
    clock.sleep(7200 - 300)

    assert backend.stable()["expires_in"] == 300


def test_an_expired_token_is_refused_as_expired(backend, clock):
    token = backend.stable()["access_token"]
    clock.sleep(7200)

    assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == 42001


def test_a_forced_refresh_kills_the_last_token_at_once(backend):
    old = backend.stable()["access_token"]
    new = backend.stable(force_refresh=True)["access_token"]

    assert new != old
    assert backend.post(PHONE, {"code": "x"}, access_token=old)["errcode"] == 40001
    assert backend.post(PHONE, {"code": "x"}, access_token=new)["errcode"] == 40029


def test_within_thirty_seconds_nothing_is_forced(backend, clock):
    first = backend.stable(force_refresh=True)["access_token"]
    clock.sleep(29)
    second = backend.stable(force_refresh=True)["access_token"]
    clock.sleep(1)
    third = backend.stable(force_refresh=True)["access_token"]

    assert first == second != third


def test_a_refresh_is_forced_at_most_twenty_times_a_day(backend, clock):
    tokens = []
    for _ in range(22):
        tokens.append(backend.stable(force_refresh=True)["access_token"])
        clock.sleep(30)

    assert len(set(tokens)) == 20
    assert tokens[-1] == tokens[19]
    clock.sleep(DAY)
    backend.stable()
    renewed = backend.stable()["access_token"]
    assert backend.stable(force_refresh=True)["access_token"] != renewed


def test_the_two_kinds_of_token_leave_each_other_alone(backend):
    stable, plain = backend.stable()["access_token"], backend.plain()["access_token"]
    backend.stable(force_refresh=True)

    assert backend.post(PHONE, {"code": "x"}, access_token=plain)["errcode"] == 40029
    assert backend.post(PHONE, {"code": "x"}, access_token=stable)["errcode"] == 40001
    stable = backend.stable()["access_token"]
    backend.plain()
    assert backend.stable()["access_token"] == stable


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        pytest.param({"appid": None}, 41002, id="no appid"),
        pytest.param({"secret": None}, 41004, id="no secret"),
        pytest.param({"grant_type": None}, 40002, id="no grant_type"),
        pytest.param({"appid": "wxother"}, 40013, id="unknown appid"),
        pytest.param({"secret": "wrong"}, 40125, id="wrong secret"),
    ],
)
def test_a_missing_or_wrong_field_is_named(backend, changes, errcode):
    assert backend.stable(**changes)["errcode"] == errcode


def test_it_is_asked_by_post_only(backend):
    assert backend.get(STABLE)["errcode"] == 43002


def test_the_whitelist_covers_it(wechat, backend):
    wechat.whitelist = set()

    assert backend.stable()["errcode"] == 40164
    assert backend.plain()["errcode"] == 40164


def test_it_is_asked_as_often_as_the_minute_and_the_day_allow(wechat, backend, clock):
    minutely, daily = wechat.quotas[STABLE]
    assert (minutely.calls, daily.calls) == (10_000, 500_000)
    wechat.quotas[STABLE] = (Quota(1, minutely.window, 45011), Quota(2, daily.window, 45009))

    assert "errcode" not in backend.stable()
    assert backend.stable()["errcode"] == 45011
    clock.sleep(MINUTE)
    assert "errcode" not in backend.stable()
    clock.sleep(MINUTE)
    assert backend.stable()["errcode"] == 45009
    clock.sleep(DAY)
    assert "errcode" not in backend.stable()


def test_each_call_makes_a_new_token(backend):
    assert backend.plain()["access_token"] != backend.plain()["access_token"]


def test_the_former_token_works_for_five_more_minutes(backend, clock):
    former = backend.plain()["access_token"]
    backend.plain()

    clock.sleep(299)
    assert backend.post(PHONE, {"code": "x"}, access_token=former)["errcode"] == 40029
    clock.sleep(1)
    assert backend.post(PHONE, {"code": "x"}, access_token=former)["errcode"] == 40001


def test_two_thousand_a_day_are_enough(backend):
    for _ in range(2000):
        backend.plain()

    refused = backend.plain()
    assert refused["errcode"] == 45009
    assert "getStableAccessToken" in refused["errmsg"]


def test_a_missing_field_is_named(backend):
    assert backend.plain(appid=None)["errcode"] == 41002
    assert backend.plain(secret=None)["errcode"] == 41004
    assert backend.plain(grant_type=None)["errcode"] == 40002


def test_clear_quota_gives_the_day_back_ten_times_a_month(wechat, backend, clock):
    wechat.quotas[PLAIN] = (Quota(1, wechat.quotas[PLAIN][0].window, 45009),)
    body = {"appid": wechat.appid, "appsecret": wechat.app_secret}
    for _ in range(10):
        assert "errcode" not in backend.plain()
        assert backend.plain()["errcode"] == 45009
        assert backend.post(CLEAR, body)["errcode"] == 0

    assert backend.post(CLEAR, body)["errcode"] == 48006
    clock.sleep(31 * DAY)
    assert backend.post(CLEAR, body)["errcode"] == 0


def test_clear_quota_wants_the_app_secret(wechat, backend):
    assert backend.post(CLEAR, {"appid": wechat.appid})["errcode"] == 41004
    wrong = {"appid": wechat.appid, "appsecret": "wrong"}
    assert backend.post(CLEAR, wrong)["errcode"] == 40125
