"""The mini program's WeChat client: wechatpy, which fetches and caches the access token."""

import os
from urllib.parse import urlsplit

from accounts import parameter
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient


class Redirect(HTTPAdapter):
    """Redirects wechatpy's requests from api.weixin.qq.com, which is fixed in its code."""

    def send(self, request, **options):
        host = urlsplit(os.environ["WECHAT_URL"]).netloc
        request.url = urlsplit(request.url)._replace(netloc=host).geturl()
        return super().send(request, **options)


wechat = WeChatClient(os.environ["WECHAT_APPID"], parameter("PLAIN_SECRET"), timeout=5)
wechat._http.mount("https://api.weixin.qq.com/", Redirect())  # noqa: SLF001 - it has no setting
