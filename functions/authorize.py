"""API Gateway's authorizer: allow a token of ours whose session is valid, reject any other."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Request, authorizer, note
from wechat_login.errors import TokenInvalid

wiring.prepare(wiring.app_tokens, wiring.sessions)


@authorizer
def handler(request: Request) -> Mapping[str, str]:
    claims = wiring.app_tokens().verify(request.bearer(), domain=request.domain)
    session = wiring.sessions().resume(
        claims["client_id"], claims["openid"], claims["sid"], claims["sub"]
    )
    if claims.get("phone_number_verified") and not session.user.registered:
        raise TokenInvalid(why="the number has moved on, or its owner has withdrawn it")

    note(openid=session.user.openid, user_id=session.user.user_id)
    return {
        "userId": session.user.user_id,
        "openid": session.user.openid,
        "appid": session.user.appid,
        "sid": session.sid,
        "roles": " ".join(sorted(session.user.roles)),
    }
