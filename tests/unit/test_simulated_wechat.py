"""The simulated WeChat keeps the rules of the real one; each test is one of them."""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from simulated_wechat import SimulatedWeChat, message_push, phone_data, serve
from simulated_wechat.quotas import Quota, minute_of
from simulated_wechat.rules import Request

LOGIN = "/sns/jscode2session"
STABLE = "/cgi-bin/stable_token"
PLAIN = "/cgi-bin/token"
PHONE = "/wxa/business/getuserphonenumber"
ENCRYPTED = "/wxa/business/checkencryptedmsg"
CHECK = "/wxa/checksession"
RESET = "/wxa/resetusersessionkey"
RISK = "/wxa/getuserriskrank"
CONTENT = "/wxa/msg_sec_check"
CLEAR = "/cgi-bin/clear_quota/v2"

MINUTE = 60
HOUR = 3600
DAY = 86400


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.moment = 1_790_000_000.0

    def __call__(self):
        return self.moment

    def move(self, seconds):
        self.moment += seconds


class Backend:
    """A server that knows the AppSecret and asks WeChat, without HTTP in between."""

    def __init__(self, wechat):
        self.wechat = wechat
        self.app = {"appid": wechat.appid, "secret": wechat.app_secret}

    def get(self, path, **query):
        return self.ask("GET", path, query=query)

    def post(self, path, body=None, **query):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, query=query, body=raw)

    def ask(self, method, path, query=None, body=b"", client_ip="127.0.0.1"):
        request = Request(method, path, query or {}, body, client_ip)
        return json.loads(self.wechat.receive(request).body)

    def login(self, code, **changes):
        query = {**self.app, "js_code": code, "grant_type": "authorization_code", **changes}
        return self.get(LOGIN, **{name: value for name, value in query.items() if value})

    def stable(self, **changes):
        body = {**self.app, "grant_type": "client_credential", **changes}
        return self.post(STABLE, {name: v for name, v in body.items() if v is not None})

    def plain(self, **changes):
        query = {**self.app, "grant_type": "client_credential", **changes}
        return self.get(PLAIN, **{name: value for name, value in query.items() if value})

    def call(self, path, **body):
        return self.post(path, body, access_token=self.stable()["access_token"])

    def check_session(self, user, session_key, path=CHECK, **changes):
        query = {
            "access_token": self.stable()["access_token"],
            "openid": self.wechat.openid(user),
            "signature": phone_data.session_signature(session_key),
            "sig_method": "hmac_sha256",
            **changes,
        }
        return self.get(path, **query)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wechat(clock):
    return SimulatedWeChat(now=clock)


@pytest.fixture
def backend(wechat):
    return Backend(wechat)


@pytest.fixture(scope="module")
def running_server():
    running = serve(SimulatedWeChat())
    yield running
    running.stop()


@pytest.fixture
def server(running_server):
    running_server.console.wechat.reset()
    return running_server


def login_query(wechat, code):
    return {
        "appid": wechat.appid,
        "secret": wechat.app_secret,
        "js_code": code,
        "grant_type": "authorization_code",
    }


def decrypted_phone(grant, session_key):
    key, iv = base64.b64decode(session_key), base64.b64decode(grant["iv"])
    ciphertext = base64.b64decode(grant["encryptedData"])
    return json.loads(unpad(AES.new(key, AES.MODE_CBC, iv).decrypt(ciphertext), 16))


class TestPeople:
    def test_a_name_is_the_same_person_after_a_restart(self, wechat):
        restarted = SimulatedWeChat()

        assert restarted.openid("alice") == wechat.openid("alice")
        assert restarted.unionid("alice") == wechat.unionid("alice")
        assert restarted.phone("alice") == wechat.phone("alice")

    def test_two_people_share_nothing(self, wechat):
        assert wechat.openid("alice") != wechat.openid("bob")
        assert wechat.unionid("alice") != wechat.unionid("bob")
        assert wechat.phone("alice") != wechat.phone("bob")

    def test_another_mini_program_knows_a_person_by_another_openid(self, wechat):
        assert SimulatedWeChat(appid="wxother").openid("alice") != wechat.openid("alice")

    def test_identifiers_have_the_shapes_of_the_real_ones(self, wechat, backend):
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

    def test_reset_forgets_codes_faults_calls_and_changed_rules(self, wechat, backend):
        code = wechat.login_code("alice")
        wechat.block("alice")
        wechat.rotate_app_secret("another")
        wechat.fault(LOGIN, "errcode", errcode=-1)

        wechat.reset()

        assert wechat.calls()["paths"][LOGIN]["count"] == 0
        assert backend.login(code)["errcode"] == 40029
        assert "openid" in backend.login(wechat.login_code("alice"))


