"""Erases accounts: everything about a user in one transaction."""

from collections.abc import Callable

from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User, id_key


class Erasure:
    """Erases users of one mini program."""

    def __init__(self, transactions: Transactions, *, appid: str) -> None:
        self._transactions = transactions
        self._appid = appid

    def erase(self, openid: str, *, at: float) -> None:
        """Erase the account of an openid, unless it was created after that Unix time.

        Openids that are linked to the account go as well, each with its sessions and claims.
        Attempts and pushes, which name nobody, expire by themselves. Raises `StorageUnavailable`.
        """
        self._erase(openid, lambda user: user.created_at <= at)

    def erase_found(self, found: User) -> None:
        """Erase an account that was looked up, unless it has another userId or number by now."""
        wanted = found.user_id, found.phone_index
        self._erase(found.openid, lambda user: (user.user_id, user.phone_index) == wanted)

    def _erase(self, openid: str, is_meant: Callable[[User], bool]) -> None:
        def plan(transaction: Transaction) -> None:
            user = transaction.find(self._appid, openid)
            if user is None or not is_meant(user):
                return
            transaction.remove(user)
            for other in transaction.owners(id_key(user.user_id)):
                if other.appid == self._appid:
                    transaction.remove(other)

        self._transactions.run(plan)
