"""Merges userIds of one person, for the team's own services.

Two userIds arise if WeChat gives the unionid only after the person was known in two mini programs.
"""

from collections.abc import Mapping
from typing import Any

from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User, Users, check_ids, id_key, phone_key, union_key
from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen


@frozen
class Merging:
    """Gives the users of several userIds the oldest of them."""

    transactions: Transactions
    users: Users

    def merge(self, by: Mapping[str, object]) -> dict[str, Any]:
        """Merge the userIds in `userIds`, or all that the users with a `unionid` have.

        Return `kept` (a userId), `merged` (userIds), `users` (those whose userId changes, each as
        `{"appid", "openid"}`) and `dryRun`. Nothing is written unless `dryRun` is false.
        Sessions stay; tokens of a merged userId are refused from then on. Raises `BadRequest`,
        `StorageUnavailable`.
        """
        dry_run = by.get("dryRun") is not False
        user_ids = self._user_ids(by)

        def plan(transaction: Transaction) -> dict[str, Any]:
            users = {each: transaction.all_owners(id_key(each)) for each in user_ids}
            unknown = sorted(each for each in user_ids if not users[each])
            if unknown:
                raise BadRequest("A userId has no users.", unknown=unknown)
            kept, *merged = sorted(user_ids, key=lambda each: (_since(users[each]), each))
            changed = [user for user_id in merged for user in users[user_id]]
            for user in () if dry_run else changed:
                _give(transaction, user, kept)
            shown = [{"appid": user.appid, "openid": user.openid} for user in changed]
            return {"kept": kept, "merged": merged, "users": shown, "dryRun": dry_run}

        return self.transactions.run(plan)

    def _user_ids(self, by: Mapping[str, object]) -> set[str]:
        match by:
            case {"userIds": [str(), str(), *_] as given}:
                check_ids(*given)
                return {str(each) for each in given}
            case {"unionid": str(unionid)}:
                check_ids(unionid)
                found = self.users.with_unionid(unionid)
                user_ids = {user.user_id for user in found if not user.linked}
                if user_ids:
                    return user_ids
        raise BadRequest("Send userIds, two or more, or the unionid of a user.")


def _since(users: list[User]) -> tuple[bool, int]:
    """Return a value that sorts userIds by age; linked users had another userId first."""
    return min((user.linked, user.created_at) for user in users)


def _give(transaction: Transaction, user: User, kept: str) -> None:
    former = user.user_id
    user = transaction.rename(user, kept)
    if user.phone_index:
        transaction.join(phone_key(user.appid, user.phone_index), user, userId=kept)
    if user.unionid and transaction.person(user.unionid) == former:
        transaction.join(union_key(user.unionid), user, userId=kept)
