"""Users: one item for each openid of a mini program, with the user's sessions in it.

    pk                        sk        holds
    USER#<appid>#<openid>     PROFILE   the user
    PHONE#<appid>#<index>     OWNER     the owners of a number: several if accounts are linked
    ID#<userId>               OWNER     the owners of a userId, in all mini programs
    UNION#<unionid>           OWNER     the users with a unionid, and the userId of that person
    BLOCK#<appid>#<hash>      OPENID    until when an openid is blocked, also if it is erased

`accounts.transaction` changes users and claims together.
"""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen
from wechat_login.storage.table import Item, Key, Table

PROFILE = "PROFILE"
LONGEST_ID = 128  # characters


@frozen
class User:
    """A person in one mini program. Times are Unix seconds."""

    appid: str
    openid: str
    user_id: str
    created_at: int
    last_login_at: int
    sessions: Mapping[str, Mapping[str, int]]  # sid -> createdAt, usedAt
    unionid: str | None
    sealed_phone: str | None
    phone_index: str | None
    registered_at: int | None  # when the user consented to the number that is bound
    phone_code_hash: str | None
    phone_removed_at: int  # consents up to this time are void; 0: all are valid
    linked: bool  # shares the userId of the account that had the number first
    sealed_session_key: str | None
    nickname: str | None
    avatar_url: str | None
    updated_at: int | None
    roles: frozenset[str]
    blocked: Mapping[str, Any]  # blockedAt, endsAt, reason, sids; or nothing
    item: Item  # the item as read

    @property
    def key(self) -> Key:
        return user_key(self.appid, self.openid)

    @property
    def registered(self) -> bool:
        """Return whether a phone number is bound."""
        return self.phone_index is not None

    def is_blocked(self, now: float) -> bool:
        """Return whether the team has blocked the user; a block without `endsAt` has no end."""
        return bool(self.blocked) and self.blocked.get("endsAt", now + 1) > now

    def shown(self, phone: str | None) -> dict[str, object]:
        """Return the account as the API shows it, with `phone` masked or in clear."""
        return {
            "userId": self.user_id,
            "openid": self.openid,
            "unionid": self.unionid,
            "phone": phone,
            "nickname": self.nickname,
            "avatarUrl": self.avatar_url,
            "createdAt": self.created_at,
            "registeredAt": self.registered_at,
        }

    def userinfo(self) -> dict[str, object]:
        """Return the claims of OpenID Connect's UserInfo (5.3) that are known."""
        claims = {
            "sub": self.user_id,
            "nickname": self.nickname,
            "picture": self.avatar_url,
            "phone_number_verified": self.registered,
            "updated_at": self.updated_at or self.created_at,
        }
        return {name: value for name, value in claims.items() if value is not None}

    @classmethod
    def from_item(cls, item: Item) -> "User":
        _, appid, openid = item["pk"].split("#", 2)
        return cls(
            appid=appid,
            openid=openid,
            user_id=item["userId"],
            created_at=item["createdAt"],
            last_login_at=item["lastLoginAt"],
            sessions=item.get("sessions", {}),
            unionid=item.get("unionid"),
            sealed_phone=item.get("phone"),
            phone_index=item.get("phoneIndex"),
            registered_at=item.get("registeredAt"),
            phone_code_hash=item.get("phoneCodeHash"),
            phone_removed_at=item.get("phoneRemovedAt", 0),
            linked=bool(item.get("linked")),
            sealed_session_key=item.get("sessionKey"),
            nickname=item.get("nickname"),
            avatar_url=item.get("avatarUrl"),
            updated_at=item.get("updatedAt"),
            roles=item.get("roles", frozenset()),
            blocked=item.get("blocked", {}),
            item=item,
        )


@frozen
class Users:
    """Finds users."""

    table: Table

    def find(self, appid: str, openid: str) -> User | None:
        item = self.table.get(user_key(appid, openid))
        return User.from_item(item) if item else None

    def with_id(self, user_id: str) -> list[User]:
        """Return the users of a userId, of all mini programs and linked accounts."""
        return [user for user in self._owners(id_key(user_id)) if user.user_id == user_id]

    def with_unionid(self, unionid: str) -> list[User]:
        """Return the users with a unionid, each of another mini program."""
        return [user for user in self._owners(union_key(unionid)) if user.unionid == unionid]

    def with_phone(self, appid: str, phone_index: str) -> list[User]:
        """Return the users of the number that has this blind index in a mini program."""
        owners = self._owners(phone_key(appid, phone_index))
        return [user for user in owners if user.phone_index == phone_index]

    def _owners(self, claim: Key) -> list[User]:
        owners = (self.table.get(claim) or {}).get("owners", frozenset())
        items = [self.table.get((owner, PROFILE)) for owner in sorted(owners)]
        return [User.from_item(item) for item in items if item]


def check_ids(*ids: object) -> None:
    """Raise `BadRequest` if a value cannot be an id; None is none."""
    if not all(each is None or (isinstance(each, str) and len(each) <= LONGEST_ID) for each in ids):
        raise BadRequest(f"An id is a text of at most {LONGEST_ID} characters.")


def user_key(appid: str, openid: str) -> Key:
    return f"USER#{appid}#{openid}", PROFILE


def phone_key(appid: str, index: str) -> Key:
    return f"PHONE#{appid}#{index}", "OWNER"


def id_key(user_id: str) -> Key:
    return f"ID#{user_id}", "OWNER"


def union_key(unionid: str) -> Key:
    return f"UNION#{unionid}", "OWNER"


def uuid7(now: float) -> str:
    """Return a UUIDv7, which sorts by time (RFC 9562, 5.7); Python has it from 3.14 on."""
    milliseconds = int(now * 1000) & 0xFFFF_FFFF_FFFF
    bits = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=bits | 0b10 << 62 | secrets.randbits(62)))
