"""Binds phone numbers to users: one owner a number, whatever happens at once.

A code is paid for and works once. So its hash is kept: sent again by the same user it is answered
from here; and where the table fails after WeChat gave the number, the user gets a sealed receipt
that does what the code would have done.

What happens to a number that belongs to another openid is the deployment's choice:

    transfer  the number moves here; the earlier account keeps its data but must register again
    link      this openid joins the earlier account: the same userId, the same number
    reject    `PhoneTaken`
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wechat_login.accounts.users import TRIES, User, UserStore, id_key, leave, phone_key
from wechat_login.errors import (
    BadRequest,
    CodeRejected,
    LegacyPhoneDisabled,
    PhoneTaken,
    SealBroken,
    SessionInvalid,
    StorageUnavailable,
)
from wechat_login.storage.aws import LONGEST_CALL
from wechat_login.storage.table import ConditionFailed, Item, Key, Put, Table, Update, Value, Write
from wechat_login.wechat.phone_number import E164, PhoneNumber

if TYPE_CHECKING:
    from wechat_login.accounts.attempts import Attempts
    from wechat_login.storage.sealing import Keyring

# Seconds between looks for what another request with the same code does.
LOOKS_FOR_A_TWIN = (0.1, 0.2, 0.4, 0.8, 1.6)
# Seconds between tries to write a number that was paid for.
PAUSES_TO_WRITE = (0.2, 0.5, 1.0, 2.0)
# Another try is begun only while so many seconds are left: then there are some for the receipt.
RESERVE = LONGEST_CALL + 1.0
RECEIPT_SECONDS = 600
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
        attempts: "Attempts",
        screen: Callable[[User, str], None],
        exchange: Callable[[str, str], PhoneNumber],
        legacy: Callable[[User, str, str], PhoneNumber] | None,
        time_left: Callable[[], float],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wire it.

        `screen(user, client_ip)` raises for whom WeChat thinks too risky; `exchange(code, openid)`
        and `legacy(user, encryptedData, iv)`, or None for off, return the number.
        """
        self._table = table
        self._users = users
        self._keyring = keyring
        self._conflict = conflict
        self._attempts = attempts
        self._screen = screen
        self._exchange = exchange
        self._legacy = legacy
        self._time_left = time_left
        self._now = now
        self._sleep = sleep

    def register(self, user: User, code: str, client_ip: str) -> User:
        """Bind the number that WeChat gives for a phone code, and return the user as bound.

        Raises `PhoneTaken`, `CodeRejected`, `UserBlocked`, `TooManyAttempts`, what the exchange
        raises, and `SessionInvalid` when the user was erased meanwhile; then nothing is bound.
        Raises `StorageUnavailable` with a receipt when the number could not be written.
        """
        return self._register(
            user, code, client_ip, exchange=lambda: self._exchange(code, user.openid)
        )

    def register_legacy(self, user: User, encrypted_data: str, iv: str, client_ip: str) -> User:
        """Bind the number in `encryptedData`; like `register`.

        Raises `LegacyPhoneDisabled`, and `SessionKeyStale` for whatever is wrong with the data.
        """
        legacy = self._legacy
        if legacy is None:
            raise LegacyPhoneDisabled
        return self._register(
            user, encrypted_data, client_ip, exchange=lambda: legacy(user, encrypted_data, iv)
        )

    def redeem(self, user: User, receipt: str) -> User:
        """Bind the number of a receipt: ten minutes long, and for this user only."""
        try:
            paid = json.loads(self._keyring().open(receipt, context=_receipt_context(user)))
        except SealBroken:
            paid = None
        # Raised here, so that nothing of the receipt hangs on the exception.
        if paid is None or paid["until"] < self._now():
            raise CodeRejected(why="receipt")
        return self._bind(user, PhoneNumber.from_text(paid["number"]), paid["hash"])

    def number(self, user: User) -> PhoneNumber | None:
        """Return the user's number in clear, or None."""
        if user.sealed_phone is None:
            return None
        text = self._keyring().open(user.sealed_phone, context=user.key[0])
        return PhoneNumber.from_text(text)

    def record(self, user: User) -> dict[str, object]:
        """Return everything that is held about a user, the number in clear, for the team itself."""
        number = self.number(user)
        return {
            **user.shown(number.e164 if number else None),
            "appid": user.appid,
            "lastLoginAt": user.last_login_at,
            "updatedAt": user.updated_at,
        }

    def named(self, by: Mapping[str, object]) -> list[User]:
        """Return the users of a `userId`, an `openid` or a `phone` such as `+8613800138000`.

        There are several where they share a number by linking. Raises `BadRequest`.
        """
        match by:
            case {"userId": str(user_id)}:
                return self._users.find_by_id(user_id)
            case {"openid": str(openid)}:
                return self._users.find_by_openid(openid)
            case {"phone": str(phone)} if E164.fullmatch(phone):
                return self._users.find_by_phone(self._keyring().blind_index(phone))
        raise BadRequest("Send userId, openid, or a phone in E.164 form.")

    def forget(self, openid: str, *, unless_newer_than: float) -> None:
        """Unbind a user's number, unless it was registered after that Unix time."""
        for _ in range(TRIES):
            user = self._users.find(openid)
            if user is None or user.phone_index is None:
                return
            if (user.registered_at or 0) > unless_newer_than:
                return
            number = phone_key(user.appid, user.phone_index)
            claim = self._table.get(number)
            # None: left in between, and then the user's own record has changed as well.
            left = [leave(number, user.key[0], claim["owners"])] if claim else []
            try:
                self._table.write(_forget(user.key, user.phone_index), *left)
            except ConditionFailed:
                continue
            return
        raise StorageUnavailable(operation="forget_phone", tries=TRIES)

    def _register(
        self, user: User, proof: str, client_ip: str, *, exchange: Callable[[], PhoneNumber]
    ) -> User:
        proof_hash = hashlib.sha256(proof.encode()).hexdigest()
        if user.phone_code_hash == proof_hash:
            return user
        if not self._attempts.begin(user, proof_hash):
            twin = self._twin(user, proof_hash)
            if twin is not None:
                return twin
            # Its request ended otherwise, or died: the user may still have what they paid for.
            self._attempts.begin_again(user)
        self._screen(user, client_ip)
        # What the number will be sealed with has to be there before the code is spent.
        self._keyring()
        return self._bind(user, exchange(), proof_hash)

    def _twin(self, user: User, proof_hash: str) -> User | None:
        """Return the user as another request with the same code registers them meanwhile."""
        for pause in LOOKS_FOR_A_TWIN:
            twin = self._users.find(user.openid)
            if twin and twin.phone_code_hash == proof_hash:
                return twin
            self._sleep(pause)
        return None

    def _bind(self, user: User, number: PhoneNumber, proof_hash: str) -> User:
        """Write a number that was paid for; while the table fails, again, and then a receipt."""
        pauses = iter(PAUSES_TO_WRITE)
        while True:
            try:
                return self._bind_once(user, number, proof_hash)
            except StorageUnavailable as failure:
                pause = next(pauses, None)
                if pause is None or self._time_left() < pause + RESERVE:
                    failure.told["receipt"] = self._receipt(user, number, proof_hash)
                    raise
            self._sleep(pause)

    def _receipt(self, user: User, number: PhoneNumber, proof_hash: str) -> str:
        until = int(self._now()) + RECEIPT_SECONDS
        paid = {"number": number.to_text(), "hash": proof_hash, "until": until}
        return self._keyring().seal(json.dumps(paid), context=_receipt_context(user))

    def _bind_once(self, user: User, number: PhoneNumber, proof_hash: str) -> User:
        keyring = self._keyring()
        index = keyring.blind_index(number.e164)
        sealed = keyring.seal(number.to_text(), context=user.key[0])
        seen = _Seen.at_first(user)
        for _ in range(TRIES):
            bound = replace(
                user,
                sealed_phone=sealed,
                phone_index=index,
                registered_at=int(self._now()),
                phone_code_hash=proof_hash,
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
                writes[other] = _forget((other, user.key[1]), bound.phone_index or "")
        elif self._conflict == "link":
            as_seen: dict[str, Value] = {":seen": seen.owners}
            writes["number"] = _join(number, bound, "owners = :seen", as_seen)
            if bound.user_id != user.user_id:
                writes["account"] = Update(
                    id_key(bound.user_id),
                    "ADD owners :me",
                    "attribute_exists(pk)",
                    {":me": frozenset({me})},
                )
                writes["id"] = leave(id_key(user.user_id), me, seen.id_sharers)
        else:
            raise PhoneTaken
        if user.phone_index not in (None, bound.phone_index):
            former = phone_key(user.appid, user.phone_index or "")
            writes["former"] = leave(former, me, seen.former_sharers)
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
    """Return the write that adds the user to a number's owners."""
    values = {**values, ":me": frozenset({bound.key[0]}), ":id": bound.user_id}
    return Update(claim, "SET userId = :id ADD owners :me", condition, values)


def _take_over(claim: Key, bound: User, owners: frozenset[str]) -> Put:
    """Return the write that makes the user the only owner of a claim."""
    pk, sk = claim
    item: Item = {"pk": pk, "sk": sk, "userId": bound.user_id, "owners": frozenset({bound.key[0]})}
    return Put(item, "owners = :owners", {":owners": owners})


def _forget(user: Key, index: str) -> Update:
    """Return the write that takes a number from a user's own record."""
    return Update(user, FORGET_PHONE, "phoneIndex = :index", {":index": index})


def _receipt_context(user: User) -> str:
    return f"receipt {user.key[0]}"
