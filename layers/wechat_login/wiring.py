"""Builds each part once, on first use, and connects the parts.

The only module that makes AWS clients. `reset` discards all parts, for a changed environment.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from wechat_login import budget, invocation
from wechat_login.settings import Settings

# Each builder imports the module that it builds, so that a function loads only its own parts: a
# cold start of publish_keys needs no HTTP client, one of log_out no cryptography.
if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ssm import SSMClient

    from wechat_login.accounts.blocks import Blocks
    from wechat_login.accounts.claims import PhoneClaims
    from wechat_login.accounts.erasure import Erasure
    from wechat_login.accounts.legacy_phone import LegacyPhone
    from wechat_login.accounts.listing import Listing
    from wechat_login.accounts.logins import Logins
    from wechat_login.accounts.lookups import LookUps
    from wechat_login.accounts.merging import Merging
    from wechat_login.accounts.operators import Operators
    from wechat_login.accounts.platform_events import PlatformEvents
    from wechat_login.accounts.profiles import Profiles
    from wechat_login.accounts.publisher import Publisher
    from wechat_login.accounts.registration import Registration
    from wechat_login.accounts.screening import Screening
    from wechat_login.accounts.sessions import Sessions
    from wechat_login.accounts.transaction import Transactions
    from wechat_login.accounts.users import Users
    from wechat_login.storage.parameters import Parameters
    from wechat_login.storage.sealing import Keyring
    from wechat_login.storage.table import Table
    from wechat_login.tokens.app_tokens import Tokens
    from wechat_login.tokens.signing_keys import Rotation
    from wechat_login.wechat.access_token import AccessTokens, Renewal
    from wechat_login.wechat.authorized_client import AuthorizedClient
    from wechat_login.wechat.client import WeChatClient
    from wechat_login.wechat.message_push import MessagePush
    from wechat_login.wechat.mini_programs import MiniPrograms

T = TypeVar("T")

_lock = threading.RLock()
_built: dict[str, Any] = {}


def once(build: Callable[[], T]) -> Callable[[], T]:
    """Build on first use and cache; if a build fails, the next caller retries."""

    @wraps(build)
    def get() -> T:
        if build.__name__ not in _built:
            with _lock:
                if build.__name__ not in _built:
                    _built[build.__name__] = build()
        part: T = _built[build.__name__]
        return part

    return get


def per_mini_program(build: Callable[[str], T]) -> Callable[..., T]:
    """Build for each AppID on first use and keep; no AppID means the first mini program."""

    @wraps(build)
    def get(appid: str = "") -> T:
        appid = appid or settings().appid

        def build_this() -> T:
            return build(appid)

        build_this.__name__ = f"{build.__name__} {appid}"
        return once(build_this)()

    return get


def reset() -> None:
    """Discard all parts."""
    with _lock:
        _built.clear()


def prepare(*parts: Callable[[], object]) -> None:
    """Build these parts, and read SSM, while Lambda starts a container, so that no request waits.

    Outside Lambda, and after a failure, parts are built on first use. `sam local` looks like Lambda
    but has the shell's own credentials (AWS_SAM_LOCAL), so it builds nothing and AWS is not asked.
    """
    env = os.environ
    if env.get("AWS_SAM_LOCAL") or not env.get("AWS_LAMBDA_INITIALIZATION_TYPE"):
        return
    # These objects stay, so collecting garbage among them would waste 15 ms.
    gc.disable()
    with suppress(Exception):
        for part in parts:
            part()
        if settings().parameter_names:
            parameters().load()
    gc.freeze()
    gc.enable()


@once
def settings() -> Settings:
    """Return the settings of this deployment."""
    return Settings.from_environment(os.environ)


@once
def mini_programs() -> "MiniPrograms":
    """Return the mini programs and their AppSecrets."""
    from wechat_login.wechat.mini_programs import MiniPrograms

    return MiniPrograms(
        settings().appid,
        secrets=lambda: parameters().get("app-secrets"),
        renewed=lambda: parameters().renewed("app-secrets"),
    )


@per_mini_program
def wechat(appid: str) -> "WeChatClient":
    """Return the client of WeChat's API, for the calls that take the AppSecret."""
    from wechat_login.wechat.client import WeChatClient

    chosen = settings()
    return WeChatClient(
        url=chosen.wechat_url,
        appid=appid,
        app_secret=lambda: mini_programs().app_secret(appid),
        renewed_app_secret=lambda: mini_programs().renewed_app_secret(appid),
        connect_timeout=chosen.connect_timeout,
        read_timeout=chosen.read_timeout,
        reserve=budget.AFTER_WECHAT,
        time_left=invocation.time_left,
        observe=invocation.note_wechat_call,
    )


