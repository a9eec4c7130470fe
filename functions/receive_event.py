"""GET and POST /wechat/events: answer WeChat's check of this address, and its message pushes."""

from wechat_login import wiring
from wechat_login.api import Request, Text, endpoint, note

wiring.prepare(wiring.message_push, wiring.platform_events)


@endpoint
def handler(request: Request) -> Text:
    if request.method == "GET":
        return Text(wiring.message_push().echo(request.query))

    event = wiring.message_push().open(request.query, request.raw_body())
    done = wiring.platform_events().carry_out(event)
    wiring.message_push().done(request.query)

    note(event=event.get("Event", ""), done=done, openid=event.get("OpenID", ""))
    return Text("success")
