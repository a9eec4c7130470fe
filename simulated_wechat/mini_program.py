"""One mini program: WeChat's data for an AppID, and the actions on its users' phones."""

from collections.abc import Callable, Mapping
from typing import TypedDict

from simulated_wechat import answers, phone_data
from simulated_wechat.access_tokens import AccessTokens
from simulated_wechat.aging import Aging
from simulated_wechat.codes import Codes
from simulated_wechat.faults import Faults
from simulated_wechat.people import Account, Person, SessionKey
from simulated_wechat.phone_packs import FAST, REALTIME, YEAR, Button, PhonePack
from simulated_wechat.quotas import OFFICIAL, Quota, Usage

MESSAGES_REMEMBERED_FOR = 3 * 86400
# https://developers.weixin.qq.com/miniprogram/dev/server/API/operation/api_getdomaininfo
DOMAIN_LISTS = (
    "requestdomain",
    "wsrequestdomain",
    "uploaddomain",
    "downloaddomain",
    "udpdomain",
    "bizdomain",
)


class PhoneGrant(TypedDict, total=False):
    """A phone button's e.detail: with a code, or with an errno instead."""

    code: str
    encryptedData: str
    iv: str
    errMsg: str
    errno: int


class Charges(TypedDict):
    phoneComponentCalls: int
    phoneExchanges: int
    phoneBalance: int
    realtimePhoneBalance: int


class MiniProgram:
    """The state of one mini program.

    The attributes above `people` are rules: a test or a demo may set them at any time.
    """

    def __init__(
        self,
        appid: str,
        app_secret: str,
        now: Callable[[], float],
        *,
        login_codes: Codes,
        phone_codes: Codes,
    ) -> None:
        self.appid = appid
        self.now = now
        self.app_secret = app_secret
        self.unionids = True  # Whether the mini program is bound to the Open Platform account.
        self.whitelist: set[str] | None = None
        self.risk_rank_enabled = True
        self.domains: Mapping[str, list[str]] = {}  # by the names of DOMAIN_LISTS
        # The IP addresses of the URL for message pushes; None: no URL is set.
        self.push_addresses: list[str] | None = ["127.0.0.1"]
        self.push_reachable = True
        # WeChat documents only that there is a minimum, not its length.
        self.session_key_refresh_seconds: float = 300
        self.session_key_lifetime_seconds: float = 3 * 86400
        self.quotas: dict[str, tuple[Quota, ...]] = dict(OFFICIAL)
        self.packs = {button.spu: PhonePack(now(), now() + YEAR) for button in (FAST, REALTIME)}

        self.people: dict[str, Person] = {}  # by the user's name
        self.people_by_openid: dict[str, Person] = {}
        # The codes of all mini programs, each with its AppID.
        self.login_codes = login_codes
        self.phone_codes = phone_codes
        self.encrypted_at: Aging[int] = Aging(now, MESSAGES_REMEMBERED_FOR)
        self.tokens = AccessTokens(now)
        self.usage = Usage(now)
        self.faults = Faults()
        self.phone_exchanges = 0
        self._phone_component_calls = 0

    @property
    def phone_balance(self) -> int:
        return self.packs[FAST.spu].left

    @phone_balance.setter
    def phone_balance(self, left: int) -> None:
        self.packs[FAST.spu].left = left

    @property
    def realtime_phone_balance(self) -> int:
        return self.packs[REALTIME.spu].left

    @realtime_phone_balance.setter
    def realtime_phone_balance(self, left: int) -> None:
        self.packs[REALTIME.spu].left = left

    @property
    def phone_packs_end(self) -> int:
        """Return the end of both packs, in Unix seconds."""
        return int(self.packs[FAST.spu].ends_at)

    @phone_packs_end.setter
    def phone_packs_end(self, moment: int) -> None:
        for pack in self.packs.values():
            pack.ends_at = moment

    def charges(self) -> Charges:
        return {
            "phoneComponentCalls": self._phone_component_calls,
            "phoneExchanges": self.phone_exchanges,
            "phoneBalance": self.phone_balance,
            "realtimePhoneBalance": self.realtime_phone_balance,
        }

    def person(self, account: Account) -> Person:
        """Return a person's account in this mini program."""
        if account.user not in self.people:
            made = Person(account, self.appid)
            self.people[account.user] = self.people_by_openid[made.openid] = made
        return self.people[account.user]

    def tap(self, tapping: Person, button: Button, *, allow: bool) -> PhoneGrant:
        """Return a phone button's result for this person's answer."""
        tapping.last_active = self.now()
        pack = self.packs[button.spu]
        # https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getPhoneNumber
        # WeChat checks the balance on the tap, and charges for the success, not for the exchange.
        if pack.left_at(self.now()) <= 0:
            return {"errMsg": f"{button.event}:fail no quota", "errno": 1400001}
        if not allow:
            return {"errMsg": f"{button.event}:fail user deny", "errno": 103}
        pack.left -= 1
        self._phone_component_calls += 1
        code = self.phone_codes.issue(tapping)
        if button is REALTIME:
            # https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getRealtimePhoneNumber
            return {"code": code, "errMsg": f"{button.event}:ok"}
        encrypted_data, iv = self._encrypted_phone(tapping)
        return {
            "code": code,
            "encryptedData": encrypted_data,
            "iv": iv,
            "errMsg": f"{button.event}:ok",
        }

    def living_session_key(self, found: Person) -> SessionKey | None:
        key = found.session_key
        return key if key is not None and self.now() < key.expires_at else None

    def refreshed_session_key(self, found: Person) -> SessionKey:
        """Return the one valid session_key; a new key only after the minimum life of the former."""
        key = self.living_session_key(found)
        if key is None or self.now() - key.made_at >= self.session_key_refresh_seconds:
            key = SessionKey(self.now(), 0)
        return self._prolonged(found, key)

    def phone_info(self, owner: Person, moment: float) -> dict[str, object]:
        watermark = {"timestamp": int(moment), "appid": self.appid}
        return {**owner.phone.as_wechat_tells_it(), "watermark": watermark}

    def _prolonged(self, found: Person, key: SessionKey) -> SessionKey:
        key.expires_at = self.now() + self.session_key_lifetime_seconds
        found.session_key = key
        return key

    def _encrypted_phone(self, owner: Person) -> tuple[str, str]:
        key = self.living_session_key(owner) or SessionKey(self.now(), 0)
        self._prolonged(owner, key)
        plaintext = answers.encoded(self.phone_info(owner, self.now()))
        iv = phone_data.new_iv()
        encrypted = phone_data.encrypt(plaintext, key.text, iv)
        self.encrypted_at.put(phone_data.message_hash(encrypted), int(self.now()))
        return encrypted, iv
