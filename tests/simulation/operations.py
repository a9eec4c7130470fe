"""What people, the team, WeChat and the weather do in a history.

Each takes its chances from its step. It may fail: `Failed` and `FunctionFailed`
are answers, and the invariants judge those.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from simulated_wechat.events import about_a_user
from simulated_wechat.message_push import encrypt, signature
from tests.simulation.invariants import MOST_LINKED
from tests.simulation.phone import Failed, Phone
from tests.simulation.world import (
    APPIDS,
    EVENT_AES_KEY,
    EVENT_TOKEN,
    FOLDER,
    FunctionFailed,
    World,
)

ANSWERS = (Failed, FunctionFailed)
NUMBERS = ("13800138000", "13900139000", "13700137000", "13600136000")
NICKNAMES = ("Xiao Ming", "小红", "Li")
FAMILY = "13500135000"
ROLES: tuple[list[str], ...] = ([], ["admin"], ["admin", "support"])
PUSHES = ("user_authorization_revoke", "user_info_modified", "user_authorization_cancellation")

PhoneOperation = Callable[[Phone], object]
Operation = Callable[[World, list[Phone]], object]


def _beside(world: World, act: Callable[[], object], within: float, name: str = "") -> None:
    """Begin something else within some seconds, beside what comes next; it may fail."""
    context = world.context(f"{world.here.step} twin{name}")

    def run() -> None:
        with suppress(*ANSWERS):
            act()

    after = within * world.chance.random()
    world.scheduler.spawn(context.step, run, context=context, after=after)


def _guest(world: World, name: str, appid: str = APPIDS[0]) -> Phone:
    """Return the phone of a person who is only in this step."""
    return Phone(world, f"guest {world.here.step} {name}", appid)


# Of a person with a phone.


def open_page(phone: Phone) -> None:
    phone.look_up()


def log_in(phone: Phone) -> None:
    phone.log_in(wait=phone.world.chance.choice((0.0, 0.0, 0.0, 1.0, 400.0)))


def log_in_often(phone: Phone) -> None:
    for _ in range(phone.world.chance.choice((2, 6, 11))):
        phone.log_in()


def send_a_login_code_twice(phone: Phone) -> None:
    code = phone.world.wechat.login_code(phone.user, phone.appid)
    for _ in range(2):
        try:
            phone.exchange(code)
        except Failed:
            continue


def register(phone: Phone) -> None:
    if phone.session is None:
        phone.log_in()
    code = phone.tap()
    # Now and then a person hesitates, or the phone has no network.
    phone.world.scheduler.wait(phone.world.chance.choice((0.0, 0.0, 0.0, 0.1, 3.0, 60.0, 320.0)))
    phone.register(code)


def send_a_phone_code_twice(phone: Phone) -> None:
    """Tap twice on a button that sends the same code in two requests at once."""
    world = phone.world
    if phone.session is None:
        phone.log_in()
    code = phone.tap()
    twin = Phone(world, phone.user, phone.appid, phone.session, phone.openid)
    _beside(world, partial(twin.register, code), 0.08)
    phone.register(code)


def send_the_last_phone_code_again(phone: Phone) -> None:
    if phone.code:
        phone.register(phone.code)


def register_often(phone: Phone) -> None:
    if phone.session is None:
        phone.log_in()
    for _ in range(7):
        try:
            phone.register(phone.tap())
        except Failed:
            continue


def change_the_number(phone: Phone) -> None:
    phone.world.wechat.set_phone(phone.user, phone.world.chance.choice(NUMBERS))
    register(phone)


def show_account(phone: Phone) -> None:
    phone.with_session(lambda: phone.ask("GET", "/account"))


def update_account(phone: Phone) -> None:
    chance = phone.world.chance
    changes: dict[str, Any] = {"nickname": chance.choice((*NICKNAMES, None))}
    if chance.random() < 0.5:
        changes["avatarUrl"] = "https://example.com/a.png"
    phone.with_session(lambda: phone.ask("PUT", "/account", changes))


def use_the_token(phone: Phone) -> None:
    if phone.token is None:
        phone.look_up()
    if phone.token is not None:
        phone.world.http("GET", "/userinfo", bearer=phone.token)


def log_out(phone: Phone) -> None:
    if phone.session is not None:
        phone.ask("POST", "/logout", {})
        # An attacker may have copied the session.
        phone.ask("POST", "/token", {"openid": phone.openid})


def log_out_everywhere(phone: Phone) -> None:
    phone.with_session(lambda: phone.ask("POST", "/logout", {"everywhere": True}))


def end_another_session(phone: Phone) -> None:
    listed = phone.with_session(lambda: phone.ask("GET", "/account/sessions")).data
    others = [each["id"] for each in listed if not each["current"]]
    if others:
        chosen = phone.world.chance.choice(others)
        path = f"/account/sessions/{chosen}"
        phone.ask("DELETE", path, route="DELETE /account/sessions/{id}")
        left = phone.ask("GET", "/account/sessions").data
        if chosen in {each["id"] for each in left} and not phone.world.faults.happened:
            phone.world.invariants.violated(phone.world.invariants.sessions_end_when_asked, chosen)


def erase_account(phone: Phone) -> None:
    phone.with_session(lambda: phone.ask("DELETE", "/account"))


def steal(phone: Phone) -> None:
    """Use one's own session for somebody else's openid, and somebody else's phone code."""
    world = phone.world
    if phone.session is None:
        phone.log_in()
    victim = "bob" if phone.user != "bob" else "alice"
    openid = world.wechat.openid(victim, phone.appid)
    answer = world.http("POST", "/token", {"openid": openid}, bearer=phone.session)
    if answer.error != "session_mismatch" and answer.status not in (0, 500):
        world.invariants.violated(world.invariants.sessions_answer_truly, answer.error)
    code = world.wechat.phone_code(victim, phone.appid)["code"]
    phone.register(code)


