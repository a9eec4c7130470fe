"""Who somebody is: the openid is the key, the phone number is a claim.

    pk                        sk        holds
    USER#<appid>#<openid>     PROFILE   the user
    PHONE#<appid>#<index>     OWNER     whose number it is: a set, as linked accounts share one
    ID#<userId>               OWNER     whose id it is: likewise

What must be unique is claimed by a conditional write, never looked up first and written then.
"""

import re
import secrets
import time
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wechat_login.errors import BadRequest, SessionInvalid, StorageUnavailable
from wechat_login.storage.table import (
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

if TYPE_CHECKING:
    from wechat_login.wechat.client import Identity

PROFILE = "PROFILE"
# Control characters, line ends, and what turns the direction of the text around it.
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Unicode's categories of what leaves ink: letters, numbers, punctuation, symbols.
INK = set("LNPS")
AVATAR_URL = re.compile(r"https://[^\s\"'<>\\/?#][^\s\"'<>\\]*")
# A transaction takes 100 writes; the user and two claims are always among the last.
MOST_AT_ONCE = 97
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
    sealed_session_key: str | None = field(default=None, repr=False)
    attempts_window: int | None = None
    nickname: str | None = field(default=None, repr=False)
    avatar_url: str | None = field(default=None, repr=False)
    updated_at: int | None = None
    logins: int = 1
    is_new: bool = False

    @property
    def key(self) -> Key:
        """Where the user lies in the table."""
        return user_key(self.appid, self.openid)

    @property
    def registered(self) -> bool:
        """Whether a phone number is bound."""
        return self.phone_index is not None

    def shown(self, phone: str | None) -> dict[str, object]:
        """Return the account as the API shows it; `phone` masked or not, as the reader may see."""
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
        """Return the claims of OpenID Connect's UserInfo (5.3); what is not known is left out."""
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
            sealed_session_key=item.get("sessionKey"),
            attempts_window=item.get("attemptsWindow"),
            nickname=item.get("nickname"),
            avatar_url=item.get("avatarUrl"),
            updated_at=item.get("updatedAt"),
            logins=item["logins"],
        )


