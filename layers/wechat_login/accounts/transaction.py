"""Changes users and the claims on numbers, userIds and unionids together, in one transaction.

A change is planned on the items read, and fails if they have changed since (optimistic locking): a
user is compared by `revision`, which each change increments except logins and sessions, a claim by
its whole content. So a value that changes and changes back between read and write is noticed.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from wechat_login.accounts.outbox import events
from wechat_login.accounts.users import PROFILE, User, id_key, phone_key, union_key, user_key, uuid7
from wechat_login.errors import BadRequest, SessionInvalid, StorageUnavailable, UserBlocked
from wechat_login.frozen import frozen
from wechat_login.storage.table import (
    ConditionCheck,
    ConditionFailed,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Value,
    Write,
)

T = TypeVar("T")

# Each failed try means that another request wrote in between.
TRIES = 20
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MOST_WRITES = 100
# `:now` is the time in Unix seconds.
UNBLOCKED = "attribute_not_exists(blocked) OR blocked.endsAt <= :now"
REMOVED_PHONE = dict.fromkeys(("phone", "phoneIndex", "registeredAt", "phoneCodeHash"))


class Transaction:
    """The items that a change reads, and the planned writes."""

    def __init__(
        self, table: Table, known: Mapping[Key, Item | None], now: float, *, events: bool
    ) -> None:
        """Set up; `known` items are not read, `events` about users go into the outbox."""
        self.now = now
        self._table = table
        self._known = known
        self._events = events
        self._before: dict[Key, Item] = {}
        self._after: dict[Key, Item] = {}
        self._sids: dict[Key, str] = {}
        self._logged_out: set[Key] = set()
        self._checks: dict[Key, ConditionCheck] = {}

    def find(self, appid: str, openid: str) -> User | None:
        """Return a user as planned by this transaction, or None."""
        return self._user(user_key(appid, openid))

    def acting(self, user: User, sid: str) -> User:
        """Return the user whose session makes this change; it must be valid until the write.

        Raises `SessionInvalid` if the session has ended, or its user was erased, and `UserBlocked`.
        """
        found = self._user(user.key)
        if found is not None and found.is_blocked(self.now):
            raise UserBlocked(why="by the team")
        if found is None or sid not in found.sessions:
            raise SessionInvalid(why="ended meanwhile")
        self._sids[user.key] = sid
        return found

    def add(self, user: User) -> None:
        """Add a user, and the claims on their userId and unionid."""
        self._item(user.key)
        self._after[user.key] = {**user.item, "revision": int(self.now * 1000)}
        self.join(id_key(user.user_id), user)
        if user.unionid:
            self.join_union(user, user.unionid)

    def change(self, user: User, changes: Mapping[str, Value | None]) -> User:
        """Set attributes of a user's item, remove those that are None, and return the user."""
        changed = {**self._item(user.key), **changes}
        self._after[user.key] = {name: each for name, each in changed.items() if each is not None}
        return User.from_item(self._after[user.key])

    def remove(self, user: User) -> None:
        """Remove a user, their sessions and their claims."""
        self.leave(id_key(user.user_id), user)
        if user.phone_index:
            self.leave(phone_key(user.appid, user.phone_index), user)
        if user.unionid:
            self._leave_union(user, user.unionid)
        self._after[user.key] = {}

    def end_sessions(self, user: User) -> None:
        """End every session of a user, those that begin before the write too."""
        self.change(user, {"sessions": {}})
        self._logged_out.add(user.key)

    def require_unblocked(self, user: User) -> None:
        """Raise `UserBlocked` if the user is blocked; they must not be at the write either."""
        if user.is_blocked(self.now):
            raise UserBlocked(why="by the team")
        self._checks[user.key] = ConditionCheck(user.key, UNBLOCKED, {":now": int(self.now)})

    def require_expired(self, key: Key) -> bool:
        """Return whether an item is missing or has expired; it must be so at the write too."""
        expired = "attribute_not_exists(pk) OR expiresAt <= :now"
        self._checks[key] = ConditionCheck(key, expired, {":now": int(self.now)})
        return bool(self._item(key).get("expiresAt", 0) <= self.now)

    def put(self, key: Key, item: Item) -> None:
        """Set an item that is neither a user nor a claim, or remove it if `item` is empty."""
        self._item(key)
        self._after[key] = {"pk": key[0], "sk": key[1], **item} if item else {}

    def all_owners(self, claim: Key) -> list[User]:
        """Return the owners of a claim, which must have no others at the write."""
        if item := self._item(claim):
            self._checks[claim] = ConditionCheck(claim, *_unchanged(item))
        return self.owners(claim)

    def person(self, unionid: str) -> str | None:
        """Return the userId of the person with a unionid, or None."""
        user_id: str | None = self._item(union_key(unionid)).get("userId")
        return user_id

    def join_union(self, user: User, unionid: str) -> User:
        """Give a user a unionid, and claim it for their userId if no other userId has it."""
        if user.unionid and user.unionid != unionid:
            self._leave_union(user, user.unionid)
        # The userId of a linked user is another person's.
        own = uuid7(self.now) if user.linked else user.user_id
        self.join(union_key(unionid), user, userId=self.person(unionid) or own)
        return self.change(user, {"unionid": unionid})

    def _leave_union(self, user: User, unionid: str) -> None:
        claim = union_key(unionid)
        self.leave(claim, user)
        # A linked user has the userId of another person for a while, and comes back to this one.
        left = [each for each in self.owners(claim) if not each.linked]
        if left and self.person(unionid) not in {each.user_id for each in left}:
            oldest = min(left, key=lambda each: each.created_at)
            self.join(claim, oldest, userId=oldest.user_id)

    def _own_id(self, user: User) -> str:
        """Return the userId that a user has without those they are linked to."""
        known = self.person(user.unionid) if user.unionid else None
        return known if known and known != user.user_id else uuid7(self.now)

    def owners(self, claim: Key) -> list[User]:
        pks = self._item(claim).get("owners", frozenset())
        found = [self._user((pk, PROFILE)) for pk in sorted(pks)]
        return [user for user in found if user]

    def join(self, claim: Key, user: User, **more: Value) -> None:
        """Make a user an owner of a claim; `more` are other attributes of the claim.

        The user must be as read at the write too: a claim of an erased user would stay for ever.
        """
        if before := self._before[user.key]:
            self._checks.setdefault(user.key, ConditionCheck(user.key, *_as_read(before)))
        item = self._item(claim)
        owners = item.get("owners", frozenset()) | {user.key[0]}
        self._after[claim] = {**item, "pk": claim[0], "sk": claim[1], **more, "owners": owners}

    def leave(self, claim: Key, user: User) -> None:
        """Remove a user from a claim, and the claim itself with its last owner."""
        item = self._item(claim)
        owners = item.get("owners", frozenset()) - {user.key[0]}
        self._after[claim] = {**item, "owners": owners} if owners else {}

    def leave_phone(self, user: User) -> User:
        """Unbind a user's number, and return the user, whose userId may be new.

        A userId belongs to the account that had it first; linked accounts share it only while all
        have the number. If the first account leaves, the others get the userId of a unionid or
        a new one; if another leaves, it gets such a userId itself.
        """
        claim = phone_key(user.appid, user.phone_index or "")
        self.leave(claim, user)
        others = [each for each in self.owners(claim) if each.user_id == user.user_id]
        user = self.change(user, REMOVED_PHONE)
        if user.linked:
            return self.change(self.rename(user, self._own_id(user)), {"linked": None})
        # Of merged users each has had the userId first.
        if others and all(each.linked for each in others):
            first = min(others, key=lambda each: each.registered_at or 0)
            user_id = self._own_id(first)
            for other in others:
                self.join(claim, self.rename(other, user_id), userId=user_id)
            self.change(first, {"linked": None})
        return user

    def rename(self, user: User, user_id: str) -> User:
        self.leave(id_key(user.user_id), user)
        self.join(id_key(user_id), user)
        return self.change(user, {"userId": user_id})

    def writes(self) -> list[Write]:
        """Return the writes, on the condition that nothing has changed since it was read.

        Raises `BadRequest` if these are more than a transaction takes.
        """
        changed = [
            key
            for key, item in self._after.items()
            if item != self._before[key] or key in self._logged_out
        ]
        writes = [self._write(key, self._before[key], self._after[key]) for key in changed]
        checks = [check for key, check in self._checks.items() if key not in changed]
        writes += [*checks, *self._outbox(changed)] if writes else []
        if len(writes) > MOST_WRITES:
            raise BadRequest("These are too many users for one change.", writes=len(writes))
        return writes

    def _outbox(self, changed: list[Key]) -> Iterator[Write]:
        """Yield the events about the users who change, if other services want them."""
        for key in changed if self._events else []:
            before, after = self._before[key], self._after[key]
            if key[1] == PROFILE:
                revision = after["revision"] if not before else self._next_revision(before)
                named = self._before.get(id_key((after or before)["userId"]), {})
                is_taken = bool(named.get("owners", frozenset()) - {key[0]})
                yield from events(before, after, revision, self.now, is_taken=is_taken)

    def _next_revision(self, before: Item) -> int:
        # A user of an earlier version has no revision yet.
        return int(before.get("revision") or self.now * 1000) + 1

    def _user(self, key: Key) -> User | None:
        item = self._item(key)
        return User.from_item(item) if item else None

    def _item(self, key: Key) -> Item:
        if key not in self._after:
            found = self._known[key] if key in self._known else self._table.get(key)
            self._before[key] = self._after[key] = found or {}
        return self._after[key]

    def _write(self, key: Key, before: Item, after: Item) -> Write:
        if not before:
            return Put(after, "attribute_not_exists(pk)")
        if key[1] == PROFILE:
            return self._write_user(key, before, after)
        condition, values = _unchanged(before)
        return Put(after, condition, values) if after else Delete(key, condition, values)

    def _write_user(self, key: Key, before: Item, after: Item) -> Write:
        condition, values = _as_read(before)
        if not after:
            return Delete(key, condition, values)
        names: dict[str, str] = {}
        if key in self._sids:
            condition += " AND attribute_exists(sessions.#sid)"
            names["#sid"] = self._sids[key]
        after = {**after, "revision": self._next_revision(before)}
        sets, removes = [], []
        differing = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        # A login does not change the revision, so there may be sessions that were not read.
        for name in sorted(differing | ({"sessions"} if key in self._logged_out else set())):
            names[f"#{name}"] = name
            if name in after:
                sets.append(f"#{name} = :new_{name}")
                values[f":new_{name}"] = after[name]
            else:
                removes.append(f"#{name}")
        expression = f"SET {', '.join(sets)}"
        if removes:
            expression += f" REMOVE {', '.join(removes)}"
        return Update(key, expression, condition, values, names)


