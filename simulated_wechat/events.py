"""The contents of WeChat's message pushes, by event.

https://developers.weixin.qq.com/miniprogram/dev/server/event_push/platform/authorized_user_information_changes
https://developers.weixin.qq.com/miniprogram/dev/server/event_push/charge/charge_mp_service_quota_notify.html
https://developers.weixin.qq.com/miniprogram/dev/server/event_push/charge/charge_mp_service_validity_notify.html
"""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from simulated_wechat.mini_program import MiniProgram
from simulated_wechat.people import Person
from simulated_wechat.phone_packs import BUTTONS, FAST, Button
from simulated_wechat.quotas import BEIJING

Fields = dict[str, str | int | list[str]]

# 8 is the phone number, 6 is nickname and avatar.
_USUAL_REVOKE_INFO = {"user_authorization_revoke": "8", "user_info_modified": "6"}
_ILLEGAL = "存在诱导分享行为"
_RULES_PAGE = "https://developers.weixin.qq.com/miniprogram/product/"


def about_a_user(event: str, app: MiniProgram, person: Person) -> Fields:
    """Return the fields of an event about a person; any event's name is allowed."""
    fields: Fields = {
        **_envelope(event, app, person.openid),
        "OpenID": person.openid,
        "AppID": app.appid,
    }
    if event in _USUAL_REVOKE_INFO:
        fields["RevokeInfo"] = _USUAL_REVOKE_INFO[event]
    return fields


def about_the_mini_program(event: str, app: MiniProgram, spu: object) -> Fields:
    """Return the fields of one of `OF_MINI_PROGRAMS`; `spu` is the phone button's pack."""
    button = BUTTONS.get(str(spu), FAST)
    # WeChat's samples have an openid here, and the page does not explain it.
    sender = f"o{secrets.token_hex(14)[:27]}"
    return {**_envelope(event, app, sender), **OF_MINI_PROGRAMS[event](app, button)}


def _envelope(event: str, app: MiniProgram, sender: str) -> Fields:
    return {
        "ToUserName": f"gh_{app.appid[-12:]}",
        "FromUserName": sender,
        "CreateTime": int(app.now()),
        "MsgType": "event",
        "Event": event,
    }


def _quota(app: MiniProgram, button: Button) -> Fields:
    pack = app.packs[button.spu]
    return {
        "event_type": 3,
        **_spu(app, button),
        "total_quota": pack.size,
        "total_used_quota": pack.size - pack.left,
    }


def _validity(app: MiniProgram, button: Button) -> Fields:
    end = datetime.fromtimestamp(app.packs[button.spu].ends_at, BEIJING)
    return {"event_type": 4, **_spu(app, button), "validity_end_time": f"{end:%Y-%m-%d %H:%M:%S}"}


def _spu(app: MiniProgram, button: Button) -> Fields:
    return {"appid": app.appid, "spu_id": int(button.spu), "spu_name": button.name}


def _punishment(app: MiniProgram, _: Button) -> Fields:
    """Warn of a ban of three days, as the sample on WeChat's page does."""
    now = int(app.now())
    detail = {
        "warned_type": 1,
        "rectify_deadline": now + 7 * 86400,
        "warned_function_names": [],
        "warned_ban_days": [3],
    }
    return {
        "punish_id": str(secrets.randbelow(10**6)),
        "appid": app.appid,
        "punish_time": now,
        "illegal_reason": _ILLEGAL,
        "illegal_content": [_ILLEGAL],
        "detail": json.dumps(detail, separators=(",", ":")),
        "rule_url": f"{_RULES_PAGE}#_5-1-滥用分享行为",
        "rule_name": "《微信小程序平台运营规范》5.行为规范-5.1滥用分享行为",
        "adjust_guide_url": _RULES_PAGE,
        "event_type": 1,
    }


OF_MINI_PROGRAMS: Mapping[str, Callable[[MiniProgram, Button], Fields]] = {
    "charge_mp_service_quota_notify": _quota,
    "charge_mp_service_validity_notify": _validity,
    "wxa_punish_event": _punishment,
}
