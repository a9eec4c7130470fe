"""With Events=true the timeline shows what other services hear; without, it has no place for it."""

import pytest

from tests.support.demo_page import CONTRASTS, ENOUGH_CONTRAST, HIDDEN_PIXELS

LANES = """
const lanes = [...document.querySelectorAll('.lanes span')]
return lanes.filter((each) => each.checkVisibility()).map((each) => each.textContent)
"""
BEYOND = """
const list = document.querySelector('#steps')
return list.scrollWidth - list.clientWidth
"""
# Where each arrow begins and ends, as parts of the list's width.
ARROWS = """
const list = document.querySelector('#steps')
const { left } = list.getBoundingClientRect()
return [...list.querySelectorAll('li')].map((row) => {
  const arrow = row.querySelector('.arrow').getBoundingClientRect()
  const places = [arrow.left, arrow.right].map((x) => (x - left) / list.clientWidth)
  return [row.querySelector('.what').textContent, ...places]
})
"""


@pytest.fixture
def demo(demo_with):
    return demo_with(Events="true")


def test_a_registration_is_an_arrow_to_your_services(demo):
    demo.open().registers()

    demo.waits_for_step("user.registered", "已送达")

    assert demo.browser.execute_script(LANES) == ["小程序", "登录服务", "微信", "你的服务"]
    happened = [what for what, _ in demo.steps()]
    assert happened.index("user.created") < happened.index("user.registered")
    assert happened.index("POST /login") < happened.index("user.created")
    ends = {what: (begin, end) for what, begin, end in demo.browser.execute_script(ARROWS)}
    assert ends["user.registered"] == pytest.approx((0.375, 0.875), abs=0.01)
    assert ends["POST /phone"] == pytest.approx((0.125, 0.375), abs=0.01)
    assert ends["jscode2session"] == pytest.approx((0.375, 0.625), abs=0.01)
    assert demo.complaints() == []


def test_an_event_opens_and_shows_its_detail_without_the_number(demo, wechat):
    demo.open().registers()
    demo.waits_for_step("user.registered", "已送达")
    demo.click(".languages [value=en]")
    demo.waits_for_step("user.registered", "delivered")
    place = 1 + [what for what, _ in demo.steps()].index("user.registered")

    demo.click(f"#steps li:nth-child({place}) summary")

    shown = demo.text(f"#steps li:nth-child({place})")
    assert "Your other services receive this from EventBridge" in shown
    assert wechat.openid("xiaoming") in shown
    assert wechat.phone("xiaoming") not in shown


def test_the_end_of_an_account_is_the_last_event(demo):
    demo.open().registers()
    demo.tap("我的账号")
    demo.tap("注销账号")
    demo.tap("永久删除")

    demo.waits_for_step("user.erased", "已送达")


def test_what_happened_before_the_page_was_opened_is_not_shown(demo):
    demo.open().registers()
    demo.waits_for_step("user.registered", "已送达")

    demo.open()
    demo.sees("手机号已验证")

    assert not [what for what, _ in demo.steps() if what.startswith("user.")]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_four_lanes_fit_on_the_screen(demo, language):
    demo.open(language)
    demo.waits_for(lambda: "user.created" in [what for what, _ in demo.steps()])

    for width in (360, 1440):
        demo.resizes(width, 800)
        assert demo.browser.execute_script(HIDDEN_PIXELS) == 0, width
        assert demo.browser.execute_script(BEYOND) == 0, width
        demo.screenshot(f"events-{width}-{language[:2]}")
    found = demo.browser.execute_script(CONTRASTS, ".timeline *")
    assert [each for each in found if each[0] < ENOUGH_CONTRAST] == []


def test_without_events_there_is_no_fourth_lane(demo_with):
    demo = demo_with()
    demo.open().registers()

    assert demo.browser.execute_script(LANES) == ["小程序", "登录服务", "微信"]
    assert not [what for what, _ in demo.steps() if what.startswith("user.")]
