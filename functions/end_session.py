"""DELETE /account/sessions/{id}: end one session of the signed-in user."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    wiring.sessions().end_named(session, request.path_parameter("id"))

    note(openid=session.user.openid)
    return Reply(None)
