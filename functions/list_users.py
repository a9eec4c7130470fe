"""For the team's own services, by IAM: all users page by page, phone numbers masked."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, note_act, task


@task
def handler(event: Event) -> Mapping[str, object]:
    page = wiring.listing().page(event)

    note(found=len(page.users))
    note_act("list_users", event, [])
    users = [wiring.look_ups().summary(user) for user in page.users]
    return {"users": users, "next": page.next, "readUnits": page.read_units}