@per_mini_program
def access_tokens(appid: str) -> "AccessTokens":
    """Return WeChat's access token, shared through SSM."""
    from wechat_login.storage.lock import Lock
    from wechat_login.wechat.access_token import LOCK_SECONDS, AccessTokens, ForcedRefreshes

    parameters().add(*_access_token(appid))
    return AccessTokens(
        parameters=parameters(),
        lock=Lock(table(), f"access-token {appid}", seconds=LOCK_SECONDS),
        forced=ForcedRefreshes(table(), appid=appid),
        fetch=wechat(appid).stable_token,
        appid=appid,
        time_left=invocation.time_left,
        reserve=budget.RENEWAL,
        count=invocation.count,
    )


def _access_token(appid: str) -> tuple[str, str]:
    """Return our name and SSM's of a mini program's access token."""
    folder = settings().parameter_names["access-token"]
    return f"access-token/{appid}", f"{folder}/{appid}"


@once
def renewal() -> "Renewal":
    """Return the renewal of access tokens."""
    from wechat_login.wechat.access_token import Renewal

    return Renewal(mini_programs(), access_tokens, invocation.count)


@per_mini_program
def authorized_wechat(appid: str) -> "AuthorizedClient":
    """Return the client of WeChat's API, for the calls that take an access token."""
    from wechat_login.wechat.authorized_client import AuthorizedClient

    return AuthorizedClient(
        wechat(appid),
        access_tokens(appid),
        appid=appid,
        phone_reserve=budget.AFTER_PHONE_NUMBER,
        risk_reserve=budget.AFTER_RISK_RANK,
    )


@once
def users() -> "Users":
    """Return the look-up of users."""
    from wechat_login.accounts.users import Users

    return Users(table())


@once
def transactions() -> "Transactions":
    """Return the changes of users and claims."""
    from wechat_login.accounts.transaction import Transactions

    return Transactions(table(), events=settings().events)


@once
def logins() -> "Logins":
    """Return the recorder of logins."""
    from wechat_login.accounts.logins import Logins

    return Logins(
        table(),
        transactions(),
        sessions(),
        blocks(),
        seal_session_key=legacy_phone().seal_session_key if settings().legacy_phone else None,
    )


@once
def blocks() -> "Blocks":
    """Return the blocks that the team sets."""
    from wechat_login.accounts.blocks import Blocks

    return Blocks(keyring=keyring)


@once
def operators() -> "Operators":
    """Return the changes that only the team makes."""
    from wechat_login.accounts.operators import Operators

    return Operators(transactions(), blocks(), appid=settings().appid)


@once
def listing() -> "Listing":
    """Return the pages of all users."""
    from wechat_login.accounts.listing import Listing

    return Listing(table())


@once
def profiles() -> "Profiles":
    """Return nicknames and avatars."""
    from wechat_login.accounts.profiles import Profiles

    return Profiles(transactions())


@once
def erasure() -> "Erasure":
    """Return the erasure of accounts."""
    from wechat_login.accounts.erasure import Erasure

    return Erasure(transactions())


@once
def merging() -> "Merging":
    """Return the merging of userIds."""
    from wechat_login.accounts.merging import Merging

    return Merging(transactions(), users())


@once
def look_ups() -> "LookUps":
    """Return the look-ups of whole records."""
    from wechat_login.accounts.lookups import LookUps

    return LookUps(users(), appid=settings().appid, keyring=keyring)


@once
def legacy_phone() -> "LegacyPhone":
    """Return the decryption of encryptedData."""
    from wechat_login.accounts.legacy_phone import LegacyPhone

    return LegacyPhone(
        keyring, lambda appid, data: authorized_wechat(appid).checkencryptedmsg(data)
    )


@once
def claims() -> "PhoneClaims":
    """Return the claims on phone numbers."""
    from wechat_login.accounts.claims import PhoneClaims

    return PhoneClaims(transactions(), keyring=keyring, conflict=settings().phone_conflict)


@once
def registration() -> "Registration":
    """Return the registration of phone numbers."""
    from wechat_login.accounts.attempts import Attempts
    from wechat_login.accounts.registration import Registration

    return Registration(
        claims=claims(),
        attempts=Attempts(table(), keyring=keyring),
        keyring=keyring,
        screen=screening().registration,
        exchange=lambda user, code: authorized_wechat(user.appid).getuserphonenumber(
            code, user.openid
        ),
        legacy=legacy_phone().number if settings().legacy_phone else None,
        time_left=invocation.time_left,
        reserve=budget.BINDING,
    )