def steal_a_receipt(phone: Phone) -> None:
    if phone.session is None:
        phone.log_in()
    if phone.world.receipts:
        receipt = phone.world.chance.choice(phone.world.receipts)
        phone.ask("POST", "/phone", {"openid": phone.openid, "receipt": receipt})


def withdraw_after_the_tap(phone: Phone) -> None:
    """Tap, withdraw the number in WeChat's settings, and send the code all the same."""
    if phone.session is None:
        phone.log_in()
    code = phone.tap()
    phone.world.scheduler.wait(1.5)
    _revoke(phone)
    phone.register(code)


def send_two_numbers_in_reverse(phone: Phone) -> None:
    if phone.session is None:
        phone.log_in()
    former = phone.tap()
    phone.world.scheduler.wait(1.5)
    phone.world.wechat.set_phone(phone.user, phone.world.chance.choice(NUMBERS))
    phone.register(phone.tap())
    phone.register(former)


def come_back_after_a_month(phone: Phone) -> None:
    """Use the old session as it is, without the client's rules."""
    if phone.session is None:
        phone.log_in()
    phone.world.scheduler.wait(31 * 86_400)
    phone.ask("POST", "/token", {"openid": phone.openid})


def log_out_while_the_page_opens(phone: Phone) -> None:
    """A day later the session is extended and ended at the same time."""
    world = phone.world
    if phone.session is None:
        phone.log_in()
    world.scheduler.wait(90_000.0)
    _beside(world, lambda: phone.ask("POST", "/logout", {}), 0.08)
    phone.ask("POST", "/token", {"openid": phone.openid})


def lose_the_table_after_the_exchange(phone: Phone) -> None:
    """Get a receipt, which others try too; use it, perhaps after another number."""
    world, chance = phone.world, phone.world.chance
    if phone.session is None:
        phone.log_in()
    world.outage_after_exchange = chance.choice((1.0, 15.0))
    with suppress(Failed):
        phone.register(phone.tap())
    world.scheduler.wait(16.0)
    if not world.receipts:
        return
    receipt = world.receipts[-1]
    if chance.random() < 0.3:
        thief = _guest(world, "thief", phone.appid)
        thief.log_in()
        with suppress(Failed):
            thief.ask("POST", "/phone", {"openid": thief.openid, "receipt": receipt})
    if chance.random() < 0.5:
        world.wechat.set_phone(phone.user, chance.choice(NUMBERS))
        phone.register(phone.tap())
    phone.ask("POST", "/phone", {"openid": phone.openid, "receipt": receipt})


