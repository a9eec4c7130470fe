"""The demo can be read, reached by keyboard and used on every screen, in both languages."""

import pytest

from tests.support.demo_page import CONTRASTS, ENOUGH_CONTRAST, HIDDEN_PIXELS

# How many characters each line of each text has.
LINES = """
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const lines = new Map()
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const range = document.createRange()
    for (let i = 0; i < walker.currentNode.data.length; i += 1) {
      range.setStart(walker.currentNode, i)
      range.setEnd(walker.currentNode, i + 1)
      const { top, height } = range.getBoundingClientRect()
      if (height) lines.set(Math.round(top), (lines.get(Math.round(top)) ?? 0) + 1)
    }
  }
  return [...lines.values()]
})
"""
LEAST_CHARACTERS = 3

FOCUSED = """
const inside = document.activeElement.contentDocument
const element = (inside ?? document).activeElement
return [element.labels?.[0]?.textContent || element.textContent || element.id,
        parseFloat(getComputedStyle(element.closest('label') ?? element).outlineWidth)]
"""


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_nothing_is_wider_than_the_screen(demo, language):
    demo.open(language)
    with demo.screen():
        demo.waits_for(lambda: demo.text("#pages"))
    for width in (360, 768, 1440):
        demo.resizes(width, 800)
        assert demo.browser.execute_script(HIDDEN_PIXELS) == 0, width
        with demo.screen():
            assert demo.browser.execute_script(HIDDEN_PIXELS) == 0, width


def test_no_id_in_the_table_leaves_one_character_on_a_line(demo):
    demo.open("zh-CN").registers()
    demo.waits_for(lambda: "PHONE" in demo.kinds())

    for width in (360, 390, 768, 1024, 1280, 1440):
        demo.resizes(width, 800)
        lines = demo.browser.execute_script(LINES, "#items dd")

        assert max(map(len, lines)) > 1, width
        short = [each for each in lines if len(each) > 1 and min(each) < LEAST_CHARACTERS]
        assert short == [], width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(demo, theme):
    demo.open(theme=theme).registers()
    demo.set_fault("faultBusy")
    demo.click("#clear")
    demo.waits_for_step("POST /login", "502")
    demo.screenshot(f"wechat-busy-{theme}")
    found = demo.browser.execute_script(CONTRASTS, "body *")
    assert len(found) > 50
    assert [each for each in found if each[0] < ENOUGH_CONTRAST] == []


def test_the_mini_program_stands_out_from_its_ground(demo):
    demo.open().sees("登录 / 注册")
    found = pages_contrasts(demo)
    demo.tap("登录 / 注册")
    demo.sees("同意并使用手机号登录")
    found += pages_contrasts(demo)
    demo.tap("同意并使用手机号登录")
    demo.tap("不允许")
    demo.sees("你没有授权手机号")
    found += pages_contrasts(demo)
    demo.tap("同意并使用手机号登录")
    demo.tap("允许")
    demo.sees("手机号已验证")
    found += pages_contrasts(demo)
    demo.tap("我的账号")
    demo.sees("注销账号")
    found += pages_contrasts(demo)
    assert len(found) > 50
    assert [each for each in found if each[0] < ENOUGH_CONTRAST] == []


def pages_contrasts(demo):
    with demo.screen():
        return demo.browser.execute_script(CONTRASTS, "page:not([hidden]) *")


def test_sheets_stand_out_from_their_ground(demo):
    demo.open().tap("登录 / 注册")
    demo.tap("同意并使用手机号登录")
    demo.sees("申请获取并验证你的手机号")
    with demo.screen():
        found = demo.browser.execute_script(CONTRASTS, "dialog *, #bar *, #status *")
    assert len(found) > 5
    assert [each for each in found if each[0] < ENOUGH_CONTRAST] == []


def test_the_keyboard_reaches_everything_and_escape_refuses(demo):
    demo.open()
    demo.sees("登录 / 注册")
    reached, rings = [], []
    demo.browser.execute_script("document.querySelector('.languages button').focus()")
    for _ in range(24):
        demo.press("TAB")
        name, ring = demo.browser.execute_script(FOCUSED)
        reached.append(name.strip())
        rings.append(ring)
    assert all(ring >= 2 for ring in rings), list(zip(reached, rings, strict=True))
    for name in ("登录 / 注册", "小明", "重新打开小程序", "飞行模式", "正常", "清空"):
        assert name in reached, reached

    with demo.screen():
        button = "[...document.querySelectorAll('page button')].find((b) => b.textContent === "
        for label in ("登录 / 注册", "同意并使用手机号登录"):
            demo.waits_for(
                lambda label=label: demo.browser.execute_script(
                    f"const found = {button}{label!r}); found?.focus(); return Boolean(found)"
                )
            )
            demo.press("ENTER")
        demo.waits_for(lambda: "申请获取并验证你的手机号" in demo.text("body"))
        demo.press("ESCAPE")
    demo.sees("你没有授权手机号")


def test_a_step_opens_and_shows_what_was_sent(demo):
    demo.open()
    demo.waits_for_step("POST /login", "200")
    demo.click("#steps li:nth-child(2) summary")
    shown = demo.text("#steps li:nth-child(2)")
    assert '"code"' in shown
    assert '"openid"' in shown


def test_the_language_can_be_changed_on_the_phone_too(demo):
    demo.open("fr")
    demo.sees("Log in / Sign up")
    demo.click(".languages [value=zh]")
    demo.sees("登录 / 注册")
    assert "操控台" in demo.text(".controls")


def test_anybody_the_simulated_wechat_knows_can_hold_the_phone(demo):
    demo.open()
    demo.sees("登录 / 注册")
    with demo.screen():
        demo.browser.execute_script("location.hash = location.hash.replace('xiaoming', 'zoe')")
        demo.browser.execute_script("location.reload()")
    demo.registers()
    demo.tap("我的账号")
    demo.tap("头像")
    demo.tap("用微信头像")
    demo.sees("头像仅在本页显示")
    assert demo.complaints() == []


def test_nothing_is_complained_of_in_the_console(demo):
    demo.open().registers()
    demo.tap("我的账号")
    demo.tap("头像")
    demo.tap("用微信头像")
    demo.types("input[name=nickname]", "阿明")
    demo.tap("保存资料")
    demo.waits_for_step("PUT /account", "200")
    demo.tap("注销账号")
    demo.tap("永久删除")
    demo.sees("登录后领取会员卡")
    assert demo.complaints() == []


LABELS = {
    "zh-CN": ("登录 / 注册", "同意并使用手机号登录", "允许", "手机号已验证"),
    "en": ("Log in / Sign up", "Agree and log in by phone number", "Allow", "number verified"),
}


@pytest.mark.parametrize("language", LABELS)
def test_pictures(demo, language):
    """Makes the README's pictures: SCREENSHOTS=docs/images pytest tests/browser -k pictures."""
    log_in, agree, allow, verified = LABELS[language]
    suffix = language[:2]
    demo.open(language).tap(log_in)
    demo.tap(agree)
    demo.sees(allow)
    demo.screenshot(f"demo-consent-{suffix}")
    demo.tap(allow)
    demo.sees(verified)
    demo.screenshot(f"demo-{suffix}")
    demo.open(language, width=360, height=740).sees(verified)
    demo.screenshot(f"demo-narrow-{suffix}")
