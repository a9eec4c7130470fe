"""Every day, or by hand with {"now": true}: make the next signing key if due, drop old keys."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, count, note, task


@task
def handler(event: Event) -> Mapping[str, object]:
    counts = wiring.rotation().rotate(by_hand=event.get("now") is True)

    note(**counts)
    count(SigningKeyChecks=1)
    return counts
