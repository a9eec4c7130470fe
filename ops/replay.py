"""`make replay STAGE=prod SINCE=2026-11-21T08:00Z`: publishes again what the outbox still has.

The outbox keeps events for seven days. The command reads the whole table, prints how many events of
which type there are and what reading cost, and waits for `yes`. Then `publish_events` gets the
events in batches, the events of each user in their order. Consumers may get an event twice.
"""

# ruff: noqa: T201 - a command line's module
import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ops.stage import CannotGoOn, Stage, aws, confirm, find
from ops.users import PRICE, invoke
from wechat_login.accounts.outbox import KEPT_SECONDS

Item = Mapping[str, Any]
BATCH = 100
# Seconds between tries of a batch that EventBridge does not accept as a whole.
PAUSES = (1, 2, 4, 8, 16)


def since(text: str, now: float) -> int:
    """Return the Unix time of a date, UTC unless it names a zone. Raises `CannotGoOn`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        example = datetime.fromtimestamp(now - 3600, UTC).strftime("%Y-%m-%dT%H:%MZ")
        raise CannotGoOn(f"SINCE={text} is no time such as {example}") from None
    seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    if not now - KEPT_SECONDS <= seconds <= now:
        raise CannotGoOn(f"SINCE={text} is not within the last seven days, which the outbox keeps")
    return seconds


def waiting(stage: Stage, at: int) -> tuple[list[Item], float]:
    """Return the outbox's items since a Unix time by user and revision, and the read units."""
    table = stage.running["table"] if stage.is_local else stage.resource("Table")
    scan = (
        stage.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=table,
            FilterExpression="begins_with(pk, :events) AND expiresAt >= :least",
            ExpressionAttributeValues={
                ":events": {"S": "EVENT#"},
                ":least": {"N": str(at + KEPT_SECONDS)},
            },
            ReturnConsumedCapacity="TOTAL",
        )
    )
    pages = aws("reading the outbox", lambda: {"read": list(scan)})["read"]
    items = [item for page in pages for item in page["Items"]]
    units = sum(page["ConsumedCapacity"]["CapacityUnits"] for page in pages)
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"])), units


def publish(
    stage: Stage, items: Sequence[Item], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Let `publish_events` publish the items. Raises `CannotGoOn`."""
    at, pauses = 0, iter(PAUSES)
    while at < len(items):
        batch = items[at : at + BATCH]
        records = [_record(number, item) for number, item in enumerate(batch, at)]
        failures = invoke(stage, "PublishEvents", {"Records": records})["batchItemFailures"]
        published = int(failures[0]["itemIdentifier"]) if failures else at + len(batch)
        if published > at:
            at, pauses = published, iter(PAUSES)
            print(f"{at} of {len(items)} published", file=sys.stderr)
            continue
        pause = next(pauses, None)
        if pause is None:
            raise CannotGoOn(f"EventBridge accepts no more: {at} of {len(items)} were published")
        sleep(pause)


def _record(number: int, item: Item) -> dict[str, Any]:
    """Return an item as a record of the table's stream."""
    keys = {name: item[name] for name in ("pk", "sk")}
    image = {"Keys": keys, "NewImage": dict(item), "SequenceNumber": str(number)}
    return {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": image}


def replay(stage: Stage, text: str) -> None:
    """Show what there is, ask, and publish it. Raises `CannotGoOn`."""
    items, units = waiting(stage, since(text, time.time()))
    kinds = Counter(item["sk"]["S"].partition("#")[2] for item in items)
    for kind, number in sorted(kinds.items()):
        print(f"{kind}\t{number}")
    users = len({item["pk"]["S"] for item in items})
    cost = f"{units:.0f} read units, about ${units * PRICE / 1e6:.4f}"
    print(f"{len(items)} events of {users} users; {cost}", file=sys.stderr)
    if not items:
        return
    confirm("replay", "nothing was published")
    publish(stage, items)


def main() -> int:
    """Publish again; return 0 if that worked."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage")
    parser.add_argument("since")
    arguments = parser.parse_args()
    try:
        since(arguments.since, time.time())  # Before anything is asked of AWS.
        replay(find(arguments.stage), arguments.since)
    except CannotGoOn as reason:
        print(f"make replay: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
