"""For the team's own services, by IAM: userIds of one person in, the oldest kept for all."""

from collections.abc import Mapping

from wechat_login import wiring
from wechat_login.api import Event, note, note_act, task


@task
def handler(event: Event) -> Mapping[str, object]:
    merged = wiring.merging().merge(event)

    note(kept=merged["kept"], merged=merged["merged"], dry_run=merged["dryRun"])
    note_act("merge_users", event, [each["openid"] for each in merged["users"]])
    return merged
