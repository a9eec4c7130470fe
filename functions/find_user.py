"""For the team's own services, by IAM: userId, unionid, openid or phone in, all records out."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, task


@task
def handler(event: Event) -> Mapping[str, object]:
    users = wiring.look_ups().users(event)

    note(found=len(users))
    return {"users": [wiring.look_ups().record(user) for user in users]}
