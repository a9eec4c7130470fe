"""PUT /account: sets the nickname and the avatar, or removes them with null."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.users, wiring.phones)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    changes = request.texts(nickname=32, avatarUrl=1024)
    user = wiring.users().update_profile(session.user, changes, wiring.screening().text)
    number = wiring.phones().number(user)

    note(openid=user.openid, user_id=user.user_id, changed=sorted(changes))
    return Reply(user.shown(number.masked if number else None))
