"""Look-ups for the team's own services, which see a whole record."""

from collections.abc import Callable, Mapping

from wechat_login.accounts.users import User, Users, check_ids
from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.wechat.phone_number import E164, PhoneNumber


@frozen
class LookUps:
    """Finds users by userId, openid or phone number, and decrypts their phone numbers.

    An openid or a number without an `appid` is one of the mini program `appid`.
    """

    everyone: Users
    appid: str
    keyring: Callable[[], Keyring]

    def users(self, by: Mapping[str, object]) -> list[User]:
        """Return the users of a `userId`, `unionid`, `openid` or `phone` such as `+8613800138000`.

        A userId and a unionid are looked up in all mini programs, an openid and a phone in `appid`.
        There are several users if accounts are linked. Raises `BadRequest`.
        """
        check_ids(*(by.get(name) for name in ("appid", "userId", "unionid", "openid")))
        appid = str(by.get("appid") or self.appid)
        match by:
            case {"userId": str(user_id)}:
                return self.everyone.with_id(user_id)
            case {"unionid": str(unionid)}:
                return self.everyone.with_unionid(unionid)
            case {"openid": str(openid)}:
                user = self.everyone.find(appid, openid)
                return [user] if user else []
            case {"phone": str(phone)} if E164.fullmatch(phone):
                return self.everyone.with_phone(appid, self.keyring().blind_index(phone))
        raise BadRequest("Send userId, unionid, openid, or a phone in E.164 form.")

    def number(self, user: User) -> PhoneNumber | None:
        """Return the user's number in clear, or None."""
        if user.sealed_phone is None:
            return None
        return PhoneNumber.from_text(self.keyring().open(user.sealed_phone, context=user.key[0]))

    def account(self, user: User) -> dict[str, object]:
        """Return the account as the user sees it, the number masked."""
        number = self.number(user)
        return user.shown(number.masked if number else None)

    def record(self, user: User) -> dict[str, object]:
        """Return all data stored about a user, the number in clear."""
        number = self.number(user)
        return {
            **user.shown(number.e164 if number else None),
            "appid": user.appid,
            "lastLoginAt": user.last_login_at,
            "updatedAt": user.updated_at,
            "roles": sorted(user.roles),
            "blocked": _shown_block(user.blocked),
        }

    def summary(self, user: User) -> dict[str, object]:
        return {**self.record(user), "phone": self.account(user)["phone"]}


def _shown_block(blocked: Mapping[str, object]) -> dict[str, object] | None:
    """Return the block, which may have ended, without the sessions that it ended."""
    if not blocked:
        return None
    return {name: blocked.get(name) for name in ("blockedAt", "endsAt", "reason")}