def try_a_code_again_later(phone: Phone) -> None:
    """Send a code while WeChat does not answer, and again when nobody uses it any more."""
    world = phone.world
    if phone.session is None:
        phone.log_in()
    code = phone.tap()
    world.outages["wechat"] = world.scheduler.now + 6.0
    with suppress(Failed):
        phone.register(code)
    world.scheduler.wait(45.0)
    phone.register(code)


PHONE: Mapping[PhoneOperation, int] = {
    open_page: 6,
    log_in: 6,
    log_in_often: 1,
    send_a_login_code_twice: 1,
    register: 10,
    send_a_phone_code_twice: 3,
    send_the_last_phone_code_again: 2,
    register_often: 2,
    change_the_number: 6,
    show_account: 1,
    update_account: 3,
    use_the_token: 4,
    log_out: 2,
    log_out_everywhere: 3,
    end_another_session: 2,
    erase_account: 3,
    steal: 1,
    steal_a_receipt: 1,
    withdraw_after_the_tap: 2,
    send_two_numbers_in_reverse: 2,
    come_back_after_a_month: 1,
    log_out_while_the_page_opens: 1,
    lose_the_table_after_the_exchange: 2,
    try_a_code_again_later: 1,
}


# Of the team, by IAM.


def _named(world: World, phones: list[Phone]) -> dict[str, Any]:
    """Return how an operator names a person: mostly by openid."""
    phone = world.chance.choice(phones)
    match world.chance.choice(("openid", "openid", "phone", "unionid", "userId")):
        case "phone":
            return {"phone": world.wechat.phone(phone.user), "appid": phone.appid}
        case "unionid":
            return {"unionid": world.wechat.unionid(phone.user)}
        case "userId" if phone.session is not None:
            found = world.invoke("FindUser", {"openid": phone.openid, "appid": phone.appid})
            if found["users"]:
                return {"userId": found["users"][0]["userId"]}
    return {"openid": world.wechat.openid(phone.user, phone.appid), "appid": phone.appid}


def find(world: World, phones: list[Phone]) -> None:
    world.invoke("FindUser", _named(world, phones))


def list_users(world: World, phones: list[Phone]) -> None:
    page: dict[str, Any] = world.invoke("ListUsers", {"limit": len(phones) + 1})
    while page["next"]:
        page = world.invoke("ListUsers", {"limit": 5, "next": page["next"]})


def block(world: World, phones: list[Phone]) -> None:
    how: dict[str, Any] = {"blocked": True, "reason": "spam"}
    if world.chance.random() < 0.5:
        how["endsAt"] = int(world.scheduler.now) + world.chance.choice((5, 60, 86_400))
    world.invoke("UpdateUser", {**_named(world, phones), **how})


def unblock(world: World, phones: list[Phone]) -> None:
    world.invoke("UpdateUser", {**_named(world, phones), "blocked": False})


def set_roles(world: World, phones: list[Phone]) -> None:
    roles = world.chance.choice(ROLES)
    world.invoke("UpdateUser", {**_named(world, phones), "roles": roles})


def end_sessions(world: World, phones: list[Phone]) -> None:
    world.invoke("EndSessions", _named(world, phones))


def erase_user(world: World, phones: list[Phone]) -> None:
    world.invoke("EraseUser", _named(world, phones))


def merge(world: World, phones: list[Phone]) -> None:
    unionid = world.wechat.unionid(world.chance.choice(phones).user)
    dry_run = world.chance.random() < 0.3
    world.invoke("MergeUsers", {"unionid": unionid, "dryRun": dry_run})


def block_erase_and_let_return(world: World, phones: list[Phone]) -> None:
    phone = world.chance.choice(phones)
    named = {"openid": world.wechat.openid(phone.user, phone.appid), "appid": phone.appid}
    world.invoke("UpdateUser", {**named, "blocked": True, "reason": "spam"})
    world.invoke("EraseUser", named)
    Phone(world, phone.user, phone.appid).log_in()


