"""WeChat's optional checks: the risk of a user who registers, and texts that others will see."""

from typing import Any

import pytest

from tests.support import stored

PHONE = "/wxa/business/getuserphonenumber"
RISK = "/wxa/getuserriskrank"
CONTENT = "/wxa/msg_sec_check"
AVATAR = "https://images.example/a.png"
RISKY = "诈骗专家"
LIMITS = {
    "not active in the last two hours": {"kind": "errcode", "errcode": 61010},
    "minute limit": {"kind": "errcode", "errcode": 44991},
}
SILENCES = {
    "out of service": {"kind": "errcode", "errcode": 61080},
    "too often": {"kind": "errcode", "errcode": 61081},
    "outage": {"kind": "status", "times": 3},
    "no answer": {"kind": "drop", "times": 3},
    "garbage": {"kind": "garbage", "times": 3},
    "timeout": {"kind": "delay", "ms": 5000, "times": 3},
}


def test_a_user_too_risky_for_wechat_is_blocked_before_the_code_is_spent(deployed_with, wechat):
    backend = deployed_with(RiskLimit="3")
    alice = backend.person("alice")
    alice.log_in()
    wechat.risk_rank("alice", 3)
    code = alice.phone_code()

    status, body = alice.tap(code)

    assert (status, body["error"]["code"]) == (403, "user_blocked")
    assert (wechat.asked(RISK), wechat.asked(PHONE)) == (1, 0)
    assert stored.phone_claims(backend.items()) == {}
    wechat.risk_rank("alice", 0)
    assert alice.tap(code)[0] == 200


@pytest.mark.parametrize("rank", [0, 2])
def test_below_the_limit_nobody_notices(deployed_with, wechat, rank):
    backend = deployed_with(RiskLimit="3")
    wechat.risk_rank("alice", rank)

    token = backend.person("alice").register()

    assert token.count(".") == 2
    assert (wechat.asked(RISK), wechat.asked(PHONE)) == (1, 1)


def test_only_the_first_registration_is_ranked(deployed_with, wechat):
    backend = deployed_with(RiskLimit="1")
    alice = backend.person("alice")
    alice.register()
    wechat.risk_rank("alice", 4)
    wechat.set_phone("alice", "13900000001")

    status, _ = alice.tap()

    assert status == 200
    assert wechat.asked(RISK) == 1


def test_without_a_limit_wechat_is_not_asked(backend, wechat):
    wechat.risk_rank("alice", 4)

    token = backend.person("alice").register()

    assert token.count(".") == 2
    assert wechat.asked(RISK) == 0


def test_phone_data_of_old_clients_is_ranked_too(deployed_with, wechat):
    backend = deployed_with(RiskLimit="4", LegacyPhone="true")
    alice = backend.person("alice")
    alice.log_in()
    wechat.risk_rank("alice", 4)
    grant = wechat.phone_code("alice")

    status, body = backend.call(
        "register_phone",
        session=alice.session,
        openid=alice.openid,
        encryptedData=grant["encryptedData"],
        iv=grant["iv"],
    )

    assert (status, body["error"]["code"]) == (403, "user_blocked")


def test_a_registration_continues_if_wechat_gives_no_rank(deployed_with, wechat):
    backend = deployed_with(RiskLimit="1", read_timeout=3)
    tokens = {}

    for why, fault in {**SILENCES, **LIMITS}.items():
        wechat.risk_rank(why, 4)
        wechat.fault(RISK, **fault)
        tokens[why] = backend.person(why).register()
        wechat.fault(RISK, "errcode", 0)

    assert [why for why, token in tokens.items() if token.count(".") != 2] == []
    assert wechat.asked(RISK) >= len(tokens)
    assert wechat.asked(PHONE) == len(tokens) == len(SILENCES) + len(LIMITS)


def test_a_request_that_is_no_registration_is_not_ranked(deployed_with, wechat):
    backend = deployed_with(RiskLimit="4")
    alice = backend.person("alice")
    alice.log_in()
    wrong: list[dict[str, Any]] = [{}, {"code": ""}, {"code": 7}, {"code": "x" * 129}]

    answers = [
        backend.call("register_phone", session=alice.session, openid=alice.openid, **each)
        for each in wrong
    ]

    assert [status for status, _ in answers] == [400] * len(wrong)
    assert wechat.asked(RISK) == 0


def test_attempts_limit_how_often_somebody_is_ranked(deployed_with, wechat):
    backend = deployed_with(RiskLimit="4")
    alice = backend.person("alice")
    alice.log_in()

    statuses = [alice.tap(f"no-code-of-wechat-{n}")[0] for n in range(8)]

    assert statuses == [401] * 5 + [429] * 3
    assert wechat.asked(RISK) <= 5


def test_a_user_whom_wechat_blocks_gets_403(backend, wechat):
    wechat.block("alice")

    status, body = backend.call("login", code=backend.person("alice").login_code())

    assert (status, body["error"]["code"]) == (403, "user_blocked")
    assert backend.items() == {}


def test_a_nickname_that_wechat_finds_risky_is_refused(deployed_with, wechat):
    backend = deployed_with(CheckContent="true")
    alice = backend.person("alice")
    alice.log_in()
    backend.call("update_account", session=alice.session, nickname="小丽")

    status, body = backend.call(
        "update_account", session=alice.session, nickname=RISKY, avatarUrl=AVATAR
    )

    account = backend.call("show_account", session=alice.session)[1]["data"]
    assert (status, body["error"]["code"]) == (422, "content_rejected")
    assert (account["nickname"], account["avatarUrl"]) == ("小丽", None)
    assert wechat.asked(CONTENT) == 2


def test_without_the_setting_no_nickname_is_shown_to_wechat(backend, wechat):
    alice = backend.person("alice")
    alice.log_in()

    status, _ = backend.call("update_account", session=alice.session, nickname=RISKY)

    assert status == 200
    assert wechat.asked(CONTENT) == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"avatarUrl": AVATAR}, 200),
        ({"nickname": None}, 200),
        ({"nickname": "x" * 33}, 400),
        ({"nickname": 1}, 400),
        ({}, 400),
    ],
)
def test_only_a_new_nickname_is_shown_to_wechat(deployed_with, wechat, fields, expected):
    backend = deployed_with(CheckContent="true")
    alice = backend.person("alice")
    alice.log_in()

    status, _ = backend.call("update_account", session=alice.session, **fields)

    assert status == expected
    assert wechat.asked(CONTENT) == 0


def test_a_nickname_is_accepted_if_wechat_gives_no_verdict(deployed_with, wechat):
    backend = deployed_with(CheckContent="true", read_timeout=3)
    alice = backend.person("alice")
    alice.log_in()
    taken = {}

    for why, fault in SILENCES.items():
        wechat.fault(CONTENT, **fault)
        nickname = f"{RISKY} {why}"[:32]
        answer = backend.call("update_account", session=alice.session, nickname=nickname)
        wechat.fault(CONTENT, "errcode", 0)
        taken[why] = answer[0] == 200 and answer[1]["data"]["nickname"] == nickname

    assert taken == dict.fromkeys(SILENCES, True)
    assert wechat.asked(CONTENT) >= len(SILENCES)
