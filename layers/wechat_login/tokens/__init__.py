"""App tokens that other services verify, and the keys that sign them."""

from typing import TYPE_CHECKING

from wechat_login import on_first_use

if TYPE_CHECKING:
    from wechat_login.tokens import app_tokens, signing_keys
else:
    __getattr__ = on_first_use(__name__)
