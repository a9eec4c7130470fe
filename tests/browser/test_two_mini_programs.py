"""One person opens two mini programs on the demo's phone."""

import pytest

FIRST, SECOND = "wx1234567890abcdef", "wxfedcba0987654321"
LOGIN = ("POST /login", "200")

CARDS = """
return [...document.querySelectorAll('#items .item')].map((item) => {
  const [names, values] = ['dt', 'dd'].map((tag) =>
    [...item.querySelectorAll(tag)].map((each) => each.textContent))
  const kind = item.querySelector('.kind').textContent
  const key = item.querySelector('h3').textContent.slice(kind.length)
  return { kind, key, ...Object.fromEntries(names.map((name, index) => [name, values[index]])) }
})
"""


@pytest.fixture
def phone(demo):
    demo.open().waits_for_step(*LOGIN)
    demo.registers()
    return demo


def cards(phone, kind):
    """Return the table's items of a kind, with their attributes as they are shown."""
    found = phone.browser.execute_script(CARDS)
    return [each for each in found if each["kind"] == kind]


def test_one_person_in_two_mini_programs_has_two_openids_and_one_user_id(phone, wechat):
    phone.click("#wipe")
    phone.opens(SECOND)
    phone.waits_for_step(*LOGIN)

    first, second = (wechat.openid("xiaoming", appid) for appid in (FIRST, SECOND))
    assert first != second
    phone.waits_for(lambda: len(cards(phone, "USER")) == 2)
    there, here = cards(phone, "USER")
    assert there["key"].endswith(f"#{SECOND}#{second}")
    assert here["key"].endswith(f"#{FIRST}#{first}")
    assert there["userId"] == here["userId"]
    (claim,) = cards(phone, "UNION")
    assert claim["key"].endswith(f"#{wechat.unionid('xiaoming')}")
    assert claim["userId"] == here["userId"]
    assert first in claim["owners"]
    assert second in claim["owners"]


def test_the_number_of_the_first_mini_program_is_not_in_the_second(phone):
    phone.opens(SECOND)

    phone.sees("登录后领取会员卡")
    phone.waits_for_text("#claims", "还没有令牌")
    assert "成功获取手机号 0 次" in phone.text("#charges")
    phone.registers()
    phone.waits_for(lambda: phone.kinds().count("PHONE") == 2)
    assert phone.complaints() == []


def test_each_mini_program_keeps_its_own_login(phone):
    phone.opens(SECOND)
    phone.sees("登录后领取会员卡")

    phone.opens(FIRST)

    phone.sees("手机号已验证")
    phone.waits_for_text("#claims", FIRST)


def test_a_reload_opens_the_last_mini_program(phone, wechat):
    phone.opens(SECOND)
    phone.sees("登录后领取会员卡")

    phone.open()

    phone.waits_for(lambda: wechat.openid("xiaoming", SECOND) in phone.text("#items .item"))


def test_the_page_sends_no_appid_and_the_phone_the_referer_of_wechats_app(phone):
    phone.click("#wipe")
    phone.opens(SECOND)
    phone.waits_for_step(*LOGIN)
    place = 1 + [what for what, _ in phone.steps()].index("POST /login")

    phone.click(f"#steps li:nth-child({place}) summary")

    sent = phone.text(f"#steps li:nth-child({place}) pre")
    assert f"https://servicewechat.com/{SECOND}/0/page-frame.html" in sent
    assert '"appid"' not in sent


def test_a_fault_ends_when_another_mini_program_is_opened(phone):
    phone.set_fault("faultBusy")

    phone.opens(SECOND)
    phone.waits_for_step(*LOGIN)
    phone.opens(FIRST)
    phone.click("#clear")

    phone.sees("手机号已验证")
    assert phone.browser.execute_script(
        "return document.querySelector('[value=faultNone]').checked"
    )
