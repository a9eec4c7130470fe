"""The mini program's WeChat, by wechatpy, which fetches and keeps the access token itself."""

import os
from urllib.parse import urlsplit

from accounts import parameter
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient


class Redirect(HTTPAdapter):
    """Sends what wechatpy has for api.weixin.qq.com, which it names in its code, elsewhere."""

    def send(self, request, **options):
        host = urlsplit(os.environ["WECHAT_URL"]).netloc
        request.url = urlsplit(request.url)._replace(netloc=host).geturl()
        return super().send(request, **options)


wechat = WeChatClient(os.environ["WECHAT_APPID"], parameter("PLAIN_SECRET"), timeout=5)
wechat._http.mount("https://api.weixin.qq.com/", Redirect())  # noqa: SLF001 - it has no setting
