"""The calls of WeChat's server API that take an access token.

Pages, under https://developers.weixin.qq.com/miniprogram/dev/server/API/:
user-info/phone-number/api_getphonenumber, user-info/basic-info/api_checkencrypteddata,
sec-center/safety-control-capability/api_getuserriskrank, sec-center/sec-check/api_msgseccheck.
"""

import hashlib

from wechat_login.errors import (
    AccessTokenRejected,
    BadRequest,
    CheckUnavailable,
    CodeRejected,
    LoginError,
    TooManyAttempts,
    WeChatUnavailable,
)
from wechat_login.frozen import frozen
from wechat_login.wechat.access_token import AccessTokens
from wechat_login.wechat.client import Api, WeChatClient
from wechat_login.wechat.phone_number import PhoneNumber
from wechat_login.wechat.transport import Answer

TOKEN: dict[int, type[LoginError]] = {40001: AccessTokenRejected}
# The access token is this mini program's, so it is the code that belongs to another AppID.
PHONE: dict[int, type[LoginError]] = {**TOKEN, 40013: CodeRejected}
GETUSERPHONENUMBER = Api("POST", "/wxa/business/getuserphonenumber", False, PHONE)
CHECKENCRYPTEDMSG = Api("POST", "/wxa/business/checkencryptedmsg", True, TOKEN)
GETUSERRISKRANK = Api("POST", "/wxa/getuserriskrank", True, TOKEN)
# WeChat does not check a text of a user who has been away, nor beyond the quota of a day.
TEXT: dict[int, type[LoginError]] = {**TOKEN, 61010: TooManyAttempts, 45009: TooManyAttempts}
MSG_SEC_CHECK = Api("POST", "/wxa/msg_sec_check", True, TEXT)


@frozen
class AuthorizedClient:
    """WeChat's API with the access token of one mini program; safe for threads."""

    client: WeChatClient
    access_tokens: AccessTokens
    phone_reserve: float  # seconds kept after a phone number
    risk_reserve: float  # seconds kept after a risk rank

    def getuserphonenumber(self, code: str, openid: str) -> PhoneNumber:
        """Exchange a phone code for the number.

        With the openid, WeChat rejects another user's code. A code works once, within five minutes,
        and a new code needs another tap of the user. Raises like `jscode2session`.
        """
        body = {"code": code, "openid": openid}
        info = self._ask(GETUSERPHONENUMBER, body, self.phone_reserve).get("phone_info")
        if not isinstance(info, dict):
            raise WeChatUnavailable(api=GETUSERPHONENUMBER.path, why="no phone_info")
        watermark = info.get("watermark")
        if not isinstance(watermark, dict) or watermark.get("appid") != self.client.appid:
            raise CodeRejected(api=GETUSERPHONENUMBER.path, why="watermark")
        return PhoneNumber.from_wechat(info)

    def checkencryptedmsg(self, encrypted_data: str) -> bool:
        """Return whether WeChat made this phone data in the last three days.

        The hash is over the base64 text. Raises `WeChatUnavailable`, `Misconfigured`.
        """
        digest = hashlib.sha256(encrypted_data.encode()).hexdigest()
        try:
            answer = self._ask(CHECKENCRYPTEDMSG, {"encrypted_msg_hash": digest})
        except BadRequest:
            return False
        # "vaild" is WeChat's spelling.
        return answer.get("vaild") is True

    def getuserriskrank(self, openid: str, client_ip: str) -> int:
        """Return WeChat's risk rank of a user who registers: 0 (no risk) to 4 (block).

        Raises `CheckUnavailable` and the like; the user must have been active within two hours.
        """
        body = {"appid": self.client.appid, "openid": openid, "scene": 0, "client_ip": client_ip}
        rank = self._ask(GETUSERRISKRANK, body, self.risk_reserve).get("risk_rank")
        if not isinstance(rank, int):
            raise CheckUnavailable(api=GETUSERRISKRANK.path, why="no risk_rank")
        return rank

    def msg_sec_check(self, openid: str, content: str) -> str:
        """Return WeChat's verdict on a text in a profile: `pass`, `review` or `risky`.

        Raises `TooManyAttempts` if the user was not active within two hours, or the quota of a
        minute or a day is used up; `CheckUnavailable` and the like.
        """
        body = {"openid": openid, "scene": 1, "version": 2, "content": content}
        result = self._ask(MSG_SEC_CHECK, body).get("result")
        if not isinstance(result, dict):
            raise CheckUnavailable(api=MSG_SEC_CHECK.path, why="no result")
        return str(result.get("suggest"))

    def _ask(self, api: Api, body: Answer, reserve: float | None = None) -> Answer:
        def ask(access_token: str) -> Answer:
            return self.client.ask(api, {"access_token": access_token}, body, reserve=reserve)

        return self.access_tokens.call(ask)
