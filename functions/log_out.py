"""POST /logout: end this session, or all sessions of its user."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Reply:
    credential, everywhere = request.bearer(), request.flag("everywhere")

    session = wiring.sessions().authenticate(credential)
    if everywhere:
        wiring.sessions().end_all(session.user)
    else:
        wiring.sessions().end(session)

    note(openid=session.user.openid, everywhere=everywhere)
    return Reply(None)