def block_and_unblock(world: World, phones: list[Phone]) -> None:
    """Block a person who is logging in, and unblock them."""
    phone = world.chance.choice(phones)
    named = {"openid": world.wechat.openid(phone.user, phone.appid), "appid": phone.appid}
    _beside(world, Phone(world, phone.user, phone.appid).log_in, 0.2)
    world.invoke("UpdateUser", {**named, "blocked": True, "reason": "spam"})
    world.invoke("UpdateUser", {**named, "blocked": False})
    Phone(world, phone.user, phone.appid).log_in()


def block_beside_a_first_login(world: World, _phones: list[Phone]) -> None:
    """Block a person at the moment of their first login to the other mini program."""
    for name in "ab":
        here, there = (_guest(world, name, appid) for appid in APPIDS)
        here.log_in()
        _beside(world, there.log_in, 0.1, name)
        world.scheduler.wait(0.1 * world.chance.random())
        named = {"openid": here.openid, "appid": here.appid}
        world.invoke("UpdateUser", {**named, "blocked": True, "reason": "spam"})


def erase_beside_two_first_logins(world: World, _phones: list[Phone]) -> None:
    for name in "ab":
        guest = _guest(world, name)
        for twin in "123":
            _beside(world, _guest(world, name).log_in, 0.03, name + twin)
        world.scheduler.wait(0.25 * world.chance.random())
        openid = world.wechat.openid(guest.user, guest.appid)
        world.invoke("EraseUser", {"openid": openid, "appid": guest.appid})


def erase_by_a_number_that_changes(world: World, _phones: list[Phone]) -> None:
    for name in "ab":
        guest = _guest(world, name)
        guest.log_in()
        guest.register(guest.tap())
        former = world.wechat.phone(guest.user)
        world.wechat.set_phone(guest.user, f"1370000000{name == 'a':d}")
        code = guest.tap()
        _beside(world, partial(guest.register, code), 0.1, name)
        world.scheduler.wait(0.4 * world.chance.random())
        world.invoke("EraseUser", {"phone": former, "appid": guest.appid})


def merge_two_user_ids(world: World, _phones: list[Phone]) -> None:
    """Let a person be known in two mini programs before WeChat gives the unionid, and merge."""
    here, there = (_guest(world, "", appid) for appid in APPIDS)
    for unionids in (False, True):
        for app in world.wechat.mini_programs():
            app.unionids = unionids
        here.log_in()
        world.scheduler.wait(1.5)
        there.log_in()
    there.register(there.tap())
    unionid = world.wechat.unionid(here.user)
    for dry_run in (True, False):
        world.invoke("MergeUsers", {"unionid": unionid, "dryRun": dry_run})
    use_the_token(there)


def share_a_number_in_a_family(world: World, _phones: list[Phone]) -> None:
    """Register one number for more people than may share it."""
    links = world.setting.parameters["PhoneConflict"] == "link"
    for number in range(MOST_LINKED + 1 if links else 2):
        guest = _guest(world, f"{number}")
        world.wechat.set_phone(guest.user, FAMILY)
        with suppress(Failed):
            guest.log_in()
            guest.register(guest.tap())


def renew_access_token(world: World, _phones: list[Phone]) -> None:
    world.invoke("RenewAccessToken", {})


def rotate_signing_keys(world: World, _phones: list[Phone]) -> None:
    world.invoke("RotateSigningKeys", {"now": True} if world.chance.random() < 0.7 else {})


def rotate_the_sealing_key(world: World, _phones: list[Phone]) -> None:
    """Do what `make secrets ROTATE=sealing-key` does."""
    sealing = world.layer.module("wechat_login.storage.sealing")
    name = f"{FOLDER}/sealing-key"
    world.put_parameter(name, sealing.with_new_key(world.ssm.values[name]))


TEAM: Mapping[Operation, int] = {
    find: 1,
    list_users: 1,
    block: 3,
    unblock: 3,
    set_roles: 2,
    end_sessions: 2,
    erase_user: 2,
    block_erase_and_let_return: 3,
    block_and_unblock: 2,
    block_beside_a_first_login: 2,
    erase_beside_two_first_logins: 2,
    erase_by_a_number_that_changes: 2,
    merge: 2,
    merge_two_user_ids: 2,
    share_a_number_in_a_family: 1,
    renew_access_token: 2,
    rotate_signing_keys: 1,
    rotate_the_sealing_key: 1,
}


