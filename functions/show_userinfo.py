"""GET /userinfo: return the user of a token, as OpenID Connect's UserInfo."""

from wechat_login import wiring
from wechat_login.api import Document, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Document:
    claims = request.claims
    session = wiring.sessions().resume(
        claims["appid"], claims["openid"], claims["sid"], claims["userId"]
    )

    note(openid=session.user.openid, user_id=session.user.user_id)
    return Document(session.user.userinfo())
