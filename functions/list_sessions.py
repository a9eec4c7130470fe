"""GET /account/sessions: where the signed-in user is logged in."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    held = wiring.sessions().of(session)

    note(openid=session.user.openid, sessions=len(held))
    return Reply(held)
