"""POST /phone: bind the number of a getPhoneNumber code to this user, and return the app token."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, count, endpoint, note

wiring.prepare(wiring.sessions, wiring.registration, wiring.authorized_client, wiring.app_tokens)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer(), request.text("openid"))
    registration, client_ip = wiring.registration(), request.source_ip
    if request.has("receipt"):
        user = registration.redeem(session, request.text("receipt", longest=1024))
    elif request.has("encryptedData") and not request.has("code"):
        data, iv = request.text("encryptedData", longest=4096), request.text("iv")
        user = registration.register_legacy(session, data, iv, client_ip)
    else:
        user = registration.register(session, request.code(), client_ip)
    token = wiring.app_tokens().sign_for(user, sid=session.sid, domain=request.domain)

    note(openid=user.openid, user_id=user.user_id)
    count(Registrations=int(user.registered_at != session.user.registered_at))
    return Reply(token, expiresIn=wiring.app_tokens().lifetime)
