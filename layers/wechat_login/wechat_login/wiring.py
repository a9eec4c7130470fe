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
from wechat_login.access_token import AccessTokens, RenewalLock
from wechat_login.parameters import MAX_AGE, Parameters
from wechat_login.phones import Phones
from wechat_login.sealing import Keyring
from wechat_login.sessions import Sessions
from wechat_login.settings import Settings
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
        lock=RenewalLock(table(), appid=settings().appid),
        fetch=wechat().stable_token,
        time_left=api.time_left,
    )


@once
def users() -> UserStore:
    """Return the users."""
    return UserStore(table(), appid=settings().appid)


@once
def phones() -> Phones:
    """Return the claims to phone numbers."""
    return Phones(table(), users(), keyring=keyring, conflict=settings().phone_conflict)


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
        public_keys=lambda: parameters().get("public-keys"),
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
