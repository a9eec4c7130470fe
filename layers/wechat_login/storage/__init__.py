"""DynamoDB and SSM: items, locks, parameters, and values that are encrypted at rest."""

from typing import TYPE_CHECKING

from wechat_login import on_first_use

if TYPE_CHECKING:
    from wechat_login.storage import lock, parameters, sealing, table
else:
    __getattr__ = on_first_use(__name__)