class TestLoginCodes:
    def test_a_login_code_names_its_user(self, wechat, backend):
        answer = backend.login(wechat.login_code("alice"))

        assert answer["openid"] == wechat.openid("alice")
        assert answer["unionid"] == wechat.unionid("alice")

    def test_success_carries_no_errcode(self, wechat, backend):
        assert set(backend.login(wechat.login_code("alice"))) == {
            "openid",
            "unionid",
            "session_key",
        }

    def test_without_an_open_platform_account_there_is_no_unionid(self, wechat, backend):
        wechat.unionids = False

        assert "unionid" not in backend.login(wechat.login_code("alice"))

    def test_a_login_code_works_once(self, wechat, backend):
        code = wechat.login_code("alice")
        backend.login(code)

        assert backend.login(code)["errcode"] == 40163

    @pytest.mark.parametrize(
        ("seconds", "accepted"),
        [pytest.param(300, True, id="five minutes"), pytest.param(301, False, id="later")],
    )
    def test_a_login_code_lives_five_minutes(self, wechat, backend, clock, seconds, accepted):
        code = wechat.login_code("alice")
        clock.move(seconds)

        assert ("openid" in backend.login(code)) is accepted

    def test_an_expired_login_code_is_invalid_even_if_it_was_used(self, wechat, backend, clock):
        code = wechat.login_code("alice")
        backend.login(code)
        clock.move(301)

        assert backend.login(code)["errcode"] == 40029

    @pytest.mark.parametrize("code", ["never-issued", "the code is a mock one"])
    def test_a_code_wechat_did_not_make_is_invalid(self, backend, code):
        assert backend.login(code)["errcode"] == 40029

    def test_a_phone_code_does_not_log_in(self, wechat, backend):
        assert backend.login(wechat.phone_code("alice")["code"])["errcode"] == 40029

    def test_another_mini_programs_code_does_not_log_in(self, backend):
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
    def test_what_is_missing_or_wrong_is_named(self, wechat, backend, changes, errcode):
        code = wechat.login_code("alice")

        assert backend.login(code, **changes)["errcode"] == errcode
        assert "openid" in backend.login(code)

    def test_parameters_in_a_body_are_not_read(self, wechat, backend):
        answer = backend.post(LOGIN, login_query(wechat, wechat.login_code("alice")))

        assert answer["errcode"] == 41002

    def test_the_old_app_secret_dies_with_the_rotation(self, wechat, backend):
        wechat.rotate_app_secret("new")
        code = wechat.login_code("alice")

        assert backend.login(code)["errcode"] == 40125
        assert "openid" in backend.login(code, secret="new")

    def test_outside_the_whitelist_the_refusal_names_the_address(self, wechat, backend):
        wechat.whitelist = {"203.0.113.7"}
        query = login_query(wechat, wechat.login_code("alice"))

        refused = backend.ask("GET", LOGIN, query, client_ip="198.51.100.1")

        assert refused["errcode"] == 40164
        assert "invalid ip 198.51.100.1 ipv6 ::ffff:198.51.100.1, not in" in refused["errmsg"]
        assert "openid" in backend.ask("GET", LOGIN, query, client_ip="203.0.113.7")

    def test_a_blocked_user_is_refused_and_the_code_is_gone(self, wechat, backend):
        wechat.block("alice")
        code = wechat.login_code("alice")

        assert backend.login(code)["errcode"] == 40226
        assert backend.login(code)["errcode"] == 40163

    def test_a_user_logs_in_a_hundred_times_a_minute(self, wechat, backend, clock):
        for _ in range(100):
            backend.login(wechat.login_code("alice"))
        code = wechat.login_code("alice")

        assert backend.login(code)["errcode"] == 45011
        assert "openid" in backend.login(wechat.login_code("bob"))
        clock.move(MINUTE)
        assert "openid" in backend.login(code)


class TestErrorTexts:
    RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"

    @pytest.mark.parametrize(
        ("errcode", "path", "text"),
        [
            (40029, LOGIN, rf"invalid code, rid: {RID}"),
            (40163, LOGIN, rf"code been used, rid: {RID}"),
            (40125, LOGIN, rf"invalid appsecret, rid: {RID}"),
            (40013, LOGIN, rf"invalid appid, rid: {RID}"),
            (41002, LOGIN, rf"appid missing, rid: {RID}"),
            (40226, LOGIN, r"code blocked, hints: \[ req_id: [\w-]{16} \]"),
            (45011, LOGIN, "api minute-quota reach limit, must slower, retry next minute"),
            (-1, PHONE, rf"system error rid: {RID}"),
            (40029, PHONE, rf"invalid code hint: \[[\w-]{{16}}\] rid: {RID}"),
            (42001, PHONE, rf"access_token expired rid: {RID}"),
            (40001, PHONE, rf"invalid credential, access_token is invalid or not latest, .* {RID}"),
            (45009, PLAIN, rf"reach max api daily quota limit, could get access_token .* {RID}"),
            (87009, CHECK, "invalid signature"),
            (99999, LOGIN, rf"simulated error, rid: {RID}"),
        ],
    )
    def test_each_api_writes_errors_in_its_own_style(self, wechat, backend, errcode, path, text):
        wechat.fault(path, "errcode", errcode=errcode)

        answer = backend.get(path)

        assert answer["errcode"] == errcode
        assert re.fullmatch(text, answer["errmsg"])

    def test_a_request_id_starts_with_the_time(self, backend, clock):
        rid = backend.login("unknown")["errmsg"].rpartition("rid: ")[2]

        assert int(rid[:8], 16) == int(clock())


class TestStableToken:
    def test_the_same_token_comes_with_the_time_it_has_left(self, backend, clock):
        first = backend.stable()
        clock.move(HOUR)
        second = backend.stable()

        assert first["expires_in"] == 7200
        assert second == {"access_token": first["access_token"], "expires_in": 3600}

    def test_in_its_last_five_minutes_a_token_is_renewed_and_both_work(self, backend, clock):
        old = backend.stable()["access_token"]
        clock.move(7200 - 299)
        new = backend.stable()

        assert new["access_token"] != old
        assert new["expires_in"] == 7200
        for token in (old, new["access_token"]):
            assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == 40029

    def test_a_token_told_has_at_least_five_minutes(self, backend, clock):
        backend.stable()
        clock.move(7200 - 300)

        assert backend.stable()["expires_in"] == 300

    def test_an_expired_token_is_refused_as_expired(self, backend, clock):
        token = backend.stable()["access_token"]
        clock.move(7200)

        assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == 42001

    def test_a_forced_refresh_kills_the_last_token_at_once(self, backend):
        old = backend.stable()["access_token"]
        new = backend.stable(force_refresh=True)["access_token"]

        assert new != old
        assert backend.post(PHONE, {"code": "x"}, access_token=old)["errcode"] == 40001
        assert backend.post(PHONE, {"code": "x"}, access_token=new)["errcode"] == 40029

    def test_within_thirty_seconds_nothing_is_forced(self, backend, clock):
        first = backend.stable(force_refresh=True)["access_token"]
        clock.move(29)
        second = backend.stable(force_refresh=True)["access_token"]
        clock.move(1)
        third = backend.stable(force_refresh=True)["access_token"]

        assert first == second != third

    def test_twenty_times_a_day_a_refresh_is_forced_and_then_no_more(self, backend, clock):
        tokens = []
        for _ in range(22):
            tokens.append(backend.stable(force_refresh=True)["access_token"])
            clock.move(30)

        assert len(set(tokens)) == 20
        assert tokens[-1] == tokens[19]
        clock.move(DAY)
        backend.stable()
        renewed = backend.stable()["access_token"]
        assert backend.stable(force_refresh=True)["access_token"] != renewed

    def test_the_two_kinds_of_token_leave_each_other_alone(self, backend):
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
    def test_what_is_missing_or_wrong_is_named(self, backend, changes, errcode):
        assert backend.stable(**changes)["errcode"] == errcode

    def test_it_is_asked_by_post_only(self, backend):
        assert backend.get(STABLE)["errcode"] == 43002

    def test_the_whitelist_covers_it(self, wechat, backend):
        wechat.whitelist = set()

        assert backend.stable()["errcode"] == 40164
        assert backend.plain()["errcode"] == 40164

    def test_it_is_asked_as_often_as_the_minute_and_the_day_allow(self, wechat, backend, clock):
        minutely, daily = wechat.quotas[STABLE]
        assert (minutely.calls, daily.calls) == (10_000, 500_000)
        wechat.quotas[STABLE] = (Quota(1, minutely.window, 45011), Quota(2, daily.window, 45009))

        assert "errcode" not in backend.stable()
        assert backend.stable()["errcode"] == 45011
        clock.move(MINUTE)
        assert "errcode" not in backend.stable()
        clock.move(MINUTE)
        assert backend.stable()["errcode"] == 45009
        clock.move(DAY)
        assert "errcode" not in backend.stable()