@frozen
class Transactions:
    """Plans and writes a change until the write succeeds; with `events`, into the outbox too."""

    table: Table
    events: bool = False
    now: Callable[[], float] = time.time

    def run(
        self, plan: Callable[[Transaction], T], assumed: Mapping[Key, Item | None] | None = None
    ) -> T:
        """Plan a change, write it, and return what `plan` returned.

        The first try takes items from `assumed` and reads the others; each later try reads all of
        them. Raises what `plan` raises, and `StorageUnavailable`.
        """
        known: Mapping[Key, Item | None] = assumed or {}
        for _ in range(TRIES):
            transaction = Transaction(self.table, known, self.now(), events=self.events)
            planned = plan(transaction)
            writes = transaction.writes()
            try:
                if writes:
                    self.table.write(*writes)
            except ConditionFailed:
                known = {}
            else:
                return planned
        raise StorageUnavailable(operation="transaction", tries=TRIES)


def _as_read(user: Item) -> tuple[str, dict[str, Value]]:
    """Return the condition that a user is as they were read, except logins and sessions."""
    condition, values = "userId = :user_id", {":user_id": user["userId"]}
    if "revision" not in user:
        return f"{condition} AND attribute_not_exists(revision)", values
    return f"{condition} AND revision = :revision", {**values, ":revision": user["revision"]}


def _unchanged(item: Item) -> tuple[str, dict[str, Value]]:
    """Return the condition that an item is as it was read, and its values."""
    content = {name: each for name, each in item.items() if name not in ("pk", "sk")}
    condition = " AND ".join(f"{name} = :{name}" for name in content)
    return condition, {f":{name}": each for name, each in content.items()}
