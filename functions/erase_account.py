"""DELETE /account: erase the user, all sessions and the claim to the phone number."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, endpoint, note

wiring.prepare(wiring.sessions, wiring.erasure)


@endpoint
def handler(request: Request) -> Reply:
    session = wiring.sessions().authenticate(request.bearer())
    wiring.erasure().erase_account(session.user)

    note(user_id=session.user.user_id)
    return Reply(None)
