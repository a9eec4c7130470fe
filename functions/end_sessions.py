"""For the team's own services, by IAM: ends every session of an account."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note_act, task


@task
def handler(event: Event) -> Mapping[str, object]:
    users = wiring.look_ups().users(event)
    for user in users:
        wiring.sessions().end_all(user)

    note_act("end_sessions", event, [user.openid for user in users])
    return {"found": len(users)}