class TestPlainToken:
    def test_each_call_makes_a_new_token(self, backend):
        assert backend.plain()["access_token"] != backend.plain()["access_token"]

    def test_the_former_token_works_for_five_more_minutes(self, backend, clock):
        former = backend.plain()["access_token"]
        backend.plain()

        clock.move(299)
        assert backend.post(PHONE, {"code": "x"}, access_token=former)["errcode"] == 40029
        clock.move(1)
        assert backend.post(PHONE, {"code": "x"}, access_token=former)["errcode"] == 40001

    def test_two_thousand_a_day_are_enough(self, backend):
        for _ in range(2000):
            backend.plain()

        refused = backend.plain()
        assert refused["errcode"] == 45009
        assert "getStableAccessToken" in refused["errmsg"]

    def test_what_is_missing_is_named(self, backend):
        assert backend.plain(appid=None)["errcode"] == 41002
        assert backend.plain(secret=None)["errcode"] == 41004
        assert backend.plain(grant_type=None)["errcode"] == 40002

    def test_clear_quota_gives_the_day_back_ten_times_a_month(self, wechat, backend, clock):
        wechat.quotas[PLAIN] = (Quota(1, wechat.quotas[PLAIN][0].window, 45009),)
        body = {"appid": wechat.appid, "appsecret": wechat.app_secret}
        for _ in range(10):
            assert "errcode" not in backend.plain()
            assert backend.plain()["errcode"] == 45009
            assert backend.post(CLEAR, body)["errcode"] == 0

        assert backend.post(CLEAR, body)["errcode"] == 48006
        clock.move(31 * DAY)
        assert backend.post(CLEAR, body)["errcode"] == 0

    def test_clear_quota_wants_the_app_secret(self, wechat, backend):
        assert backend.post(CLEAR, {"appid": wechat.appid})["errcode"] == 41004
        wrong = {"appid": wechat.appid, "appsecret": "wrong"}
        assert backend.post(CLEAR, wrong)["errcode"] == 40125


class TestBusinessCalls:
    @pytest.mark.parametrize("path", [PHONE, ENCRYPTED, RISK, CONTENT])
    def test_no_business_call_goes_without_a_token(self, backend, path):
        assert backend.post(path, {})["errcode"] == 41001
        assert backend.get(path)["errcode"] == 43002

    @pytest.mark.parametrize("path", [CHECK, RESET])
    def test_session_calls_go_by_get_and_with_a_token(self, backend, path):
        assert backend.get(path)["errcode"] == 41001
        assert backend.post(path, {})["errcode"] == 43001

    @pytest.mark.parametrize(
        ("token", "errcode"),
        [
            pytest.param("nonsense", 40014, id="malformed"),
            pytest.param("92_" + "a" * 134, 40001, id="never issued"),
        ],
    )
    def test_a_foreign_token_is_refused(self, backend, token, errcode):
        assert backend.post(PHONE, {"code": "x"}, access_token=token)["errcode"] == errcode

    @pytest.mark.parametrize(
        ("body", "errcode"),
        [
            pytest.param(b"", 44002, id="empty"),
            pytest.param(b"{", 47001, id="no JSON"),
            pytest.param(b"[]", 47001, id="no object"),
            pytest.param(b'"\xff"', 47001, id="no UTF-8"),
            pytest.param(b"[" * 100_000, 47001, id="too deep"),
            pytest.param(b"{}", 47001, id="no code"),
            pytest.param(b'{"code": 5}', 47001, id="a code that is no string"),
        ],
    )
    def test_the_body_must_be_an_object_with_what_is_needed(self, backend, body, errcode):
        token = backend.stable()["access_token"]

        assert backend.post(PHONE, body, access_token=token)["errcode"] == errcode

    def test_an_unknown_path_is_an_invalid_url(self, backend):
        assert backend.get("/cgi-bin/nothing")["errcode"] == 40066


