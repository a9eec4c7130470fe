"""POST /phone: a getPhoneNumber code in, the number bound to this user, the app token out."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint


@endpoint
def handler(request: Request) -> Reply:
    credential, openid, code = request.bearer(), request.text("openid"), request.text("code")

    session = wiring.sessions().authenticate(credential, openid)
    user = wiring.phones().register(session.user, code, wiring.wechat().getuserphonenumber)
    token = wiring.tokens().sign_for(user, sid=session.sid, domain=request.domain)

    request.note(openid=openid, user_id=user.user_id)
    return Reply(token, expiresIn=wiring.tokens().lifetime)
