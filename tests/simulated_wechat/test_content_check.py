"""Words that WeChat calls risky."""

import pytest

from simulated_wechat.quotas import Quota, minute_of

CONTENT = "/wxa/msg_sec_check"


def check(backend, content="fine", **changes):
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
def test_words_decide(backend, fields, suggest, label):
    backend.wechat.login_code("alice")

    answer = check(backend, **fields)

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
def test_a_wrong_field_is_named(wechat, backend, content, changes, errcode):
    wechat.login_code("alice")

    assert check(backend, content, **changes)["errcode"] == errcode


def test_the_user_must_have_been_active(backend):
    backend.wechat.person("alice")

    assert check(backend)["errcode"] == 61010


def test_the_minute_has_its_own_errcode(wechat, backend):
    wechat.login_code("alice")
    wechat.quotas[CONTENT] = (Quota(1, minute_of, 44991),)
    check(backend)

    assert check(backend)["errcode"] == 44991
