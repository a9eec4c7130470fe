"""Every five minutes: keeps WeChat's access token in SSM fresh."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import scheduled


@scheduled
def handler() -> Mapping[str, object]:
    return {"valid_seconds": wiring.access_tokens().renew()}