class UserStore:
    """Makes, finds and erases the users of one mini program."""

    def __init__(
        self,
        table: Table,
        *,
        appid: str,
        seal_session_key: Callable[[str, str], str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Wire the store: session_keys are kept only with `seal_session_key(openid, key)`."""
        self._table = table
        self._appid = appid
        self._seal_session_key = seal_session_key
        self._now = now

    def find(self, openid: str) -> User | None:
        """Return the user of this openid, or None."""
        item = self._table.get(user_key(self._appid, openid))
        return User.from_item(item) if item else None

    def find_by_openid(self, openid: str) -> list[User]:
        """Return the user of this openid in a list, like the other look-ups."""
        user = self.find(openid)
        return [user] if user else []

    def find_by_id(self, user_id: str) -> list[User]:
        """Return the users of this userId: one, or those that share a number by linking."""
        return self._owners(id_key(user_id))

    def find_by_phone(self, phone_index: str) -> list[User]:
        """Return the users of the number with this blind index."""
        return self._owners(phone_key(self._appid, phone_index))

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

    def update_profile(
        self, user: User, changes: Mapping[str, str | None], screen: Callable[[User, str], None]
    ) -> User:
        """Set or, with None, remove `nickname` and `avatarUrl`; `screen(user, nickname)` may raise.

        Raises `BadRequest`, and `SessionInvalid` when the user was erased meanwhile.
        """
        _check_profile(changes)
        nickname = changes.get("nickname")
        if nickname is not None:
            screen(user, nickname)
        now = int(self._now())
        values: dict[str, Value] = {":id": user.user_id, ":now": now}
        sets, removes = ["updatedAt = :now"], []
        for name, new in changes.items():
            if new is None:
                removes += [name, f"{name}SetAt"]
            else:
                sets += [f"{name} = :{name}", f"{name}SetAt = :now"]
                values[f":{name}"] = new
        expression = f"SET {', '.join(sets)}"
        if removes:
            expression += f" REMOVE {', '.join(removes)}"
        try:
            self._table.write(Update(user.key, expression, "userId = :id", values))
        except ConditionFailed:
            raise SessionInvalid(why="erased meanwhile") from None
        return replace(
            user,
            nickname=changes.get("nickname", user.nickname),
            avatar_url=changes.get("avatarUrl", user.avatar_url),
            updated_at=now,
        )

    def forget_profile(self, openid: str, name: str, *, unless_newer_than: float) -> None:
        """Remove `nickname` or `avatarUrl`, unless it was set after that Unix time."""
        removal = Update(
            user_key(self._appid, openid),
            f"SET updatedAt = :now REMOVE {name}, {name}SetAt",
            f"attribute_exists(pk) AND {name}SetAt <= :at",
            {":now": int(self._now()), ":at": int(unless_newer_than)},
        )
        try:
            self._table.write(removal)
        except ConditionFailed:
            return

    def erase(self, openid: str, *, unless_newer_than: float) -> None:
        """Remove everything that is held about an openid: user, sessions, claims, counters.

        The user and the claims go in one transaction; so does nearly always all the rest. A login
        in between is erased too. A user made after `unless_newer_than`, in Unix seconds, stays.
        """
        for _ in range(TRIES):
            items = self._table.query(user_key(self._appid, openid)[0])
            profile = next((item for item in items if item["sk"] == PROFILE), None)
            if profile is None or profile["createdAt"] > unless_newer_than:
                return
            user = User.from_item(profile)
            others: list[Write] = [
                Delete((item["pk"], item["sk"])) for item in items if item["sk"] != PROFILE
            ]
            try:
                while len(others) > MOST_AT_ONCE:
                    self._table.write(*others[:MOST_AT_ONCE])
                    del others[:MOST_AT_ONCE]
                self._table.write(_unless_changed(user), *self._leave_claims(user), *others)
            except ConditionFailed:
                continue  # logged in, registered or linked in between
            return
        raise StorageUnavailable(operation="erase", tries=TRIES)

    def _leave_claims(self, user: User) -> list[Write]:
        keys = [id_key(user.user_id)]
        if user.phone_index:
            keys.append(phone_key(user.appid, user.phone_index))
        claims = [(key, self._table.get(key)) for key in keys]
        return [leave(key, user.key[0], claim["owners"]) for key, claim in claims if claim]

    def _owners(self, claim: Key) -> list[User]:
        owners = (self._table.get(claim) or {}).get("owners", frozenset())
        profiles = [self._table.get((owner, PROFILE)) for owner in sorted(owners)]
        return [User.from_item(profile) for profile in profiles if profile]

    def _make(self, identity: "Identity") -> tuple[User, list[Write]]:
        now = self._now()
        user = User(
            appid=self._appid,
            openid=identity.openid,
            user_id=uuid7(now),
            created_at=int(now),
            last_login_at=int(now),
            unionid=identity.unionid,
            sealed_session_key=self._sealed_session_key(identity),
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
            "logins": user.logins,
            "sessionKey": user.sealed_session_key,
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
        values: dict[str, Value] = {":now": noted.last_login_at, ":id": user.user_id, ":one": 1}
        if unionid and unionid != user.unionid:
            expression += ", unionid = :unionid"
            values[":unionid"] = unionid
        session_key = self._sealed_session_key(identity)
        if session_key:
            expression += ", sessionKey = :session_key"
            values[":session_key"] = session_key
        if self._seal_session_key is None:
            # Kept from when LegacyPhone was on.
            expression += " REMOVE sessionKey"
        return noted, [Update(user.key, f"{expression} ADD logins :one", "userId = :id", values)]

    def _sealed_session_key(self, identity: "Identity") -> str | None:
        if self._seal_session_key is None or identity.session_key is None:
            return None
        return self._seal_session_key(identity.openid, identity.session_key)


def _check_profile(changes: Mapping[str, str | None]) -> None:
    nickname, avatar_url = changes.get("nickname"), changes.get("avatarUrl")
    if not changes:
        raise BadRequest("Send nickname, avatarUrl or both.")
    if nickname is not None and UNFIT.search(nickname):
        raise BadRequest("nickname holds control characters.")
    if nickname is not None and not INK & {unicodedata.category(each)[0] for each in nickname}:
        raise BadRequest("nickname is blank.")
    # chooseAvatar gives a path on the phone, which means nothing elsewhere.
    if avatar_url is not None and not AVATAR_URL.fullmatch(avatar_url):
        raise BadRequest("avatarUrl is not an https URL: upload chooseAvatar's file first.")


def leave(claim: Key, me: str, owners: frozenset[str]) -> Write:
    """Return the write that takes an owner off a claim; the last one takes the claim along."""
    values: dict[str, Value] = {":owners": owners}
    if owners == {me}:
        return Delete(claim, "owners = :owners", values)
    values[":me"] = frozenset({me})
    return Update(claim, "DELETE owners :me", "owners = :owners", values)


def _unless_changed(user: User) -> Delete:
    """Return the write that removes a user who has not logged in or changed number meanwhile."""
    values: dict[str, Value] = {":id": user.user_id, ":logins": user.logins}
    same_number = "attribute_not_exists(phoneIndex)"
    if user.phone_index:
        values[":index"] = user.phone_index
        same_number = "phoneIndex = :index"
    return Delete(user.key, f"userId = :id AND logins = :logins AND {same_number}", values)


def user_key(appid: str, openid: str) -> Key:
    """Return where a user lies."""
    return f"USER#{appid}#{openid}", PROFILE


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
