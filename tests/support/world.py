"""The accounts of the mini programs, wired by hand on a clock that the test moves."""

from collections import Counter

from tests.support import stored
from tests.support.clock import Clock
from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.blocks import Blocks
from wechat_login.accounts.claims import PhoneClaims
from wechat_login.accounts.erasure import Erasure
from wechat_login.accounts.listing import Listing
from wechat_login.accounts.logins import Logins
from wechat_login.accounts.lookups import LookUps
from wechat_login.accounts.merging import Merging
from wechat_login.accounts.operators import Operators
from wechat_login.accounts.platform_events import PlatformEvents
from wechat_login.accounts.profiles import Profiles
from wechat_login.accounts.registration import Registration
from wechat_login.accounts.sessions import Sessions
from wechat_login.accounts.transaction import Transactions
from wechat_login.accounts.users import User, Users
from wechat_login.errors import CodeRejected
from wechat_login.storage.sealing import Keyring, new_keyring
from wechat_login.storage.table import Table
from wechat_login.wechat.client import Identity
from wechat_login.wechat.phone_number import PhoneNumber

APPID, SECOND, HERE = "wx1234567890abcdef", "wxfedcba0987654321", "203.0.113.9"
RING = new_keyring()


def a_user(openid="o-alice", appid=APPID, **attributes):
    """Make a user as they would be read from an item with these attributes."""
    item = {"pk": f"USER#{appid}#{openid}", "sk": "PROFILE", "userId": "id", "createdAt": 0}
    return User.from_item({**item, "lastLoginAt": 0, **attributes})


class Exchange:
    """WeChat's part: a code gives a number once."""

    def __init__(self, clock):
        self.codes = {}
        self.asked = []
        self._clock = clock

    def __call__(self, user, code):
        self.asked.append((code, user.openid))
        if code not in self.codes:
            raise CodeRejected(errcode=40029)
        national, given_at = self.codes.pop(code)
        return PhoneNumber("86", national, given_at or int(self._clock()))


class World:
    """Every part that changes users; `table` may be one that fails."""

    def __init__(self, dynamodb, table_name, conflict="transfer", *, table=None, **how):
        self.clock = how.pop("clock", None) or Clock()
        self.table = table or Table(dynamodb, table_name, time_left=lambda: 10.0)
        self.conflict = conflict
        self.keyring = RING
        self.seal_session_key = how.pop("seal_session_key", None)
        self.screen = how.pop("screen", lambda *_: None)
        self.time_left = how.pop("time_left", lambda: 20.0)
        self.days = how.pop("days", 30)
        self.has_events = how.pop("events", False)
        self.exchange = Exchange(self.clock)
        self.counted: Counter[str] = Counter()
        self.items = lambda: stored.read_all(dynamodb, table_name)
        self.build(self.table)

    def build(self, table, conflict=None):
        """Wire the parts, to another table or with another PhoneConflict."""
        now, keyring = self.clock, lambda: Keyring.from_json(self.keyring)
        self.users = Users(table)
        self.transactions = Transactions(table, events=self.has_events, now=now)
        self.sessions = Sessions(table, self.users, days=self.days, now=now)
        self.blocks = Blocks(keyring=keyring)
        self.operators = Operators(self.transactions, self.blocks, appid=APPID, now=now)
        self.listing = Listing(table, now=now)
        self.logins = Logins(
            table,
            self.transactions,
            self.sessions,
            self.blocks,
            seal_session_key=self.seal_session_key,
            now=now,
        )
        self.profiles = Profiles(self.transactions, now=now)
        self.erasure = Erasure(self.transactions)
        self.merging = Merging(self.transactions, self.users)
        self.look_ups = LookUps(self.users, appid=APPID, keyring=keyring)
        self.claims = PhoneClaims(
            self.transactions, keyring=keyring, conflict=conflict or self.conflict
        )
        self.events = PlatformEvents(
            self.erasure, self.claims, self.profiles, count=self.counted.update
        )
        self.registration = Registration(
            claims=self.claims,
            attempts=Attempts(self.table, keyring=keyring, now=now),
            keyring=keyring,
            screen=self.screen,
            exchange=self.exchange,
            legacy=None,
            time_left=self.time_left,
            reserve=10.0,
            now=now,
            sleep=self.clock.sleep,
        )

    def log_in(self, openid, unionid=None, session_key=None, appid=APPID):
        """Log somebody in, and give the text of the session."""
        return self.logins.log_in(Identity(appid, openid, unionid, session_key)).session

    def session(self, openid, unionid=None, appid=APPID):
        """Log somebody in, and give the session as it is read from the table."""
        return self.sessions.authenticate(self.log_in(openid, unionid, appid=appid))

    def find(self, openid, appid=APPID):
        return self.users.find(appid, openid)

    def register(self, session, national, code=None, given_at=None):
        """Register a number for the user of a session, and return the user."""
        code = code or f"code-{session.user.openid}-{national}"
        self.exchange.codes[code] = national, given_at
        return self.registration.register(session, code, HERE)

    def number_of(self, openid):
        number = self.look_ups.number(self.find(openid))
        return number and number.e164

    def contradictions(self):
        return stored.contradictions(self.items())

    def without_counters(self):
        return stored.without_counters(self.items())
