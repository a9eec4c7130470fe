"""Every five minutes: renew WeChat's access token in SSM."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, task


@task
def handler(_event: Event) -> Mapping[str, object]:
    valid_seconds = wiring.access_tokens().renew()

    note(valid_seconds=valid_seconds)
    return {"validSeconds": valid_seconds}
