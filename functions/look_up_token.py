"""POST /token: return a registered user's app token, for an openid and its session."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.app_tokens)


@endpoint
def handler(request: Request) -> Reply:
    credential, openid = request.bearer(), request.text("openid")

    session = wiring.sessions().authenticate(credential, openid)
    token = wiring.app_tokens().sign_for(session.user, sid=session.sid, domain=request.domain)

    note(openid=openid, user_id=session.user.user_id)
    return Reply(token, expiresIn=wiring.app_tokens().lifetime if token else None)
