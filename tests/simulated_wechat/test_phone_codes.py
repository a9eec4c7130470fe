"""Phone codes, and the cost of a tap."""

PHONE = "/wxa/business/getuserphonenumber"


def test_a_phone_code_gives_the_number_and_its_time(wechat, backend, clock):
    tapped_at = clock()
    code = wechat.phone_code("alice")["code"]
    clock.sleep(10)

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


def test_a_foreign_number_carries_its_area_code_and_a_plus(wechat, backend):
    wechat.set_phone("alice", "91234567", "852")

    info = backend.call(PHONE, code=wechat.phone_code("alice")["code"])["phone_info"]

    assert info["phoneNumber"] == "+85291234567"
    assert info["purePhoneNumber"] == "91234567"
    assert info["countryCode"] == "852"
    assert wechat.phone("alice") == "+85291234567"


def test_a_phone_code_works_once(wechat, backend):
    code = wechat.phone_code("alice")["code"]
    backend.call(PHONE, code=code)

    assert backend.call(PHONE, code=code)["errcode"] == 40029


def test_a_phone_code_lives_five_minutes(wechat, backend, clock):
    code = wechat.phone_code("alice")["code"]
    clock.sleep(301)

    assert backend.call(PHONE, code=code)["errcode"] == 40029


def test_a_login_code_gives_no_number(wechat, backend):
    code = wechat.login_code("alice")

    assert backend.call(PHONE, code=code)["errcode"] == 40029
    assert "openid" in backend.login(code)


def test_another_users_openid_is_refused_and_the_owner_keeps_the_code(wechat, backend):
    code = wechat.phone_code("alice")["code"]

    assert backend.call(PHONE, code=code, openid=wechat.openid("bob"))["errcode"] == 40029
    assert backend.call(PHONE, code=code, openid=wechat.openid("alice"))["errcode"] == 0


def test_the_tap_is_charged_and_the_exchange_is_not(wechat, backend):
    wechat.phone_code("alice")
    wechat.phone_code("alice", allow=False)
    backend.call(PHONE, code=wechat.phone_code("bob")["code"])

    assert wechat.calls()["charges"] == {
        "phoneComponentCalls": 2,
        "phoneExchanges": 1,
        "phoneBalance": 998,
        "realtimePhoneBalance": 1000,
    }


def test_without_balance_the_button_gives_no_code(wechat):
    wechat.phone_balance = 1
    wechat.phone_code("alice")

    grant = wechat.phone_code("alice")

    assert grant["errno"] == 1400001
    assert "code" not in grant


def test_a_user_who_says_no_gives_no_code(wechat):
    grant = wechat.phone_code("alice", allow=False)

    assert grant == {"errMsg": "getPhoneNumber:fail user deny", "errno": 103}


def test_the_realtime_button_gives_a_code_and_nothing_to_decrypt(wechat, backend):
    grant = wechat.realtime_phone_code("alice")

    info = backend.call(PHONE, code=grant["code"])["phone_info"]

    assert set(grant) == {"code", "errMsg"}
    assert grant["errMsg"] == "getRealtimePhoneNumber:ok"
    assert info["purePhoneNumber"] == wechat.phone("alice").removeprefix("+86")


def test_each_button_is_paid_from_its_own_pack(wechat):
    wechat.mini_program().realtime_phone_balance = 0

    assert wechat.realtime_phone_code("alice")["errno"] == 1400001
    assert "code" in wechat.phone_code("alice")


def test_a_pack_that_has_ended_gives_no_code(wechat, clock):
    wechat.mini_program().phone_packs_end = int(clock()) + 10
    assert "code" in wechat.phone_code("alice")

    clock.sleep(10)

    assert wechat.phone_code("alice")["errMsg"] == "getPhoneNumber:fail no quota"
    assert wechat.realtime_phone_code("alice")["errMsg"] == "getRealtimePhoneNumber:fail no quota"
