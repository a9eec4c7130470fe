"""Binds phone numbers to users: one owner a number, whatever happens at once.

A code is paid for and works once, so its hash is kept: sent again by the same user it is answered
from here. What happens to a number that belongs to another openid is the deployment's choice:

    transfer  the number moves here; the earlier account keeps its data but must register again
    link      this openid joins the earlier account: the same userId, the same number
    reject    `PhoneTaken`
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wechat_login.errors import CodeRejected, PhoneTaken, SessionInvalid, StorageUnavailable
from wechat_login.table import ConditionFailed, Delete, Item, Key, Put, Table, Update, Value, Write
from wechat_login.users import TRIES, User, UserStore, id_key, phone_key

if TYPE_CHECKING:
    from wechat_login.sealing import Keyring

# The same code, in flight elsewhere: WeChat has answered there and the write is about to land.
LOOKS_FOR_A_TWIN = (0.1, 0.2, 0.4, 0.8)
FORGET_PHONE = "REMOVE phone, phoneIndex, registeredAt, phoneCodeHash"


class Phones:
    """Registers phone numbers of one mini program's users."""

    def __init__(
        self,
        table: Table,
        users: UserStore,
        *,
        keyring: "Callable[[], Keyring]",
        conflict: str,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._users = users
        self._keyring = keyring
        self._conflict = conflict
        self._now = now
        self._sleep = sleep

    def register(self, user: User, code: str, exchange: Callable[[str, str], str]) -> User:
        """Bind the number, in E.164, that `exchange(code, openid)` gives to the user.

        Raises `PhoneTaken`, `SessionInvalid` when the user was erased meanwhile, `CodeRejected` and
        what else `exchange` raises; then nothing is written.
        """
        code_hash = hashlib.sha256(code.encode()).hexdigest()
        if user.phone_code_hash == code_hash:
            return user
        try:
            number = exchange(code, user.openid)
        except CodeRejected:
            twin = self._twin(user, code_hash)
            if twin is None:
                raise
            return twin
        return self._bind(user, number, code_hash)

    def _twin(self, user: User, code_hash: str) -> User | None:
        """Return the user as another request with the same code has just registered them."""
        for pause in LOOKS_FOR_A_TWIN:
            twin = self._users.find(user.openid)
            if twin and twin.phone_code_hash == code_hash:
                return twin
            self._sleep(pause)
        return None

    def _bind(self, user: User, number: str, code_hash: str) -> User:
        keyring = self._keyring()
        index, sealed = keyring.blind_index(number), keyring.seal(number, context=user.key[0])
        seen = _Seen.at_first(user)
        for _ in range(TRIES):
            bound = replace(
                user,
                sealed_phone=sealed,
                phone_index=index,
                registered_at=user.registered_at or int(self._now()),
                phone_code_hash=code_hash,
            )
            if self._conflict == "link" and seen.belongs_to_others(user):
                bound = replace(bound, user_id=seen.account)
            writes = self._writes(user, bound, seen)
            try:
                self._table.write(*writes.values())
            except ConditionFailed as refused:
                found = dict(zip(writes, refused.items, strict=True))
            else:
                return bound
            user, seen = _same_user(user, found["profile"]), seen.corrected(found)
        raise StorageUnavailable(operation="register_phone", tries=TRIES)

    def _writes(self, user: User, bound: User, seen: "_Seen") -> "dict[str, Write]":
        """Return what has to be written together, each under the name of what it changes."""
        me, number = user.key[0], phone_key(user.appid, bound.phone_index or "")
        writes: dict[str, Write] = {"profile": _set_phone(user, bound)}
        if not seen.belongs_to_others(user):
            unclaimed = "attribute_not_exists(pk) OR contains(owners, :key)"
            writes["number"] = _join(number, bound, unclaimed, {":key": me})
        elif self._conflict == "transfer":
            writes["number"] = _take_over(number, bound, seen.owners)
            for other in seen.owners:
                writes[other] = Update(
                    (other, user.key[1]),
                    FORGET_PHONE,
                    "phoneIndex = :i",
                    {":i": bound.phone_index or ""},
                )
        elif self._conflict == "link":
            as_seen: dict[str, Value] = {":seen": seen.owners}
            writes["number"] = _join(number, bound, "owners = :seen", as_seen)
            writes["account"] = _join(id_key(bound.user_id), bound, "attribute_exists(pk)", {})
            writes["id"] = _leave(id_key(user.user_id), me, seen.id_sharers)
        else:
            raise PhoneTaken
        if user.phone_index not in (None, bound.phone_index):
            former = phone_key(user.appid, user.phone_index or "")
            writes["former"] = _leave(former, me, seen.former_sharers)
        return writes


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of the claims: a guess at first, corrected by what a failed condition found."""

    owners: frozenset[str]  # of the number
    account: str  # userId of the number's owners
    former_sharers: frozenset[str]  # of the user's former number
    id_sharers: frozenset[str]  # of the user's userId

    @classmethod
    def at_first(cls, user: User) -> "_Seen":
        alone = frozenset({user.key[0]})
        return cls(frozenset(), user.user_id, alone, alone)

    def belongs_to_others(self, user: User) -> bool:
        return bool(self.owners) and user.key[0] not in self.owners

    def corrected(self, found: dict[str, Item | None]) -> "_Seen":
        number, former, own = (found.get(name) for name in ("number", "former", "id"))
        return _Seen(
            owners=self.owners if number is None else number.get("owners", frozenset()),
            account=self.account if not number else number["userId"],
            former_sharers=self.former_sharers if not former else former["owners"],
            id_sharers=self.id_sharers if not own else own["owners"],
        )


def _same_user(user: User, profile: Item | None) -> User:
    """Return the user as they are now; `profile` is None where the user had not changed."""
    if profile is None:
        return user
    if not profile:
        raise SessionInvalid(why="erased meanwhile")
    return User.from_item(profile)


def _set_phone(user: User, bound: User) -> Update:
    values: dict[str, Value] = {
        ":phone": bound.sealed_phone or "",
        ":index": bound.phone_index or "",
        ":registered": bound.registered_at or 0,
        ":code": bound.phone_code_hash or "",
        ":id": bound.user_id,
        ":former_id": user.user_id,
    }
    condition = "userId = :former_id AND attribute_not_exists(phoneIndex)"
    if user.phone_index:
        values[":former"] = user.phone_index
        condition = "userId = :former_id AND phoneIndex = :former"
    return Update(
        user.key,
        "SET phone = :phone, phoneIndex = :index, registeredAt = :registered,"
        " phoneCodeHash = :code, userId = :id",
        condition,
        values,
    )


def _join(claim: Key, bound: User, condition: str, values: dict[str, Value]) -> Update:
    """Return the write that adds the user to a claim's owners."""
    values = {**values, ":me": frozenset({bound.key[0]}), ":id": bound.user_id}
    return Update(claim, "SET userId = :id ADD owners :me", condition, values)


def _take_over(claim: Key, bound: User, owners: frozenset[str]) -> Put:
    """Return the write that makes the user the only owner of a claim."""
    pk, sk = claim
    item: Item = {"pk": pk, "sk": sk, "userId": bound.user_id, "owners": frozenset({bound.key[0]})}
    return Put(item, "owners = :owners", {":owners": owners})


def _leave(claim: Key, me: str, sharers: frozenset[str]) -> Write:
    """Return the write that takes the user off a claim's owners; the last one takes it along."""
    values: dict[str, Value] = {":sharers": sharers}
    if sharers == {me}:
        return Delete(claim, "owners = :sharers", values)
    values[":me"] = frozenset({me})
    return Update(claim, "DELETE owners :me", "owners = :sharers", values)
