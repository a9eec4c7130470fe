"""PUT /account: set the nickname and the avatar, or remove them with null."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.profiles, wiring.look_ups)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    changes = request.texts(nickname=32, avatarUrl=1024)
    user = wiring.profiles().update(session, changes, wiring.screening().text)

    note(openid=user.openid, user_id=user.user_id, changed=sorted(changes))
    return Reply(wiring.look_ups().account(user))