class TestPhoneCodes:
    def test_a_phone_code_tells_the_number_and_when_it_was_given(self, wechat, backend, clock):
        tapped_at = clock()
        code = wechat.phone_code("alice")["code"]
        clock.move(10)

        answer = backend.call(PHONE, code=code)

        national = wechat.phone("alice").removeprefix("+86")
        assert answer == {
            "errcode": 0,
            "errmsg": "ok",
            "phone_info": {
                "phoneNumber": national,
                "purePhoneNumber": national,
                "countryCode": "86",
                "watermark": {"timestamp": int(tapped_at), "appid": wechat.appid},
            },
        }

    def test_a_foreign_number_carries_its_area_code_and_a_plus(self, wechat, backend):
        wechat.set_phone("alice", "91234567", "852")

        info = backend.call(PHONE, code=wechat.phone_code("alice")["code"])["phone_info"]

        assert info["phoneNumber"] == "+85291234567"
        assert info["purePhoneNumber"] == "91234567"
        assert info["countryCode"] == "852"
        assert wechat.phone("alice") == "+85291234567"

    def test_a_phone_code_works_once(self, wechat, backend):
        code = wechat.phone_code("alice")["code"]
        backend.call(PHONE, code=code)

        assert backend.call(PHONE, code=code)["errcode"] == 40029

    def test_a_phone_code_lives_five_minutes(self, wechat, backend, clock):
        code = wechat.phone_code("alice")["code"]
        clock.move(301)

        assert backend.call(PHONE, code=code)["errcode"] == 40029

    def test_a_login_code_gives_no_number(self, wechat, backend):
        code = wechat.login_code("alice")

        assert backend.call(PHONE, code=code)["errcode"] == 40029
        assert "openid" in backend.login(code)

    def test_another_users_openid_is_refused_and_the_owner_keeps_the_code(self, wechat, backend):
        code = wechat.phone_code("alice")["code"]

        assert backend.call(PHONE, code=code, openid=wechat.openid("bob"))["errcode"] == 40029
        assert backend.call(PHONE, code=code, openid=wechat.openid("alice"))["errcode"] == 0

    def test_the_tap_is_charged_and_the_exchange_is_not(self, wechat, backend):
        wechat.phone_code("alice")
        wechat.phone_code("alice", allow=False)
        backend.call(PHONE, code=wechat.phone_code("bob")["code"])

        assert wechat.calls()["charges"] == {
            "phoneComponentCalls": 2,
            "phoneExchanges": 1,
            "phoneBalance": 998,
        }

    def test_without_balance_the_button_gives_no_code(self, wechat):
        wechat.phone_balance = 1
        wechat.phone_code("alice")

        grant = wechat.phone_code("alice")

        assert grant["errno"] == 1400001
        assert "code" not in grant

    def test_a_user_who_says_no_gives_no_code(self, wechat):
        grant = wechat.phone_code("alice", allow=False)

        assert grant == {"errMsg": "getPhoneNumber:fail user deny", "errno": 103}


class TestEncryptedPhoneData:
    def test_the_users_session_key_opens_it(self, wechat, backend, clock):
        key = backend.login(wechat.login_code("alice"))["session_key"]

        opened = decrypted_phone(wechat.phone_code("alice"), key)

        assert opened["purePhoneNumber"] == wechat.phone("alice").removeprefix("+86")
        assert opened["countryCode"] == "86"
        assert opened["watermark"] == {"timestamp": int(clock()), "appid": wechat.appid}

    def test_a_tap_before_the_first_login_is_opened_by_the_key_that_login_gives(
        self, wechat, backend
    ):
        grant = wechat.phone_code("alice")
        key = backend.login(wechat.login_code("alice"))["session_key"]

        assert decrypted_phone(grant, key)["countryCode"] == "86"

    def test_another_users_session_key_does_not_open_it(self, wechat, backend):
        key = backend.login(wechat.login_code("bob"))["session_key"]

        with pytest.raises(ValueError):  # noqa: PT011 - padding, UTF-8 or JSON: chance decides
            decrypted_phone(wechat.phone_code("alice"), key)

    def test_wechat_remembers_what_it_encrypted_for_three_days(self, wechat, backend, clock):
        made_at = int(clock())
        digest = phone_data.message_hash(wechat.phone_code("alice")["encryptedData"])

        clock.move(3 * DAY)
        answer = backend.call(ENCRYPTED, encrypted_msg_hash=digest)
        clock.move(1)
        too_late = backend.call(ENCRYPTED, encrypted_msg_hash=digest)

        assert answer == {"errcode": 0, "errmsg": "ok", "vaild": True, "create_time": made_at}
        assert too_late["errcode"] == 1

    def test_what_wechat_did_not_encrypt_it_does_not_know(self, backend):
        assert backend.call(ENCRYPTED, encrypted_msg_hash="0" * 64)["errcode"] == 1
        assert backend.call(ENCRYPTED, encrypted_msg_hash="no hash")["errcode"] == 40097

    def test_it_encrypts_the_official_sample(self):
        plaintext = (
            b'{"openId":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","nickName":"Band","gender":1,'
            b'"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN",'
            b'"avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8'
            b'MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0",'
            b'"unionId":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA",'
            b'"watermark":{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}'
        )
        encrypted = phone_data.encrypt(
            plaintext, "tiihtNczf5v6AKRyjwEUhQ==", "r7BXXKkLb8qrSNn05n0qiA=="
        )

        digest = "3237d8a5dbd413523c194882c7156544d8a06e2afcc97383cc300c17bd09391b"
        assert hashlib.sha256(plaintext).hexdigest() == digest
        assert encrypted == (
            "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1"
            "WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6Ch"
            "evvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIB"
            "zD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4P"
            "C7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwT"
            "yrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG"
            "20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
        )

    def test_the_hash_is_taken_over_the_base64_text(self):
        encrypted = (
            "hsSuSUsePBqSQw2rYMtf9Nvha603xX8f2BMQBcYRoJiMNwOqt/UEhrqekebG5ar0LFNAm5MD4Uz6zorRwiXJ"
            "wbySJ/FEJHav4NsobBIU1PwdjbJWVQLFy7+YFkHB32OnQXWMh6ugW7Dyk2KS5BXp1f5lniKPp1KNLyNLlFlN"
            "Z2mgJCJmWvHj5AI7BLpWwoRvqRyZvVXo+9FsWqvBdxmAPA=="
        )

        expected = "657edd868c9715a9bebe42b833269a557a48498785397a796f1568c29a200b2c"
        assert phone_data.message_hash(encrypted) == expected


