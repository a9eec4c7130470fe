"""Erases users with their sessions and claims, in one transaction."""

from collections.abc import Callable

from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User, id_key
from wechat_login.frozen import frozen


@frozen
class Erasure:
    """Erases users. What names nobody, such as attempts, expires by itself."""

    transactions: Transactions

    def erase_openid(self, appid: str, openid: str, *, at: float) -> None:
        """Erase the user of one openid, unless created after that Unix time.

        Linked accounts stay, as if the user had unbound the number. Raises `StorageUnavailable`.
        """

        def plan(transaction: Transaction) -> None:
            user = transaction.find(appid, openid)
            if user is None or user.created_at > at:
                return
            transaction.remove(transaction.leave_phone(user) if user.registered else user)

        self.transactions.run(plan)

    def erase_account(self, user: User) -> None:
        """Erase the account of a user who asked for that, with all linked openids.

        The person's accounts in other mini programs stay.
        """
        self._erase_account(user, lambda now: now.created_at == user.created_at)

    def erase_found(self, user: User) -> None:
        """Erase an account that was looked up, unless its userId or number has changed since."""
        wanted = user.user_id, user.phone_index
        self._erase_account(user, lambda now: (now.user_id, now.phone_index) == wanted)

    def _erase_account(self, user: User, is_meant: Callable[[User], bool]) -> None:
        def plan(transaction: Transaction) -> None:
            found = transaction.find(user.appid, user.openid)
            if found is None or not is_meant(found):
                return
            linked = transaction.owners(id_key(found.user_id))
            transaction.remove(found)
            for other in linked:
                if other.appid == found.appid and other.openid != found.openid:
                    transaction.remove(other)

        self.transactions.run(plan)
