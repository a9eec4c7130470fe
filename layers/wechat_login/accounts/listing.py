"""Lists users page by page, for operators: the one scan of the table."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping

from wechat_login.accounts.users import User
from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen
from wechat_login.storage.table import Key, Table

# DynamoDB looks at so many items a page, those of claims and counters too.
MOST_LOOKED_AT = 1000
LONGEST_KEY = 1024  # bytes, DynamoDB's limit of a sort key
KNOWN = {"registered", "blocked", "appid", "limit", "next", "by", "reason"}


@frozen
class UserPage:
    """A page of users, oldest first in the page; the next one may hold older ones."""

    users: list[User]
    next: str | None  # for the next page; None: there is none
    read_units: float


@frozen
class Listing:
    """Reads the whole table, a page at a time."""

    table: Table
    now: Callable[[], float] = time.time

    def page(self, event: Mapping[str, object]) -> UserPage:
        """Return the users among the next `limit` items, at most 1,000, that match the filters.

        `registered` and `blocked` are true or false, `appid` is a text; `next` comes from the page
        before. A page may be empty though there is a next one. Raises `BadRequest`.
        """
        flags = [event.get(name) for name in ("registered", "blocked")]
        appid, limit = event.get("appid"), event.get("limit", MOST_LOOKED_AT)
        if unknown := sorted(set(event) - KNOWN):
            raise BadRequest(f"There is no {unknown[0]}.")
        if not all(flag in (None, True, False) for flag in flags):
            raise BadRequest("registered and blocked are true or false.")
        if not isinstance(appid, str | None):
            raise BadRequest("appid is not a text.")
        if type(limit) is not int or not 1 <= limit <= MOST_LOOKED_AT:
            raise BadRequest(f"limit is not a number from 1 to {MOST_LOOKED_AT}.")
        page = self.table.scan(
            limit=limit,
            after=_read(event.get("next")),
            condition="begins_with(pk, :users) AND sk = :profile",
            values={":users": f"USER#{appid}#" if appid else "USER#", ":profile": "PROFILE"},
        )
        now, (registered, blocked) = self.now(), flags
        users = [
            user
            for user in map(User.from_item, page.items)
            if registered in (None, user.registered) and blocked in (None, user.is_blocked(now))
        ]
        users.sort(key=lambda user: (user.created_at, user.openid))
        return UserPage(users, _written(page.last), page.read_units)


def _written(key: Key | None) -> str | None:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode() if key else None


def _read(text: object) -> Key | None:
    if text is None:
        return None
    try:
        pk, sk = map(str, json.loads(base64.urlsafe_b64decode(str(text))))
        if not (0 < len(pk.encode()) <= LONGEST_KEY and 0 < len(sk.encode()) <= LONGEST_KEY):
            raise ValueError  # noqa: TRY301 - the same answer
    except (ValueError, TypeError, binascii.Error):
        raise BadRequest("next is not what the page before gave.") from None
    return pk, sk
