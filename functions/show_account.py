"""GET /account: what is held about the signed-in user, the phone number masked."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.phones)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    number = wiring.phones().number(session.user)

    note(openid=session.user.openid, user_id=session.user.user_id)
    return Reply(session.user.shown(number.masked if number else None))