class TestSessionKeys:
    def test_a_login_soon_after_another_keeps_the_key(self, wechat, backend, clock):
        first = backend.login(wechat.login_code("alice"))["session_key"]
        clock.move(299)
        second = backend.login(wechat.login_code("alice"))["session_key"]
        clock.move(1)
        third = backend.login(wechat.login_code("alice"))["session_key"]

        assert first == second != third

    def test_only_one_key_of_a_user_is_valid(self, wechat, backend):
        wechat.session_key_refresh_seconds = 0
        old = backend.login(wechat.login_code("alice"))["session_key"]
        new = backend.login(wechat.login_code("alice"))["session_key"]

        assert backend.check_session("alice", old)["errcode"] == 87009
        assert backend.check_session("alice", new) == {"errcode": 0, "errmsg": "ok"}

    def test_a_key_ends_when_it_is_not_used(self, wechat, backend, clock):
        key = backend.login(wechat.login_code("alice"))["session_key"]
        assert wechat.check_session("alice")
        clock.move(3 * DAY)

        assert not wechat.check_session("alice")
        assert backend.check_session("alice", key)["errcode"] == 87007

    def test_use_prolongs_a_key(self, wechat, backend, clock):
        backend.login(wechat.login_code("alice"))
        clock.move(2 * DAY)
        wechat.phone_code("alice")
        clock.move(2 * DAY)

        assert wechat.check_session("alice")

    def test_a_key_can_be_ended(self, wechat, backend):
        backend.login(wechat.login_code("alice"))
        wechat.end_session_key("alice")

        assert not wechat.check_session("alice")

    def test_a_reset_key_dies_and_the_new_one_keeps_its_end(self, wechat, backend, clock):
        old = backend.login(wechat.login_code("alice"))["session_key"]
        clock.move(2 * DAY)

        answer = backend.check_session("alice", old, path=RESET)

        assert answer["openid"] == wechat.openid("alice")
        assert backend.check_session("alice", old)["errcode"] == 87009
        assert backend.check_session("alice", answer["session_key"])["errcode"] == 0
        clock.move(DAY)
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
    def test_the_signature_must_be_made_with_the_key(self, wechat, backend, changes, errcode):
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
    def test_it_signs_the_official_sample(self, message, expected):
        assert phone_data.session_signature("o0q0otL8aEzpcZL/FT9WsQ==", message) == expected


class TestRiskRank:
    def rank(self, backend, user="alice", **changes):
        body = {
            "appid": backend.wechat.appid,
            "openid": backend.wechat.openid(user),
            "scene": 0,
            "client_ip": "203.0.113.7",
            **changes,
        }
        return backend.call(RISK, **body)

    def test_an_active_user_has_the_rank_that_was_set(self, wechat, backend):
        wechat.login_code("alice")
        wechat.risk_rank("alice", 4)

        answer = self.rank(backend)

        assert answer["risk_rank"] == 4
        assert answer["errmsg"] == "getuserriskrank succ"
        assert isinstance(answer["unoin_id"], int)

    def test_two_hours_after_the_last_action_there_is_no_rank(self, wechat, backend, clock):
        wechat.login_code("alice")
        clock.move(2 * HOUR)
        assert self.rank(backend)["errcode"] == 0
        clock.move(1)

        assert self.rank(backend)["errcode"] == 61010
        wechat.phone_code("alice")
        assert self.rank(backend)["errcode"] == 0

    def test_it_must_be_switched_on(self, wechat, backend):
        wechat.risk_rank_enabled = False

        assert self.rank(backend)["errcode"] == 48001

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
    def test_what_is_wrong_is_named(self, wechat, backend, changes, errcode):
        wechat.login_code("alice")

        assert self.rank(backend, **changes)["errcode"] == errcode


class TestContentCheck:
    def check(self, backend, content="fine", **changes):
        body = {
            "content": content,
            "version": 2,
            "scene": 1,
            "openid": backend.wechat.openid("alice"),
            **changes,
        }
        return backend.call(CONTENT, **body)

    @pytest.mark.parametrize(
        ("fields", "suggest", "label"),
        [
            pytest.param({"content": "小明"}, "pass", 100, id="harmless"),
            pytest.param({"content": "这是违规内容"}, "risky", 21000, id="a word in Chinese"),
            pytest.param({"content": "so risky"}, "risky", 21000, id="a word in English"),
            pytest.param({"content": "最好的广告"}, "risky", 10001, id="advertisement"),
            pytest.param({"nickname": "risky"}, "risky", 21000, id="in the nickname"),
        ],
    )
    def test_words_decide(self, backend, fields, suggest, label):
        backend.wechat.login_code("alice")

        answer = self.check(backend, **fields)

        assert answer["result"] == {"suggest": suggest, "label": label}
        assert answer["detail"][0]["suggest"] == suggest

    @pytest.mark.parametrize(
        ("content", "changes", "errcode"),
        [
            pytest.param("违" * 2501, {}, 47001, id="too long"),
            pytest.param("fine", {"version": 1}, 47001, id="the old version"),
            pytest.param("fine", {"scene": 0}, 40129, id="unknown scene"),
            pytest.param("fine", {"openid": "alice"}, 40003, id="no openid"),
        ],
    )
    def test_what_is_wrong_is_named(self, wechat, backend, content, changes, errcode):
        wechat.login_code("alice")

        assert self.check(backend, content, **changes)["errcode"] == errcode

    def test_the_user_must_have_been_active(self, backend):
        backend.wechat.person("alice")

        assert self.check(backend)["errcode"] == 61010

    def test_the_minute_has_its_own_errcode(self, wechat, backend):
        wechat.login_code("alice")
        wechat.quotas[CONTENT] = (Quota(1, minute_of, 44991),)
        self.check(backend)

        assert self.check(backend)["errcode"] == 44991


class TestFaults:
    def test_a_fault_lasts_as_many_calls_as_were_ordered(self, wechat, backend):
        wechat.fault(LOGIN, "errcode", times=2, errcode=-1)
        code = wechat.login_code("alice")

        answers = [backend.login(code) for _ in range(3)]

        assert [answer.get("errcode", 0) for answer in answers] == [-1, -1, 0]

    def test_zero_takes_the_faults_of_a_path_back(self, wechat, backend):
        wechat.fault(LOGIN, "errcode", times=5)
        wechat.fault(LOGIN, "errcode", times=0)

        assert "openid" in backend.login(wechat.login_code("alice"))

    def test_faults_come_in_the_order_they_were_ordered(self, wechat, backend):
        wechat.fault(LOGIN, "errcode", errcode=-1)
        wechat.fault(LOGIN, "errcode", errcode=45011)

        assert backend.login("x")["errcode"] == -1
        assert backend.login("x")["errcode"] == 45011

    def test_a_fault_of_one_path_is_not_felt_on_another(self, wechat, backend):
        wechat.fault(PHONE, "errcode")

        assert "openid" in backend.login(wechat.login_code("alice"))

    def test_an_errcode_after_acting_uses_the_code_up(self, wechat, backend):
        wechat.fault(LOGIN, "errcode", errcode=-1, when="after")
        code = wechat.login_code("alice")

        assert backend.login(code)["errcode"] == -1
        assert backend.login(code)["errcode"] == 40163

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("/nothing", "drop"), "path must be one of"),
            ((LOGIN, "explode"), "kind must be one of"),
        ],
    )
    def test_an_unknown_fault_cannot_be_ordered(self, wechat, arguments, sentence):
        with pytest.raises(ValueError, match=sentence):
            wechat.fault(*arguments)


