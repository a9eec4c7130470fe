"""The recorded calls, counted and without secrets."""

import json

LOGIN = "/sns/jscode2session"
PHONE = "/wxa/business/getuserphonenumber"


def test_calls_are_counted_by_path_and_outcome(wechat, backend):
    code = wechat.login_code("alice")
    backend.login(code)
    backend.login(code)

    assert wechat.calls()["paths"][LOGIN] == {"count": 2, "outcomes": {"0": 1, "40163": 1}}
    assert wechat.calls()["paths"][PHONE] == {"count": 0, "outcomes": {}}


def test_the_last_fifty_calls_are_listed_in_order_with_their_user(wechat, backend):
    for _ in range(60):
        backend.login("unknown")
    backend.login(wechat.login_code("alice"))

    last = wechat.calls()["last"]

    assert len(last) == 50
    assert last[-1]["path"] == LOGIN
    assert last[-1]["user"] == "alice"
    assert last[-1]["outcome"] == "0"
    assert last[0]["user"] is None


def test_no_secret_is_shown(wechat, backend):
    code = wechat.login_code("alice")
    key = backend.login(code)["session_key"]
    phone_code = wechat.phone_code("alice")["code"]
    token = backend.stable()["access_token"]
    backend.call(PHONE, code=phone_code)

    answer = json.dumps(wechat.calls())

    for secret in (code, key, phone_code, token, wechat.app_secret, wechat.phone("alice")[3:]):
        assert secret not in answer


def test_paths_that_do_not_exist_are_not_collected(wechat, backend):
    backend.get("/cgi-bin/nothing")

    assert "/cgi-bin/nothing" not in wechat.calls()["paths"]


def test_a_slow_call_is_listed_where_it_began(wechat, backend, clock):
    wechat.fault(LOGIN, "delay", ms=3000)
    came = clock()
    backend.login(wechat.login_code("alice"))
    clock.sleep(1)
    backend.login("unknown")

    slow, quick = wechat.calls()["last"]

    assert slow["at"] == came
    assert slow["ms"] >= 3000
    # The second one came, and ended, while the first was still waiting for its answer.
    assert slow["at"] < quick["at"] < slow["at"] + slow["ms"] / 1000
