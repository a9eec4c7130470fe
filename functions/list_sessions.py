"""GET /account/sessions: list the sessions of the signed-in user."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    valid = wiring.sessions().of_account(session)

    note(openid=session.user.openid, sessions=len(valid))
    return Reply([each.shown(session) for each in valid])