class TestCallLog:
    def test_calls_are_counted_by_path_and_outcome(self, wechat, backend):
        code = wechat.login_code("alice")
        backend.login(code)
        backend.login(code)

        assert wechat.calls()["paths"][LOGIN] == {"count": 2, "outcomes": {"0": 1, "40163": 1}}
        assert wechat.calls()["paths"][PHONE] == {"count": 0, "outcomes": {}}

    def test_the_last_fifty_calls_are_told_in_order_with_their_user(self, wechat, backend):
        for _ in range(60):
            backend.login("unknown")
        backend.login(wechat.login_code("alice"))

        last = wechat.calls()["last"]

        assert len(last) == 50
        assert last[-1]["path"] == LOGIN
        assert last[-1]["user"] == "alice"
        assert last[-1]["outcome"] == "0"
        assert last[0]["user"] is None

    def test_no_secret_is_told(self, wechat, backend):
        code = wechat.login_code("alice")
        key = backend.login(code)["session_key"]
        phone_code = wechat.phone_code("alice")["code"]
        token = backend.stable()["access_token"]
        backend.call(PHONE, code=phone_code)

        told = json.dumps(wechat.calls())

        for secret in (code, key, phone_code, token, wechat.app_secret, wechat.phone("alice")[3:]):
            assert secret not in told

    def test_paths_that_do_not_exist_are_not_collected(self, wechat, backend):
        backend.get("/cgi-bin/nothing")

        assert "/cgi-bin/nothing" not in wechat.calls()["paths"]


class TestTransport:
    def test_errors_are_status_200_and_text_plain(self, server):
        answer = requests.get(server.url + LOGIN, timeout=5)

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.json()["errcode"] == 41002

    def test_a_login_is_text_plain_even_when_it_succeeds(self, server):
        wechat = server.console.wechat

        answer = requests.get(
            server.url + LOGIN, login_query(wechat, wechat.login_code("alice")), timeout=5
        )

        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.json()["openid"] == wechat.openid("alice")

    def test_a_connection_is_kept_and_answers_without_delay(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.connect()
        first_socket = connection.sock
        took = []

        for _ in range(50):
            began = time.perf_counter()
            connection.request("POST", STABLE, b"{}")
            connection.getresponse().read()
            took.append(time.perf_counter() - began)

        assert connection.sock is first_socket
        # Nagle's algorithm would delay each of them by 40 ms.
        assert sorted(took)[25] < 0.040
        connection.close()

    def test_fifty_threads_with_one_code_log_in_once(self, server):
        wechat = server.console.wechat
        query = login_query(wechat, wechat.login_code("alice"))

        with ThreadPoolExecutor(50) as threads:
            answers = list(
                threads.map(
                    lambda _: requests.get(server.url + LOGIN, query, timeout=10).json(), range(50)
                )
            )

        assert sum("openid" in answer for answer in answers) == 1
        assert sum(answer.get("errcode") == 40163 for answer in answers) == 49

    def test_a_hundred_clients_connect_at_once(self, server):
        with contextlib.ExitStack() as clients:
            for _ in range(100):
                clients.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))

            assert requests.get(server.url + "/simulated", timeout=5).status_code == 200

    @pytest.mark.parametrize(
        ("when", "second"),
        [pytest.param("before", None, id="before"), pytest.param("after", 40163, id="after")],
    )
    def test_a_dropped_call_gets_no_answer(self, server, when, second):
        wechat = server.console.wechat
        wechat.fault(LOGIN, "drop", when=when)
        query = login_query(wechat, wechat.login_code("alice"))

        with pytest.raises(requests.ConnectionError):
            requests.get(server.url + LOGIN, query, timeout=5)

        again = requests.get(server.url + LOGIN, query, timeout=5).json()
        assert again.get("errcode") == second
        assert wechat.calls()["paths"][LOGIN]["outcomes"][f"dropped {when} acting"] == 1

    def test_garbage_is_no_json(self, server):
        server.console.wechat.fault(LOGIN, "garbage")

        with pytest.raises(requests.JSONDecodeError):
            requests.get(server.url + LOGIN, timeout=5).json()

    def test_a_status_comes_with_a_page(self, server):
        server.console.wechat.fault(LOGIN, "status", status=503)

        answer = requests.get(server.url + LOGIN, timeout=5)

        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "text/html"

    def test_a_delayed_answer_comes_too_late_and_the_code_is_used_up(self, server):
        wechat = server.console.wechat
        wechat.fault(LOGIN, "delay", ms=3000)
        query = login_query(wechat, wechat.login_code("alice"))

        with pytest.raises(requests.ReadTimeout):
            requests.get(server.url + LOGIN, query, timeout=1)

        assert requests.get(server.url + LOGIN, query, timeout=30).json()["errcode"] == 40163
        assert wechat.calls()["last"][0]["ms"] >= 3000

    def test_a_body_too_large_is_not_read(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.putrequest("POST", STABLE)
        connection.putheader("Content-Length", "100000000")
        connection.endheaders()

        assert connection.getresponse().status == 413
        connection.close()

    def test_nobody_gets_an_answer_after_stop(self):
        server = serve(SimulatedWeChat())
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/simulated")
        connection.getresponse().read()

        kept_socket = connection.sock
        server.stop()

        assert kept_socket.recv(1) == b""
        connection.close()
        with pytest.raises(requests.ConnectionError):
            requests.get(server.url + "/simulated", timeout=5)

    def test_headers_and_body_leave_in_one_piece(self, server):
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.sendall(b"GET /sns/jscode2session HTTP/1.1\r\nHost: wechat\r\n\r\n")
            answer = client.recv(65536)

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"}")

    def test_a_taken_port_is_an_error(self, server):
        with pytest.raises(OSError, match=r".+"):
            serve(SimulatedWeChat(), port=server.port)

    def test_nothing_is_printed(self, server, capfd):
        requests.get(server.url + LOGIN, {"secret": "hidden"}, timeout=5)
        requests.get(server.url + "/nothing", timeout=5)

        assert capfd.readouterr() == ("", "")


