"""For the team's own services, by IAM: userId, openid or phone in, the whole record out."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, task
from wechat_login.errors import BadRequest


@task
def handler(event: Event) -> Mapping[str, object]:
    match event:
        case {"userId": str(user_id)}:
            users = wiring.users().find_by_id(user_id)
        case {"openid": str(openid)}:
            users = wiring.users().find_by_openid(openid)
        case {"phone": str(phone)}:
            users = wiring.phones().find(phone)
        case _:
            raise BadRequest("Send userId, openid or phone.")

    note(found=len(users))
    return {"users": [wiring.phones().record(user) for user in users]}
