"""Nickname and avatar: their rules and changes."""

import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from wechat_login.accounts.sessions import Session
from wechat_login.accounts.transaction import Transaction, Transactions
from wechat_login.accounts.users import User
from wechat_login.errors import BadRequest
from wechat_login.frozen import frozen

# Unicode's categories of visible characters: letters, numbers, punctuation, symbols.
VISIBLE = set("LNPS")
# Invisible, though of those categories: Hangul fillers, and Braille without dots.
BLANK = set("\u115f\u1160\u3164\uffa0\u2800")
# Joiners, which emoji and some scripts need; the other format characters hide or reorder text.
JOINERS = set("\u200c\u200d")
# Without a user's name, and without the characters that end an attribute in HTML.
AVATAR_URL = re.compile(r"https://[A-Za-z0-9._-]+(:[1-9][0-9]{0,4})?([/?#][!#-&(-;=?-\[\]-~]*)?")


@frozen
class Profiles:
    """The nicknames and avatars of users."""

    transactions: Transactions
    now: Callable[[], float] = time.time

    def update(
        self,
        session: Session,
        changes: Mapping[str, str | None],
        screen: Callable[[User, str], None],
    ) -> User:
        """Set or, with None, remove `nickname` and `avatarUrl`, and return the user.

        `screen(user, nickname)` may raise. Raises `BadRequest`, and `SessionInvalid` if the session
        has ended meanwhile.
        """
        check(changes)
        nickname = changes.get("nickname")
        if nickname is not None:
            screen(session.user, nickname)
        now = int(self.now())
        attributes: dict[str, Any] = {"updatedAt": now, **changes}
        for name, value in changes.items():
            attributes[f"{name}SetAt"] = None if value is None else now

        def plan(transaction: Transaction) -> User:
            return transaction.change(transaction.acting(session.user, session.sid), attributes)

        return self.transactions.run(plan, {session.user.key: session.user.item})

    def forget(self, appid: str, openid: str, name: str, *, at: int) -> None:
        """Remove `nickname` or `avatarUrl`, unless it was set after that Unix time."""
        removed = {
            "updatedAt": int(self.now()),
            name: None,
            f"{name}SetAt": None,
        }

        def plan(transaction: Transaction) -> None:
            user = transaction.find(appid, openid)
            if user is not None and user.item.get(f"{name}SetAt", at + 1) <= at:
                transaction.change(user, removed)

        self.transactions.run(plan)


def check(changes: Mapping[str, str | None]) -> None:
    """Raise `BadRequest` if a nickname or an avatar must not be shown to others."""
    nickname, avatar_url = changes.get("nickname"), changes.get("avatarUrl")
    if not changes:
        raise BadRequest("Send nickname, avatarUrl or both.")
    if nickname is not None and any(_is_hidden(each) for each in nickname):
        raise BadRequest("nickname holds control or invisible characters.")
    if nickname is not None and not VISIBLE & {unicodedata.category(each)[0] for each in nickname}:
        raise BadRequest("nickname is blank.")
    # chooseAvatar returns a path that is valid only on the user's phone.
    if avatar_url is not None and not AVATAR_URL.fullmatch(avatar_url):
        raise BadRequest("avatarUrl is not an https URL: upload chooseAvatar's file first.")


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    is_control = category in ("Cc", "Cf", "Zl", "Zp") and character not in JOINERS
    return is_control or character in BLANK