class TestControlRoutes:
    def post(self, server, route, body=None, **headers):
        return requests.post(
            f"{server.url}/simulated/{route}", json=body or {}, headers=headers, timeout=5
        )

    def test_a_phone_gets_its_codes_here(self, server):
        login = self.post(server, "wx.login", {"user": "alice"}).json()
        phone = self.post(server, "getPhoneNumber", {"user": "alice"}).json()
        session = self.post(server, "checkSession", {"user": "alice"}).json()

        assert login["errMsg"] == "login:ok"
        assert set(phone) == {"code", "encryptedData", "iv", "errMsg"}
        assert phone["errMsg"] == "getPhoneNumber:ok"
        assert session == {"valid": True, "errMsg": "checkSession:ok"}

    def test_refusing_and_running_out_look_as_on_a_phone(self, server):
        denied = self.post(server, "getPhoneNumber", {"user": "alice", "allow": False}).json()
        self.post(server, "rules", {"phoneBalance": 0})
        used_up = self.post(server, "getPhoneNumber", {"user": "alice"}).json()

        assert denied["errMsg"] == "getPhoneNumber:fail user deny"
        assert used_up["errno"] == 1400001

    def test_a_fault_is_ordered_and_taken_back(self, server):
        self.post(server, "faults", {"path": LOGIN, "kind": "status", "status": 500, "times": 9})
        assert requests.get(server.url + LOGIN, timeout=5).status_code == 500

        self.post(server, "faults", {"path": LOGIN, "times": 0})
        assert requests.get(server.url + LOGIN, timeout=5).status_code == 200

    def test_people_are_adjusted_and_listed(self, server):
        changes = {"user": "alice", "blocked": True, "riskRank": 3}
        number = {"purePhoneNumber": "91234567", "countryCode": "852", "session": False}
        self.post(server, "people", {**changes, **number})

        (alice,) = requests.get(server.url + "/simulated/people", timeout=5).json()["people"]

        assert alice["blocked"] is True
        assert alice["riskRank"] == 3
        assert alice["phoneNumber"] == "+85291234567"

    def test_rules_are_changed_and_the_app_secret_is_not_told(self, server):
        changes = {"unionids": False, "whitelist": ["203.0.113.7"], "appSecret": "new"}

        told = self.post(server, "rules", changes).json()

        assert told["unionids"] is False
        assert told["whitelist"] == ["203.0.113.7"]
        assert "appSecret" not in told
        assert server.console.wechat.app_secret == "new"

    def test_reset_puts_everything_back(self, server):
        self.post(server, "rules", {"unionids": False})
        self.post(server, "reset")

        assert requests.get(server.url + "/simulated/rules", timeout=5).json()["unionids"] is True

    @pytest.mark.parametrize("path", ["/", "/simulated"])
    def test_every_route_is_listed(self, server, path):
        assert "POST /simulated/wx.login" in requests.get(server.url + path, timeout=5).json()

    @pytest.mark.parametrize(
        ("route", "body", "status"),
        [
            pytest.param("wx.login", {}, 400, id="no user"),
            pytest.param("wx.login", {"user": ""}, 400, id="empty user"),
            pytest.param("wx.login", {"user": "x" * 65}, 400, id="long user"),
            pytest.param("wx.login", ["alice"], 400, id="no object"),
            pytest.param("getPhoneNumber", {"user": "a", "allow": 1}, 400, id="no truth value"),
            pytest.param("faults", {"path": "/x", "kind": "drop"}, 400, id="unknown path"),
            pytest.param("faults", {"path": LOGIN, "times": -1}, 400, id="negative times"),
            pytest.param("faults", {"path": LOGIN, "times": True}, 400, id="true is no number"),
            pytest.param("faults", {"path": LOGIN, "when": "never"}, 400, id="unknown moment"),
            pytest.param("people", {"user": "a", "riskRank": 5}, 400, id="no such rank"),
            pytest.param("people", {"user": "a", "purePhoneNumber": "+1"}, 400, id="no digits"),
            pytest.param("people", {"user": "a", "colour": "red"}, 400, id="unknown field"),
            pytest.param("rules", {"whitelist": "all"}, 400, id="no list"),
            pytest.param("events", {"user": "a", "event": "e"}, 400, id="no API to send to"),
            pytest.param("nothing", {}, 404, id="no such route"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_sentence(self, server, route, body, status):
        answer = self.post(server, route, body)

        assert answer.status_code == status
        assert answer.json()["error"].endswith(".")

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"{", id="no JSON"),
            pytest.param(rb'{"user": "\ud800"}', id="half a surrogate pair"),
            pytest.param(b"[" * 100_000, id="too deep"),
        ],
    )
    def test_a_body_that_is_no_json_is_refused(self, server, body):
        answer = requests.post(server.url + "/simulated/wx.login", data=body, timeout=5)

        assert answer.status_code == 400

    @pytest.mark.parametrize("origin", ["http://127.0.0.1:3000", "http://localhost:8080"])
    def test_local_pages_may_use_the_control_routes(self, server, origin):
        preflight = requests.options(
            server.url + "/simulated/wx.login", headers={"Origin": origin}, timeout=5
        )
        answer = self.post(server, "wx.login", {"user": "alice"}, Origin=origin)

        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == origin
        assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
        assert answer.headers["Access-Control-Allow-Origin"] == origin

    @pytest.mark.parametrize(
        "origin", ["https://example.com", "http://localhost.example.com", "null"]
    )
    def test_other_pages_may_not(self, server, origin):
        answer = self.post(server, "wx.login", {"user": "alice"}, Origin=origin)

        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_no_page_may_use_what_is_for_servers(self, server):
        answer = requests.get(
            server.url + LOGIN, headers={"Origin": "http://localhost:3000"}, timeout=5
        )

        assert "Access-Control-Allow-Origin" not in answer.headers


EVENT_TOKEN = "AAAAA"
EVENT_AES_KEY = "A" * 43


class PushReceiver(HTTPServer):
    """An API that keeps what it is sent and says success."""

    def __init__(self):
        self.received: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), PushHandler)


