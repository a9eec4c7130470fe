"""The outbox: events about users, written in the transaction that changes them.

    pk                          sk                   holds
    EVENT#<appid>#<openid>      <revision>#<type>    the event's detail as JSON, and expiresAt

All events of a user have the same `pk`, so the table's stream keeps their order. docs/events.md
describes the types; an event never has a number, nickname, avatar, reason, role or session.
"""

import json
from collections.abc import Iterator

from wechat_login.accounts.users import User, uuid7
from wechat_login.storage.table import Item, Put

KEPT_SECONDS = 7 * 86_400
UPDATED = ("nickname", "avatarUrl", "roles", "unionid")


def events(
    before: Item, after: Item, revision: int, now: float, *, is_taken: bool
) -> Iterator[Put]:
    """Yield the writes for what a change of a user's item means; none if it means nothing.

    `before` is empty for a new user, `after` for an erased one. `is_taken` says whether another
    user already had the userId that the change gives.
    """
    user = User.from_item(after or before)
    appid, openid = user.appid, user.openid
    for kind, more in _changes(before, after, is_taken=is_taken):
        detail = {
            "id": uuid7(now),
            "userId": user.user_id,
            "appid": appid,
            "openid": openid,
            "unionid": user.unionid,
            "time": int(now),
            "revision": revision,
            **more,
        }
        item = {
            "pk": f"EVENT#{appid}#{openid}",
            "sk": f"{revision:016d}#user.{kind}",
            "detail": json.dumps(detail),
            "expiresAt": int(now) + KEPT_SECONDS,
        }
        yield Put(item, "attribute_not_exists(pk)")


def _changes(before: Item, after: Item, *, is_taken: bool) -> Iterator[tuple[str, Item]]:
    """Yield the types of a change, and what their details have besides the usual."""
    if not after:
        yield "erased", {}
        return
    former = before.get("userId", after["userId"])
    moved = {"formerUserId": former} if former != after["userId"] else {}
    # A user who leaves linked accounts becomes the person again who they were.
    is_merged = moved and is_taken and not (before.get("linked") and not after.get("linked"))
    if not before:
        yield "created", {}
    elif is_merged:
        yield "merged", moved
    if before.get("phoneIndex") != after.get("phoneIndex"):
        yield "registered" if "phoneIndex" in after else "unregistered", {}
    if before.get("blocked") != after.get("blocked"):
        is_blocked = "blocked" in after
        until = {"blockedUntil": after["blocked"].get("endsAt")} if is_blocked else {}
        yield "blocked" if is_blocked else "unblocked", until
    is_updated = before and any(before.get(name) != after.get(name) for name in UPDATED)
    if is_updated or (moved and not is_merged):
        yield "updated", {} if is_merged else moved
