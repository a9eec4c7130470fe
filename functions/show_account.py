"""GET /account: return the data of the signed-in user, with the phone number masked."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.look_ups)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())

    note(openid=session.user.openid, user_id=session.user.user_id)
    return Reply(wiring.look_ups().account(session.user))
