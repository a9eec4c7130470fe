"""Every five minutes: keeps the access token of each mini program in SSM fresh."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, task


@task
def handler(event: Event) -> Mapping[str, object]:
    valid_seconds = wiring.renewal().renew(event.get("appid"))

    note(valid_seconds=valid_seconds)
    return {"validSeconds": valid_seconds}
