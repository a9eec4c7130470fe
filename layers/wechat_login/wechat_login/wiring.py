"""Builds each part once, on first use, and introduces the parts to one another.

The only module that imports boto3. `reset` forgets everything, for a changed environment.
"""

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config

from wechat_login import api
from wechat_login.access_token import LOCK_SECONDS, AccessTokens, ForcedRefreshes
from wechat_login.attempts import Attempts
from wechat_login.legacy_phone import LegacyPhone
from wechat_login.lock import Lock
from wechat_login.message_push import MessagePush
from wechat_login.parameters import MAX_AGE, Parameters
from wechat_login.phones import Phones
from wechat_login.platform_events import PlatformEvents
from wechat_login.screening import Screening
from wechat_login.sealing import Keyring
from wechat_login.sessions import Sessions
from wechat_login.settings import Settings
from wechat_login.signing_keys import Rotation
from wechat_login.table import Table
from wechat_login.tokens import Tokens
from wechat_login.users import UserStore
from wechat_login.wechat import WeChatClient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ssm import SSMClient

T = TypeVar("T")

# Both services answer within milliseconds; botocore's own defaults would wait for a minute.
QUICK = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "max_attempts": 3})

_lock = threading.RLock()
_built: dict[str, Any] = {}


def once(build: Callable[[], T]) -> Callable[[], T]:
    """Build on first use and keep; a build that fails is tried again by the next caller."""

    @wraps(build)
    def get() -> T:
        if build.__name__ not in _built:
            with _lock:
                if build.__name__ not in _built:
                    _built[build.__name__] = build()
        part: T = _built[build.__name__]
        return part

    return get


def reset() -> None:
    """Forget everything that was built."""
    with _lock:
        _built.clear()


@once
def settings() -> Settings:
    """Return the settings of this deployment."""
    return Settings.from_environment(os.environ)


@once
def wechat() -> WeChatClient:
    """Return the client of WeChat's API."""
    chosen = settings()
    return WeChatClient(
        url=chosen.wechat_url,
        appid=chosen.appid,
        app_secret=lambda max_age: parameters().get("app-secret", max_age=max_age or MAX_AGE),
        with_access_token=lambda call: access_tokens().call(call),
        connect_timeout=chosen.connect_timeout,
        read_timeout=chosen.read_timeout,
        time_left=api.time_left,
        observe=api.note_wechat_call,
    )


@once
def access_tokens() -> AccessTokens:
    """Return WeChat's access token, shared through SSM."""
    return AccessTokens(
        parameters=parameters(),
        lock=Lock(table(), "access-token", seconds=LOCK_SECONDS),
        forced=ForcedRefreshes(table(), appid=settings().appid),
        fetch=wechat().stable_token,
        time_left=api.time_left,
    )


@once
def users() -> UserStore:
    """Return the users."""
    chosen = settings()
    return UserStore(
        table(),
        appid=chosen.appid,
        seal_session_key=legacy_phone().seal_session_key if chosen.legacy_phone else None,
    )


@once
def legacy_phone() -> LegacyPhone:
    """Return what opens encryptedData."""
    return LegacyPhone(keyring, wechat().checkencryptedmsg, settings().appid)


@once
def phones() -> Phones:
    """Return the claims to phone numbers."""
    chosen = settings()
    return Phones(
        table(),
        users(),
        keyring=keyring,
        conflict=chosen.phone_conflict,
        attempts=Attempts(table()),
        screen=screening().registration,
        exchange=wechat().getuserphonenumber,
        legacy=legacy_phone().number if chosen.legacy_phone else None,
        time_left=api.time_left,
    )


@once
def screening() -> Screening:
    """Return WeChat's optional opinions."""
    chosen = settings()
    return Screening(
        risk_limit=chosen.risk_limit,
        check_content=chosen.check_content,
        risk_rank=wechat().getuserriskrank,
        opinion=wechat().msg_sec_check,
    )


@once
def message_push() -> MessagePush:
    """Return WeChat's message pushes."""
    return MessagePush(
        table(),
        appid=settings().appid,
        token=lambda: parameters().get("event-token"),
        aes_key=lambda: parameters().get("event-aes-key"),
    )


@once
def platform_events() -> PlatformEvents:
    """Return what WeChat's events oblige us to do."""
    return PlatformEvents(users(), phones(), settings().appid)


@once
def rotation() -> Rotation:
    """Return the rotation of the signing keys."""
    chosen = settings()
    return Rotation(
        parameters(),
        Lock(table(), "signing-keys", seconds=60),
        chosen.signing_key_days,
        chosen.token_seconds,
    )


def public_keys() -> str:
    """Return the public signing keys as SSM has them now."""
    return parameters().get("public-keys")


@once
def sessions() -> Sessions:
    """Return the sessions."""
    return Sessions(table(), appid=settings().appid, days=settings().session_days)


@once
def tokens() -> Tokens:
    """Return the signer and verifier of app tokens."""
    chosen = settings()
    return Tokens(
        signing_keys=lambda: parameters().get("signing-keys"),
        public_keys=public_keys,
        issuer=chosen.issuer,
        audience=chosen.audience,
        appid=chosen.appid,
        lifetime=chosen.token_seconds,
        phone_required=chosen.phone_required,
    )


def keyring() -> Keyring:
    """Return the sealing keys as SSM has them now."""
    return Keyring.from_json(parameters().get("sealing-key"))


@once
def table() -> Table:
    """Return the one DynamoDB table."""
    return Table(dynamodb(), settings().table, time_left=api.time_left)


@once
def parameters() -> Parameters:
    """Return the SSM parameters that this function may read."""
    return Parameters(ssm(), settings().parameter_names)


@once
def dynamodb() -> "DynamoDBClient":
    """Return boto3's DynamoDB client."""
    return boto3.client("dynamodb", config=QUICK)


@once
def ssm() -> "SSMClient":
    """Return boto3's SSM client."""
    return boto3.client("ssm", config=QUICK)
