"""POST /login: a wx.login code in, a session out, and the token of a registered user."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, count, endpoint, note

wiring.prepare(wiring.wechat, wiring.users, wiring.sessions, wiring.tokens)


@endpoint
def handler(request: Request) -> Reply:
    code = request.code()

    identity = wiring.wechat().jscode2session(code)
    session = wiring.sessions().open(identity.openid)
    user = wiring.users().record_login(identity, session.record)
    token = wiring.tokens().sign_for(user, sid=session.sid, domain=request.domain)

    note(openid=user.openid, user_id=user.user_id, new_user=user.is_new)
    count(Logins=1, NewUsers=int(user.is_new))
    return Reply(
        {
            "openid": user.openid,
            "unionid": user.unionid,
            "session": session.text,
            "sessionExpiresIn": session.expires_in,
            "registered": user.registered,
            "token": token,
            "tokenExpiresIn": wiring.tokens().lifetime if token else None,
        }
    )
