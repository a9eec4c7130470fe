"""Sends what wechatpy has for api.weixin.qq.com, which it names in its code, to the simulation."""

from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter


class Redirect(HTTPAdapter):
    def __init__(self, url):
        super().__init__()
        self._host = urlsplit(url).netloc

    def send(self, request, **options):
        request.url = urlsplit(request.url)._replace(netloc=self._host).geturl()
        return super().send(request, **options)
