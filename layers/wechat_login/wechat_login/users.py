"""Who somebody is: the openid is the key, the phone number is a claim.

    pk                        sk        holds
    USER#<appid>#<openid>     PROFILE   the user
    PHONE#<appid>#<index>     OWNER     whose number it is: a set, as linked accounts share one
    ID#<userId>               OWNER     whose id it is: likewise

What must be unique is claimed by a conditional write, never looked up first and written then.
"""

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wechat_login.errors import StorageUnavailable
from wechat_login.table import ConditionFailed, Item, Key, Put, Table, Update, Value, Write

if TYPE_CHECKING:
    from wechat_login.wechat import Identity

# Each failed try means that somebody else's write went through in between.
TRIES = 20


@dataclass(frozen=True, slots=True)
class User:
    """A person in one mini program; `is_new` only in the answer to the login that made them."""

    appid: str
    openid: str
    user_id: str
    created_at: int
    last_login_at: int
    unionid: str | None = None
    sealed_phone: str | None = field(default=None, repr=False)
    phone_index: str | None = field(default=None, repr=False)
    registered_at: int | None = None
    phone_code_hash: str | None = field(default=None, repr=False)
    is_new: bool = False

    @property
    def key(self) -> Key:
        """Where the user lies in the table."""
        return user_key(self.appid, self.openid)

    @property
    def registered(self) -> bool:
        """Whether a phone number is bound."""
        return self.phone_index is not None

    @classmethod
    def from_item(cls, item: Item) -> "User":
        """Read a PROFILE item."""
        _, appid, openid = item["pk"].split("#", 2)
        return cls(
            appid=appid,
            openid=openid,
            user_id=item["userId"],
            created_at=item["createdAt"],
            last_login_at=item["lastLoginAt"],
            unionid=item.get("unionid"),
            sealed_phone=item.get("phone"),
            phone_index=item.get("phoneIndex"),
            registered_at=item.get("registeredAt"),
            phone_code_hash=item.get("phoneCodeHash"),
        )


class UserStore:
    """Makes, finds and erases the users of one mini program."""

    def __init__(self, table: Table, *, appid: str, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._appid = appid
        self._now = now

    def find(self, openid: str) -> User | None:
        """Return the user of this openid, or None."""
        item = self._table.get(user_key(self._appid, openid))
        return User.from_item(item) if item else None

    def record_login(self, identity: "Identity", session: Put) -> User:
        """Make the user or note the login, and write the session, in one transaction."""
        for _ in range(TRIES):
            known = self.find(identity.openid)
            user, writes = self._note(known, identity) if known else self._make(identity)
            try:
                self._table.write(*writes, session)
            except ConditionFailed:
                continue  # made or erased in between
            return user
        raise StorageUnavailable(operation="record_login", tries=TRIES)

    def _make(self, identity: "Identity") -> tuple[User, list[Write]]:
        now = self._now()
        user = User(
            appid=self._appid,
            openid=identity.openid,
            user_id=uuid7(now),
            created_at=int(now),
            last_login_at=int(now),
            unionid=identity.unionid,
            is_new=True,
        )
        pk, sk = user.key
        profile: Item = {
            "pk": pk,
            "sk": sk,
            "userId": user.user_id,
            "unionid": user.unionid,
            "createdAt": user.created_at,
            "lastLoginAt": user.last_login_at,
        }
        id_pk, id_sk = id_key(user.user_id)
        owner: Item = {"pk": id_pk, "sk": id_sk, "owners": frozenset({pk})}
        absent = "attribute_not_exists(pk)"
        return user, [Put(profile, absent), Put(owner, absent)]

    def _note(self, user: User, identity: "Identity") -> tuple[User, list[Write]]:
        # A mini program that joins an Open Platform account gets unionids later; users stay theirs.
        unionid = identity.unionid or user.unionid
        noted = replace(user, last_login_at=int(self._now()), unionid=unionid)
        expression = "SET lastLoginAt = :now"
        values: dict[str, Value] = {":now": noted.last_login_at, ":id": user.user_id}
        if unionid and unionid != user.unionid:
            expression += ", unionid = :unionid"
            values[":unionid"] = unionid
        return noted, [Update(user.key, expression, "userId = :id", values)]


def user_key(appid: str, openid: str) -> Key:
    """Return where a user lies."""
    return f"USER#{appid}#{openid}", "PROFILE"


def phone_key(appid: str, index: str) -> Key:
    """Return where the claim to a phone number lies."""
    return f"PHONE#{appid}#{index}", "OWNER"


def id_key(user_id: str) -> Key:
    """Return where the claim to a userId lies."""
    return f"ID#{user_id}", "OWNER"


def uuid7(now: float) -> str:
    """Return a UUID that sorts by time (RFC 9562, 5.7); Python has one from 3.14 on."""
    milliseconds = int(now * 1000) & 0xFFFF_FFFF_FFFF
    bits = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=bits | 0b10 << 62 | secrets.randbits(62)))
