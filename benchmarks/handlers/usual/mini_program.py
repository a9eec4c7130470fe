"""The mini program's WeChat, by wechatpy, which fetches and keeps the access token itself."""

import os

from accounts import parameter
from redirect import Redirect
from wechatpy import WeChatClient

wechat = WeChatClient(os.environ["WECHAT_APPID"], parameter("APP_SECRET_PARAMETER"), timeout=5)
wechat._http.mount("https://api.weixin.qq.com/", Redirect(os.environ["WECHAT_URL"]))  # noqa: SLF001 - what is measured lies inside
