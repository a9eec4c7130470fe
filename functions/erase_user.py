"""For the team's own services, by IAM: userId, unionid, openid or phone in, all records erased."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, note_act, task


@task
def handler(event: Event) -> Mapping[str, object]:
    users = wiring.look_ups().users(event)
    for user in users:
        wiring.erasure().erase_found(user)

    note(found=len(users))
    note_act("erase_user", event, [user.openid for user in users])
    return {"erased": len(users)}
