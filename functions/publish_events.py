"""The table's stream: publishes the outbox's events on EventBridge."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, task


@task
def handler(event: Event) -> Mapping[str, object]:
    records = event.get("Records", [])
    repeat_from = wiring.publisher().publish(records)

    note(found=len(records))
    return {"batchItemFailures": [{"itemIdentifier": repeat_from}] if repeat_from else []}
