"""The claim on a phone number: one account per number, even if requests run at the same time.

`PhoneConflict` decides if another openid has the number:

    transfer  the number moves here; the other account keeps its data but must register again
    link      this openid joins the other account, and shares its userId while both have the number
    reject    `PhoneTaken`

The time of consent decides, not the time of the write: a number is not bound if the user gave it
before withdrawing it, or before its present owner gave it.
"""

from collections.abc import Callable

from wechat_login.accounts.sessions import Session
from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User, phone_key
from wechat_login.errors import CodeRejected, PhoneTaken
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.storage.table import Item, Key, Value
from wechat_login.wechat.phone_number import PhoneNumber

# A transaction takes 100 writes; separating linked accounts takes three for each, and two events.
MOST_LINKED = 10


@frozen
class PhoneClaims:
    """Binds phone numbers to users, and unbinds them."""

    transactions: Transactions
    keyring: Callable[[], Keyring]
    conflict: str

    def bind(self, session: Session, number: PhoneNumber, proof: str) -> User:
        """Bind a number, and return the user; `proof` is the hash of the code that paid for it.

        Raises `PhoneTaken`, `UserBlocked`, `CodeRejected` if the consent is void, `SessionInvalid`
        if the session has ended meanwhile, and `StorageUnavailable`.
        """
        keyring, user = self.keyring(), session.user
        index = keyring.blind_index(number.e164)
        bound: dict[str, Value | None] = {
            "phone": keyring.seal(number.to_text(), context=user.key[0]),
            "phoneIndex": index,
            "registeredAt": number.given_at,
            "phoneCodeHash": proof,
        }

        def plan(transaction: Transaction) -> User:
            user = transaction.acting(session.user, session.sid)
            if user.phone_code_hash == proof:
                return user  # An earlier try bound the number, and its answer was lost.
            if number.given_at <= user.phone_removed_at:
                raise CodeRejected(why="withdrawn since")
            if (user.registered_at or 0) > number.given_at:
                if user.phone_index == index:
                    return user
                raise CodeRejected(why="another number since")
            if user.phone_index not in (None, index):
                user = transaction.leave_phone(user)
            claim = phone_key(user.appid, index)
            owners = transaction.owners(claim)
            if owners and user.openid not in {owner.openid for owner in owners}:
                user = self._resolve(transaction, user, owners, index, number.given_at)
            transaction.join(claim, user, userId=user.user_id)
            return transaction.change(user, bound)

        return self.transactions.run(plan, _usual(user, index))

    def forget(self, appid: str, openid: str, *, at: int) -> None:
        """Unbind a user's number, unless the user consented after that Unix time."""

        def plan(transaction: Transaction) -> None:
            user = transaction.find(appid, openid)
            if user is None or (user.registered_at or 0) > at:
                return
            if user.registered:
                user = transaction.leave_phone(user)
            transaction.change(user, {"phoneRemovedAt": max(at, user.phone_removed_at)})

        self.transactions.run(plan)

    def _resolve(
        self, transaction: Transaction, user: User, owners: list[User], index: str, given_at: int
    ) -> User:
        """Apply `PhoneConflict`, and return the user as changed."""
        if self.conflict == "link" and len(owners) < MOST_LINKED:
            if user.user_id == owners[0].user_id:
                return user
            transaction.require_unblocked(owners[0])
            return transaction.change(transaction.rename(user, owners[0].user_id), {"linked": 1})
        if self.conflict != "transfer":
            raise PhoneTaken
        # Linked users first: the account that they are linked to is then alone.
        for owner in sorted(owners, key=lambda each: not each.linked):
            # An owner who has just left the number may have given another one since.
            if owner.phone_index == index and (owner.registered_at or 0) > given_at:
                raise CodeRejected(why="the number has a new owner since")
            # Consents of the same second stay valid, so that a number may move again at once.
            left = transaction.leave_phone(owner)
            transaction.change(left, {"phoneRemovedAt": given_at - 1})
        return user


def _usual(user: User, index: str) -> dict[Key, Item | None]:
    """Return the items that a registration nearly always finds, so that it need not read them.

    They assume that the user has not changed since the session was read, and that nobody shares the
    number or the user's former number. If not, the transaction fails, and the next try reads.
    """
    assumed: dict[Key, Item | None] = {user.key: user.item, phone_key(user.appid, index): None}
    if user.phone_index:
        pk, sk = phone_key(user.appid, user.phone_index)
        owners = frozenset({user.key[0]})
        assumed[pk, sk] = {"pk": pk, "sk": sk, "userId": user.user_id, "owners": owners}
    return assumed
