"""POST /login: exchange a wx.login code for a session, and a registered user's token."""

from wechat_login import wiring
from wechat_login.api import Reply, Request, count, endpoint, note

wiring.prepare(
    wiring.mini_programs,
    wiring.wechat_client,
    wiring.rejected_codes,
    wiring.logins,
    wiring.app_tokens,
)


@endpoint
def handler(request: Request) -> Reply:
    code = request.code()
    asked = request.text("appid") if request.has("appid") else None
    appid = wiring.mini_programs().choose(asked, request.header("referer"))

    with wiring.rejected_codes().rejections(request.source_ip):
        identity = wiring.wechat_client(appid).jscode2session(code)
    login = wiring.logins().log_in(identity)
    user = login.user
    token = wiring.app_tokens().sign_for(user, sid=login.sid, domain=request.domain)

    note(appid=appid, openid=user.openid, user_id=user.user_id, new_user=login.is_new)
    count(Logins=1, NewUsers=int(login.is_new), UnionConflicts=int(login.is_conflict))
    lifetime = wiring.app_tokens().lifetime if token else None
    return Reply({**login.shown(), "token": token, "tokenExpiresIn": lifetime})
