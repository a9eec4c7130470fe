"""WeChat's checks: rejected users and texts; without an answer nobody is rejected."""

import pytest

from tests.support.world import a_user
from wechat_login.accounts.screening import Screening
from wechat_login.errors import (
    CheckUnavailable,
    ContentRejected,
    TooManyAttempts,
    UserBlocked,
    WeChatUnavailable,
)
from wechat_login.wechat.limits import Limit

NEW = a_user()
REGISTERED = a_user(phoneIndex="index")
SILENCES = [CheckUnavailable, WeChatUnavailable]


class WeChat:
    """Gives the chosen answer, and records the questions."""

    def __init__(self, says):
        self.says = says
        self.asked = []

    def __call__(self, user, about):
        self.asked.append((user.openid, about))
        if isinstance(self.says, type):
            raise self.says
        return self.says


def screening(says, *, risk_limit=0, check_content=False):
    wechat = WeChat(says)
    limit = Limit(5, 600)
    count = lambda user: limit.take(user.openid)  # noqa: E731 - as wiring has it
    return Screening(risk_limit, check_content, wechat, wechat, count), wechat


@pytest.mark.parametrize("limit", range(5))
@pytest.mark.parametrize("rank", range(5))
def test_ranks_from_the_limit_on_are_blocked(limit, rank):
    screen, wechat = screening(rank, risk_limit=limit)

    if limit and rank >= limit:
        with pytest.raises(UserBlocked):
            screen.registration(NEW, "192.0.2.1")
    else:
        screen.registration(NEW, "192.0.2.1")

    assert wechat.asked == ([("o-alice", "192.0.2.1")] if limit else [])


def test_a_user_with_a_number_is_not_ranked():
    screen, wechat = screening(4, risk_limit=1)

    screen.registration(REGISTERED, "192.0.2.1")

    assert wechat.asked == []


@pytest.mark.parametrize("opinion", ["pass", "review", "", "something new"])
def test_only_a_risky_text_is_rejected(opinion):
    screen, wechat = screening(opinion, check_content=True)

    screen.text(NEW, "小丽")

    assert wechat.asked == [("o-alice", "小丽")]


def test_a_risky_text_is_rejected():
    screen, _ = screening("risky", check_content=True)

    with pytest.raises(ContentRejected):
        screen.text(NEW, "小丽")


def test_without_the_setting_wechat_is_not_asked_about_a_text():
    screen, wechat = screening("risky", check_content=False)

    screen.text(NEW, "小丽")

    assert wechat.asked == []


@pytest.mark.parametrize("silence", SILENCES)
def test_the_user_passes_if_wechat_gives_no_result(silence):
    screen, wechat = screening(silence, risk_limit=1, check_content=True)

    screen.registration(NEW, "192.0.2.1")
    screen.text(NEW, "小丽")

    assert len(wechat.asked) == 2


def test_at_a_limit_of_wechats_no_text_passes_unchecked():
    screen, _ = screening(TooManyAttempts, risk_limit=1, check_content=True)

    screen.registration(NEW, "192.0.2.1")

    with pytest.raises(TooManyAttempts):
        screen.text(NEW, "小丽")


def test_one_user_cannot_use_up_wechats_quota_of_texts():
    screen, wechat = screening("pass", check_content=True)
    for _ in range(5):
        screen.text(NEW, "小丽")

    with pytest.raises(TooManyAttempts):
        screen.text(NEW, "小丽")

    screen.text(a_user("bob"), "小明")
    assert len(wechat.asked) == 6
