"""Records what each transaction changed and the events that it wrote, and says which it owed."""

import json
from dataclasses import dataclass

from tests.support import stored
from wechat_login.storage.table import Put, Table

SHOWN = ("nickname", "avatarUrl", "roles", "unionid")


@dataclass(frozen=True)
class Written:
    """A transaction: every user's item before and after it, and the details of its events."""

    before: dict
    after: dict
    events: list
    size: int

    @property
    def reported(self):
        return sorted((event["type"], event["openid"]) for event in self.events)

    @property
    def owed(self):
        """Return the events that the change of the stored items asks for."""
        users = self.before.keys() | self.after.keys()
        return sorted((f"user.{kind}", pk.split("#")[2]) for pk in users for kind in self._owed(pk))

    def _owed(self, pk):
        before, after = self.before.get(pk), self.after.get(pk)
        if before is None or after is None:
            return {"created"} if before is None else {"erased"}
        kinds = set()
        if before.get("phoneIndex") != after.get("phoneIndex"):
            kinds.add("registered" if after.get("phoneIndex") else "unregistered")
        if before.get("blocked") != after.get("blocked"):
            kinds.add("blocked" if after.get("blocked") else "unblocked")
        if before["userId"] != after["userId"]:
            had_it = {each for each, one in self.before.items() if one["userId"] == after["userId"]}
            comes_back = "linked" in before and "linked" not in after
            kinds.add("merged" if had_it - {pk} and not comes_back else "updated")
        if any(before.get(name) != after.get(name) for name in SHOWN):
            kinds.add("updated")
        return kinds


class Recorded(Table):
    """A table that records each transaction. `items` reads the whole table."""

    def __init__(self, client, name):
        super().__init__(client, name, lambda: 10.0)
        self.items = lambda: stored.read_all(client, name)
        self.transactions = []
        self._users = {}

    def write(self, *writes):
        super().write(*writes)
        events = [event(each.request["Item"]) for each in writes if is_event(each)]
        before, self._users = self._users, dict(self._users)
        for pk, sk in map(key_of, writes):
            if sk == "PROFILE":
                self._users[pk] = self.get((pk, sk))
        self._users = {pk: user for pk, user in self._users.items() if user}
        self.transactions.append(Written(before, self._users, events, len(writes)))

    @property
    def events(self):
        """Return the detail and the type of each event, in the order of the transactions."""
        return [event for each in self.transactions for event in each.events]

    def of_type(self, kind):
        return [event for event in self.events if event["type"] == f"user.{kind}"]


def key_of(write):
    key = write.request.get("Key") or write.request["Item"]
    return key["pk"]["S"], key["sk"]["S"]


def is_event(write):
    return isinstance(write, Put) and write.request["Item"]["pk"]["S"].startswith("EVENT#")


def event(item):
    """Return the detail of an item of the outbox, and its type."""
    return {**json.loads(item["detail"]["S"]), "type": item["sk"]["S"].partition("#")[2]}
