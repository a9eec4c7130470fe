"""The example mini program on the demo's phone, from a tap to the token and back to nothing."""

import json
import re

import pytest
import requests

LOGIN = ("POST /login", "200")
VALID = "签名有效"


@pytest.fixture
def phone(demo):
    """The demo, opened, after its first silent login."""
    demo.open().waits_for_step(*LOGIN)
    demo.waits_for_step("jscode2session", "0")
    return demo


def test_first_login_is_silent_and_asks_for_nothing(phone):
    phone.sees("登录后领取会员卡")
    assert phone.steps() == [("wx.login", "ok"), LOGIN, ("jscode2session", "0")]
    phone.waits_for(lambda: phone.kinds()[:1] == ["USER"])
    assert "usedAt" in phone.text("#items .item")
    assert "还没有令牌" in phone.text("#claims")


def test_registration_binds_the_number_and_gives_a_token_that_verifies(phone):
    phone.registers()
    phone.waits_for_text("#verdict", VALID)
    phone.waits_for_step("getuserphonenumber", "0")
    assert ("POST /phone", "200") in phone.steps()
    phone.waits_for(lambda: "PHONE" in phone.kinds())
    assert "成功获取手机号 1 次" in phone.text("#charges")


def test_refusal_is_accepted_and_costs_nothing(phone):
    phone.tap("登录 / 注册")
    phone.tap("同意并使用手机号登录")
    phone.tap("不允许")
    phone.sees("你没有授权手机号")
    phone.tap("暂不登录")
    phone.sees("登录后领取会员卡")
    assert "成功获取手机号 0 次" in phone.text("#charges")


def test_another_number_can_be_given(phone):
    phone.tap("登录 / 注册")
    phone.tap("同意并使用手机号登录")
    phone.tap("使用其它号码")
    phone.types("#other-number", "13912345678")
    phone.tap("允许")
    phone.sees("手机号已验证")
    phone.tap("我的账号")
    phone.sees("139******78")


def test_second_launch_needs_no_login(phone):
    phone.registers()
    phone.click("#wipe")
    phone.click("#relaunch")
    phone.waits_for_step("GET /userinfo", "200")
    phone.sees("手机号已验证")
    assert phone.steps() == [("GET /userinfo", "200")]


def test_a_cleared_phone_logs_in_silently_and_the_member_is_known(phone):
    phone.registers()
    phone.click("#wipe")
    phone.click("#clear")
    phone.waits_for_step("GET /userinfo", "200")
    assert [what for what, _ in phone.steps()][:2] == ["wx.login", "POST /login"]
    phone.sees("手机号已验证")