class PushHandler(BaseHTTPRequestHandler):
    server: PushReceiver

    def do_GET(self):
        self.server.received.append((self.path, b""))
        self.reply(re.search(r"echostr=(\d+)", self.path)[1].encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.reply(b"success")

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    receiver = PushReceiver()
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def pushing(api):
    running = serve(
        SimulatedWeChat(),
        api_url=f"http://127.0.0.1:{api.server_port}",
        event_token=EVENT_TOKEN,
        event_aes_key=EVENT_AES_KEY,
    )
    yield running
    running.stop()


def opened_push(encrypted):
    key = base64.b64decode(EVENT_AES_KEY + "=")
    plaintext = unpad(AES.new(key, AES.MODE_CBC, key[:16]).decrypt(base64.b64decode(encrypted)), 32)
    (length,) = struct.unpack(">I", plaintext[16:20])
    return plaintext[20 : 20 + length].decode(), plaintext[20 + length :].decode()


def parsed_query(path):
    return dict(parse_qsl(urlsplit(path).query))


class TestMessagePush:
    def send(self, server, **body):
        return requests.post(server.url + "/simulated/events", json=body, timeout=5)

    def test_a_push_is_signed_and_encrypted_as_in_safe_mode(self, pushing, api):
        wechat = pushing.console.wechat

        answer = self.send(pushing, user="alice", event="user_authorization_revoke")

        ((path, body),) = api.received
        query, envelope = parsed_query(path), json.loads(body)
        text, appid = opened_push(envelope["Encrypt"])
        message = json.loads(text)
        signed = (EVENT_TOKEN, query["timestamp"], query["nonce"])
        assert answer.json() == {"status": 200, "body": "success"}
        assert path.startswith("/wechat/events?")
        assert query["openid"] == wechat.openid("alice")
        assert query["encrypt_type"] == "aes"
        assert query["signature"] == message_push.signature(*signed)
        assert query["msg_signature"] == message_push.signature(*signed, envelope["Encrypt"])
        assert set(envelope) == {"ToUserName", "Encrypt"}
        assert appid == message["AppID"] == wechat.appid
        assert message["OpenID"] == wechat.openid("alice")
        assert message["MsgType"] == "event"
        assert message["RevokeInfo"] == "8"

    def test_a_push_can_be_xml(self, pushing, api):
        self.send(pushing, user="alice", event="user_info_modified", format="xml", RevokeInfo="19")

        ((_, body),) = api.received
        encrypted = re.search(rb"<Encrypt><!\[CDATA\[(.+)\]\]></Encrypt>", body)[1].decode()
        text, _ = opened_push(encrypted)
        assert "<Event><![CDATA[user_info_modified]]></Event>" in text
        assert "<RevokeInfo><![CDATA[19]]></RevokeInfo>" in text
        assert re.search(r"<CreateTime>\d+</CreateTime>", text)

    def test_text_cannot_break_out_of_the_xml(self):
        text = message_push.as_text({"Event": "]]><OpenID>x</OpenID>"}, as_xml=True)

        assert text == "<xml><Event>]]&gt;&lt;OpenID&gt;x&lt;/OpenID&gt;</Event></xml>"

    def test_any_event_and_any_field_can_be_sent(self, pushing, api):
        self.send(pushing, user="alice", event="wxa_punish_event", AppID="wxother", level=2)

        message = json.loads(opened_push(json.loads(api.received[0][1])["Encrypt"])[0])
        assert message["Event"] == "wxa_punish_event"
        assert message["AppID"] == "wxother"
        assert message["level"] == 2
        assert "RevokeInfo" not in message

    def test_the_address_is_checked_by_an_echo(self, pushing, api):
        answer = requests.post(pushing.url + "/simulated/events/check-url", json={}, timeout=5)

        query = parsed_query(api.received[0][0])
        signed = (EVENT_TOKEN, query["timestamp"], query["nonce"])
        assert answer.json()["echoed"] is True
        assert query["signature"] == message_push.signature(*signed)

    @pytest.mark.parametrize(
        "further",
        [
            pytest.param({"format": "yaml"}, id="unknown format"),
            pytest.param({"level": [1]}, id="a list"),
            pytest.param({"a><b": "x"}, id="no name"),
        ],
    )
    def test_what_cannot_be_written_is_refused(self, pushing, further):
        assert self.send(pushing, user="alice", event="e", **further).status_code == 400

    def test_an_api_that_is_away_is_said_so(self, pushing, api):
        api.shutdown()
        api.server_close()

        answer = self.send(pushing, user="alice", event="user_info_modified")

        assert answer.status_code == 502
        assert answer.json() == {"error": "The API did not answer the push."}

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            pytest.param(
                ("1714036504", "1514711492"),
                "f464b24fc39322e44b38aa78f5edd27bd1441696",
                id="URL check",
            ),
            pytest.param(
                ("1714037059", "486452656"),
                "899cf89e464efb63f54ddac96b0a0a235f53aa78",
                id="plain push",
            ),
            pytest.param(
                ("1714112445", "415670741"),
                "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
                id="secure push, the signature that is not to be used",
            ),
        ],
    )
    def test_it_signs_the_official_samples(self, parts, expected):
        assert message_push.signature(EVENT_TOKEN, *parts) == expected

    def test_it_encrypts_and_signs_the_official_secure_push(self):
        message = (
            b'{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY",'
            b'"CreateTime":1714112445,"MsgType":"event","Event":"debug_demo",'
            b'"debug_str":"hello world"}'
        )

        encrypted = message_push.encrypt(
            message, EVENT_AES_KEY, "wxba5fad812f8e6fb9", b"a8eedb185eb2fecf"
        )

        signed = (EVENT_TOKEN, "1714112445", "415670741", encrypted)
        assert encrypted == (
            "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus"
            "8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj"
            "+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7m"
            "StwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
        )
        assert message_push.signature(*signed) == "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"

    def test_it_encrypts_the_official_answer(self):
        encrypted = message_push.encrypt(
            b'{"demo_resp":"good luck"}', EVENT_AES_KEY, "wxba5fad812f8e6fb9", b"707722b803182950"
        )

        assert encrypted == (
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
        )
        signed = (EVENT_TOKEN, "1713424427", "415670741", encrypted)
        assert message_push.signature(*signed) == "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"
