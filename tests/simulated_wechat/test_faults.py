"""Faults on request."""

import pytest

LOGIN = "/sns/jscode2session"
PHONE = "/wxa/business/getuserphonenumber"


def test_a_fault_lasts_as_many_calls_as_were_ordered(wechat, backend):
    wechat.fault(LOGIN, "errcode", times=2, errcode=-1)
    code = wechat.login_code("alice")

    answers = [backend.login(code) for _ in range(3)]

    assert [answer.get("errcode", 0) for answer in answers] == [-1, -1, 0]


def test_zero_takes_the_faults_of_a_path_back(wechat, backend):
    wechat.fault(LOGIN, "errcode", times=5)
    wechat.fault(LOGIN, "errcode", times=0)

    assert "openid" in backend.login(wechat.login_code("alice"))


def test_faults_come_in_the_order_they_were_ordered(wechat, backend):
    wechat.fault(LOGIN, "errcode", errcode=-1)
    wechat.fault(LOGIN, "errcode", errcode=45011)

    assert backend.login("x")["errcode"] == -1
    assert backend.login("x")["errcode"] == 45011


def test_a_fault_of_one_path_does_not_affect_another(wechat, backend):
    wechat.fault(PHONE, "errcode")

    assert "openid" in backend.login(wechat.login_code("alice"))


def test_an_errcode_after_acting_uses_the_code_up(wechat, backend):
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
def test_an_unknown_fault_cannot_be_ordered(wechat, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        wechat.fault(*arguments)