@once
def screening() -> "Screening":
    """Return WeChat's optional checks."""
    from wechat_login.accounts.screening import Screening

    chosen = settings()
    return Screening(
        risk_limit=chosen.risk_limit,
        check_content=chosen.check_content,
        risk_rank=lambda user, client_ip: authorized_wechat(user.appid).getuserriskrank(
            user.openid, client_ip
        ),
        opinion=lambda user, text: authorized_wechat(user.appid).msg_sec_check(user.openid, text),
    )


@once
def message_push() -> "MessagePush":
    """Return WeChat's message pushes."""
    from wechat_login.wechat.message_push import MessagePush

    return MessagePush(
        table(),
        is_ours=mini_programs().has,
        token=lambda: parameters().find("event-token"),
        aes_key=lambda: parameters().find("event-aes-key"),
    )


@once
def platform_events() -> "PlatformEvents":
    """Return our duties after WeChat's events."""
    from wechat_login.accounts.platform_events import PlatformEvents

    return PlatformEvents(erasure(), claims(), profiles(), count=invocation.count)


@once
def publisher() -> "Publisher":
    """Return the publisher of events about users."""
    from wechat_login.accounts.publisher import Publisher

    events, sqs = (_aws().create_client(name, config=_config(name)) for name in ("events", "sqs"))
    chosen = settings()
    return Publisher(
        events, sqs, bus=chosen.event_bus, failed=chosen.failed_events, count=invocation.count
    )


@once
def rotation() -> "Rotation":
    """Return the rotation of the signing keys."""
    from wechat_login.storage.lock import Lock
    from wechat_login.tokens.signing_keys import KEY_DAYS, Rotation

    return Rotation(
        parameters(),
        Lock(table(), "signing-keys", seconds=60),
        KEY_DAYS,
        settings().token_seconds,
    )


@once
def sessions() -> "Sessions":
    """Return the sessions."""
    from wechat_login.accounts.sessions import Sessions

    return Sessions(table(), users(), days=settings().session_days)


@once
def tokens() -> "Tokens":
    """Return the signer and verifier of app tokens."""
    from wechat_login.tokens.app_tokens import Tokens

    chosen = settings()
    return Tokens(
        signing_keys=lambda: parameters().get("signing-keys"),
        public_keys=lambda: parameters().get("public-keys"),
        issuer=chosen.issuer,
        audience=chosen.audience,
        lifetime=chosen.token_seconds,
        phone_required=chosen.phone_required,
    )


def keyring() -> "Keyring":
    """Return the sealing keys as SSM has them now."""
    from wechat_login.storage.sealing import Keyring

    def by_now() -> Keyring:
        return Keyring.from_json(parameters().renewed("sealing-key"))

    return Keyring.from_json(parameters().get("sealing-key"), by_now)


@once
def table() -> "Table":
    """Return the one DynamoDB table."""
    from wechat_login.storage.table import Table

    return Table(
        dynamodb(),
        settings().table,
        time_left=invocation.time_left,
        reserve=budget.WRITE,
    )


@once
def parameters() -> "Parameters":
    """Return the SSM parameters that this function may read."""
    from wechat_login.storage.parameters import Parameters

    chosen = settings()
    names = dict(chosen.parameter_names)
    if names.pop("access-token", None):
        # With one mini program all is then read in one call.
        names |= [_access_token(chosen.appid)]
    return Parameters(ssm(), names, kms_key_arn=chosen.kms_key_arn)


@once
def dynamodb() -> "DynamoDBClient":
    """Return botocore's DynamoDB client."""
    client: DynamoDBClient = _aws().create_client("dynamodb", config=_config("dynamodb"))
    return client


@once
def ssm() -> "SSMClient":
    """Return botocore's SSM client."""
    client: SSMClient = _aws().create_client("ssm", config=_config("ssm"))
    return client


@once
def _aws() -> Any:
    """Return botocore's session; docs/decisions/0010 explains why not boto3's."""
    from botocore.loaders import Loader
    from botocore.session import get_session

    class Four(Loader):
        def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
            """Return the services used here: a search for all of AWS's takes time."""
            return ["dynamodb", "events", "sqs", "ssm"]

    # At DEBUG botocore logs the answers of SSM and DynamoDB.
    logging.getLogger("botocore").setLevel(logging.INFO)
    session = get_session()
    session.register_component("data_loader", Four())
    return session


def _config(service: str) -> "Config":
    from botocore.config import Config

    # Not `max_attempts`, which counts the tries after the first.
    retries: Any = {"mode": "standard", "total_max_attempts": budget.AWS_TRIES[service]}
    return Config(
        connect_timeout=budget.AWS_CONNECT,
        read_timeout=budget.AWS_READ,
        retries=retries,
        # DynamoDB validates parameters itself, and botocore rebuilds the usual user agent twice for
        # each call: together a sixth of botocore's CPU.
        parameter_validation=False,
        user_agent="wechat-login",
    )
