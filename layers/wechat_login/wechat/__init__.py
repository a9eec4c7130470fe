"""WeChat's server API: requests, the access token, message pushes, phone numbers."""

from typing import TYPE_CHECKING

from wechat_login import on_first_use

if TYPE_CHECKING:
    from wechat_login.wechat import (
        access_token,
        authorized_client,
        client,
        limits,
        message_push,
        mini_programs,
        transport,
    )
else:
    __getattr__ = on_first_use(__name__)
