"""WeChat's optional checks: of a user who registers, and of a text that others will see.

Both are a second line of defence: if WeChat gives no result, the user passes. Only a limit, ours or
WeChat's, rejects a text, because a user can reach a limit on purpose.
"""

import logging
from collections.abc import Callable

from wechat_login.accounts.users import User
from wechat_login.errors import ContentRejected, LoginError, TooManyAttempts, UserBlocked
from wechat_login.frozen import frozen

log = logging.getLogger(__name__)


@frozen
class Screening:
    """Runs the checks that the deployment has switched on."""

    risk_limit: int  # the lowest rank to reject, 1 to 4; 0 switches the check off
    check_content: bool
    risk_rank: Callable[[User, str], int]  # user, client IP
    opinion: Callable[[User, str], str]  # user, text
    count_text: Callable[[User], None]  # raises at our limit

    def registration(self, user: User, client_ip: str) -> None:
        """Raise `UserBlocked` if WeChat ranks a user who has no number yet as too risky."""
        if not self.risk_limit or user.registered:
            return
        try:
            rank = self.risk_rank(user, client_ip)
        except LoginError as failure:
            log.warning("risk_rank_skipped", extra={"facts": failure.facts})
            return
        if rank >= self.risk_limit:
            raise UserBlocked(risk_rank=rank)

    def text(self, user: User, text: str) -> None:
        """Raise `ContentRejected` if WeChat finds a text risky, `TooManyAttempts` at a limit."""
        if not self.check_content:
            return
        self.count_text(user)
        try:
            opinion = self.opinion(user, text)
        except TooManyAttempts:
            raise
        except LoginError as failure:
            log.warning("content_check_skipped", extra={"facts": failure.facts})
            return
        if opinion == "risky":
            raise ContentRejected