# Of WeChat, and of the weather.


def push(world: World, phones: list[Phone]) -> None:
    """Send a message push; repeat it as WeChat does if it is not answered."""
    chance, phone = world.chance, world.chance.choice(phones)
    app = world.wechat.mini_program(phone.appid)
    person = world.wechat.person(phone.user, phone.appid)
    event = chance.choice(PUSHES)
    message: dict[str, Any] = dict(about_a_user(event, app, person))
    # A push may be on its way for some time.
    message["CreateTime"] -= chance.choice((0, 0, 0, 5, 100))
    if event == "user_authorization_revoke":
        message["RevokeInfo"] = chance.choice(("8", "8", "8,6", "6"))
    for _ in range(3):
        if _push(world, message, phone.appid):
            return
        world.scheduler.wait(1.0)


def _revoke(phone: Phone) -> None:
    """Let a user withdraw the number."""
    world = phone.world
    app = world.wechat.mini_program(phone.appid)
    person = world.wechat.person(phone.user, phone.appid)
    message: dict[str, Any] = dict(about_a_user("user_authorization_revoke", app, person))
    _push(world, message, phone.appid)


def _push(world: World, message: Mapping[str, Any], appid: str) -> bool:
    prefix = world.chance.randbytes(16)
    sealed = encrypt(json.dumps(message).encode(), EVENT_AES_KEY, appid, prefix)
    timestamp, nonce = str(int(world.scheduler.now)), str(world.chance.randrange(10**9))
    query = {
        "timestamp": timestamp,
        "nonce": nonce,
        "msg_signature": signature(EVENT_TOKEN, timestamp, nonce, sealed),
    }
    return world.push({"Encrypt": sealed}, query, message)


def replay_a_push(world: World, phones: list[Phone]) -> None:
    """Send the same push twice, as somebody on the way could."""
    phone = world.chance.choice(phones)
    app = world.wechat.mini_program(phone.appid)
    person = world.wechat.person(phone.user, phone.appid)
    message = dict(about_a_user("user_info_modified", app, person))
    _push(world, message, phone.appid)
    _push(world, message, phone.appid)


def end_the_access_token(world: World, phones: list[Phone]) -> None:
    """Let WeChat end a token that is in use, as another server's forced refresh does."""
    app = world.wechat.mini_program(world.chance.choice(phones).appid)
    app.tokens.stable(force=True)


def reject_the_access_token(world: World, phones: list[Phone]) -> None:
    """Let WeChat reject valid tokens for some calls."""
    appid, times = world.chance.choice(phones).appid, world.chance.choice((1, 2, 4, 8))
    path = "/wxa/business/getuserphonenumber"
    world.wechat.fault(path, "errcode", times, appid=appid, errcode=40001)
    world.tokens_are_rejected = True


def join_or_leave_the_open_platform(world: World, phones: list[Phone]) -> None:
    app = world.wechat.mini_program(world.chance.choice(phones).appid)
    app.unionids = not app.unionids


def move_to_another_open_platform(world: World, phones: list[Phone]) -> None:
    """Let WeChat give a person another unionid, in all mini programs."""
    phone = world.chance.choice(phones)
    account = world.wechat.person(phone.user, phone.appid).account
    account.unionid = f"{account.unionid[:-1]}{world.chance.choice('AB')}"


def block_at_wechat(world: World, phones: list[Phone]) -> None:
    world.wechat.block(world.chance.choice(phones).user, blocked=world.chance.random() < 0.5)


def outage(world: World, _phones: list[Phone]) -> None:
    service = world.chance.choice(("dynamodb", "ssm", "wechat"))
    world.outages[service] = world.scheduler.now + world.chance.choice((0.05, 1.0, 8.0))
    world.note(f"outage of {service}")


WECHAT: Mapping[Operation, int] = {
    push: 8,
    replay_a_push: 1,
    end_the_access_token: 1,
    reject_the_access_token: 1,
    join_or_leave_the_open_platform: 1,
    move_to_another_open_platform: 1,
    block_at_wechat: 1,
}
WEATHER: Mapping[Operation, int] = {outage: 1}