def test_log_out_ends_the_session_and_stays_logged_out(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.tap("退出登录")
    phone.sees("登录后领取会员卡")
    phone.waits_for_step("POST /logout", "200")
    phone.waits_for(lambda: "usedAt" not in phone.text("#items .item"))
    phone.click("#wipe")
    phone.click("#relaunch")
    phone.sees("登录后领取会员卡")
    assert phone.steps() == []


def test_refusing_another_number_changes_nothing(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.tap("更换")
    phone.tap("不允许")
    phone.sees("手机号保持不变")
    assert "成功获取手机号 1 次" in phone.text("#charges")


def test_deletion_leaves_nothing_of_the_person(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.tap("注销账号")
    phone.tap("永久删除")
    phone.sees("账号已注销")
    phone.waits_for_step("DELETE /account", "200")
    phone.waits_for(lambda: not {"USER", "PHONE"} & set(phone.kinds()))


def test_expired_session_is_renewed_unseen(phone):
    phone.registers()
    phone.click("#expire")
    phone.waits_for_text("#said", "1 个会话已过期")
    phone.click("#wipe")
    phone.tap("我的账号")
    phone.sees("退出登录")
    phone.waits_for_step("GET /account/sessions", "200")
    seen = [step for step in phone.steps() if step[0] != "jscode2session"]
    asked = [("GET /account", "200"), ("GET /account/sessions", "200")]
    assert seen == [("GET /account", "401"), ("wx.login", "ok"), LOGIN, *asked]


@pytest.mark.parametrize("fault", ["faultBusy", "faultDrop", "faultGarbage"])
def test_an_unavailable_wechat_is_reported_and_can_be_retried(demo, fault):
    demo.open().hand_to("xiaohong")
    demo.set_fault(fault)
    demo.click("#clear")
    demo.tap("登录 / 注册")
    demo.sees("登录服务繁忙")
    demo.set_fault("faultNone")
    demo.tap("重试")
    demo.sees("同意并使用手机号登录")


def test_a_rejected_login_code_is_tried_afresh_once_and_can_be_tried_again(demo):
    demo.open().waits_for_step("jscode2session", "0")
    demo.set_fault("faultCode")
    demo.click("#wipe")
    demo.click("#clear")
    demo.sees("登录没有成功")
    demo.waits_for(lambda: demo.steps().count(("jscode2session", "40029")) == 2)
    asked = [step for step in demo.steps() if step[0] != "jscode2session"]
    assert asked == 2 * [("wx.login", "ok"), ("POST /login", "401")]
    demo.tap("登录 / 注册")
    demo.sees("登录没有成功")
    demo.set_fault("faultNone")
    demo.tap("重试")
    demo.sees("同意并使用手机号登录")


def test_a_rejected_phone_code_asks_for_another_tap(phone):
    phone.set_fault("faultCode")
    phone.tap("登录 / 注册")
    phone.tap("同意并使用手机号登录")
    phone.tap("允许")
    phone.sees("授权已过期")
    phone.set_fault("faultNone")
    phone.tap("同意并使用手机号登录")
    phone.tap("允许")
    phone.sees("手机号已验证")


def test_a_slow_wechat_is_waited_for(phone):
    phone.sees("登录后领取会员卡")
    phone.set_fault("faultSlow")
    phone.click("#wipe")
    phone.click("#clear")
    phone.waits_for_step("POST /login", "等待中")
    phone.waits_for_step(*LOGIN)
    phone.sees("登录后领取会员卡")
    phone.waits_for_step("jscode2session", "0")
    whats = [what for what, _ in phone.steps()]
    assert whats.index("wx.login") < whats.index("POST /login") < whats.index("jscode2session")


def test_a_used_up_quota_is_reported_without_a_sheet(phone, wechat):
    phone.click("[name=noQuota]")
    phone.waits_for(lambda: wechat.phone_balance == 0)
    phone.tap("登录 / 注册")
    phone.tap("同意并使用手机号登录")
    phone.sees("手机号登录暂时不可用")
    assert not phone.shows("申请获取并验证你的手机号")


def test_a_blocked_person_sees_the_reason(phone, wechat):
    phone.click("[name=blocked]")
    phone.waits_for(lambda: wechat.person("xiaoming").blocked)
    phone.click("#clear")
    phone.sees("为了账号安全")
    phone.waits_for_step("POST /login", "403")


def test_without_network_nothing_is_lost(phone):
    phone.registers()
    phone.click("[name=airplane]")
    phone.tap("我的账号")
    phone.sees("网络不可用")
    phone.click("[name=airplane]")
    phone.tap("重试")
    phone.sees("退出登录")


def test_a_login_without_network_is_seen_to_fail_and_can_be_tried_again(phone):
    phone.waits_for_step("jscode2session", "0")
    phone.click("[name=airplane]")
    phone.click("#wipe")
    phone.click("#clear")
    phone.sees("请检查网络")
    assert phone.steps() == [("wx.login", "fail")]
    phone.tap("登录 / 注册")
    phone.sees("请检查网络")
    phone.click("[name=airplane]")
    phone.tap("重试")
    phone.sees("同意并使用手机号登录")


def test_each_person_has_a_phone_of_their_own(phone):
    phone.registers()
    phone.hand_to("xiaohong")
    phone.sees("登录后领取会员卡")
    phone.hand_to("xiaoming")
    phone.sees("手机号已验证")


def test_the_table_begins_with_the_person_on_the_phone(phone, wechat):
    for user in ("xiaohong", "lilei", "xiaoming"):
        phone.hand_to(user)
        phone.waits_for(lambda user=user: wechat.openid(user) in phone.text("#items .item"))


def test_a_fresh_check_of_the_number_changes_it(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.tap("更换")
    phone.tap("允许")
    phone.sees("手机号已更新")
    phone.waits_for_step("getRealtimePhoneNumber", "ok")
    assert phone.steps().count(("POST /phone", "200")) == 2


def test_devices_are_listed_and_one_can_be_logged_out(phone, wechat):
    phone.registers()
    another = requests.post(
        f"{phone.url}/login", json={"code": wechat.login_code("xiaoming")}, timeout=10
    )
    session = another.json()["data"]["session"]
    phone.tap("我的账号")
    phone.sees("其他设备")
    phone.tap("退出这台设备")
    phone.tap("退出")
    phone.sees("已退出这台设备")
    assert not phone.shows("其他设备")
    ended = requests.get(
        f"{phone.url}/account", headers={"Authorization": f"Bearer {session}"}, timeout=10
    )
    assert ended.json()["error"]["code"] == "session_invalid"
    phone.click("#relaunch")
    phone.sees("手机号已验证")


def test_the_data_is_given_as_a_file(phone, tmp_path):
    phone.registers()
    phone.downloads_to(tmp_path)
    phone.tap("我的账号")
    phone.tap("下载我的数据")
    phone.tap("保存到这台电脑")
    file = tmp_path / "account.json"
    account = phone.waits_for(lambda: file.exists() and file.read_text("utf-8"))
    assert json.loads(account)["phone"].startswith("138****")


def test_a_nickname_that_is_too_long_is_not_saved(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.types("input[name=nickname]", "长" * 80)
    phone.tap("保存资料")
    phone.sees("昵称最多 32 个字")
    assert ("PUT /account", "200") not in phone.steps()


def test_a_member_without_network_is_called_nothing(phone):
    phone.registers()
    phone.click("[name=airplane]")
    phone.click("#relaunch")
    phone.sees("网络不可用")
    assert not phone.shows("新朋友")
    assert not phone.shows("手机号未验证")


@pytest.mark.parametrize(("fault", "said"), [("faultDrop", "处理前断开"), ("faultGarbage", "乱码")])
def test_the_demo_shows_wechats_part_in_chinese(phone, fault, said):
    phone.set_fault(fault)
    phone.click("#clear")
    phone.waits_for_step("jscode2session", said)


def test_profile_is_filled_in_by_wechats_components(phone):
    phone.registers()
    phone.tap("我的账号")
    phone.sees("昵称")
    phone.tap("头像")
    phone.tap("用微信头像")
    phone.sees("头像仅在本页显示")
    phone.types("input[name=nickname]", "阿明")
    phone.tap("保存资料")
    phone.sees("已保存")
    phone.sees("清除头像和昵称")
    assert phone.steps().count(("PUT /account", "200")) == 1


def test_no_secret_is_shown_beside_the_phone(phone):
    phone.registers()
    phone.waits_for_text("#verdict", VALID)
    phone.waits_for_step("getuserphonenumber", "0")
    shown = phone.browser.execute_script("return document.body.textContent")
    kept = phone.browser.execute_script("return Object.values(localStorage).join()")
    secrets = re.findall(r"(?<=\.)[\w-]{43}(?=\")|eyJ[\w-]+\.[\w-]+\.[\w-]+", kept)
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in shown]
    assert not re.findall(r"\b1[3-9]\d{9}\b", shown)
