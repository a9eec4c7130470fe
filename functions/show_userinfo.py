"""GET /userinfo: return the user of a token, as OpenID Connect's UserInfo."""

from wechat_login import wiring
from wechat_login.api import Document, Request, endpoint, note

wiring.prepare(wiring.sessions)


@endpoint
def handler(request: Request) -> Document:
    session = wiring.sessions().resume(
        *map(request.claim, ("appid", "openid", "sid", "userId")),
    )

    note(openid=session.user.openid, user_id=session.user.user_id)
    return Document(session.user.userinfo())
