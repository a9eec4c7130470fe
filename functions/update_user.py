"""For the team's own services, by IAM: blocks an account, unblocks it, or sets its roles."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note_act, task


@task
def handler(event: Event) -> Mapping[str, object]:
    found = wiring.look_ups().users(event)
    users = wiring.operators().update(found, event)

    acts = [name for name in ("blocked", "endsAt", "roles") if event.get(name) is not None]
    done = ", ".join(f"{name}={event[name]}" for name in acts)
    note_act(f"update_user {done}", event, [user.openid for user in users])
    return {"users": [wiring.look_ups().summary(user) for user in users]}
