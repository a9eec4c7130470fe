"""Users: their sessions, their phone numbers, and the look-ups that operators need."""

from typing import TYPE_CHECKING

from wechat_login import on_first_use

if TYPE_CHECKING:
    from wechat_login.accounts import (
        attempts,
        blocks,
        claims,
        erasure,
        legacy_phone,
        listing,
        logins,
        lookups,
        merging,
        operators,
        outbox,
        platform_events,
        profiles,
        publisher,
        registration,
        screening,
        sessions,
        transaction,
        users,
    )
else:
    __getattr__ = on_first_use(__name__)
