"""PUT /account: sets the nickname and the avatar, or removes them with null."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    changes = request.texts(nickname=32, avatarUrl=1024)
    wiring.screening().text(session.user, changes.get("nickname"))
    user = wiring.users().update_profile(session.user, changes)
    number = wiring.phones().number(user)

    request.note(openid=user.openid, user_id=user.user_id, changed=sorted(changes))
    return Reply(user.shown(number.masked if number else None))
