"""Builds each part once, on first use, and connects the parts.

The only module that makes AWS clients. `reset` discards all parts, for a changed environment.
A room such as `accounts` loads its modules on first use, and parts are built by lambdas, so that a
function loads only its own: a cold start of log_out needs neither an HTTP client nor cryptography.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from wechat_login import accounts, budget, invocation, storage, tokens, wechat
from wechat_login.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ssm import SSMClient

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.RLock()
_built: dict[object, Any] = {}


def once(build: Callable[P, T]) -> Callable[P, T]:
    """Build on first use, for each argument, and keep; if that fails, the next caller retries."""

    def get(*args: P.args, **named: P.kwargs) -> T:
        with _lock:
            if (build, args) not in _built:
                _built[build, args] = build(*args, **named)
            part: T = _built[build, args]
        return part

    return get


def per_mini_program(build: Callable[[str], T]) -> Callable[..., T]:
    """Build like `once`, for each AppID; no AppID means the first mini program."""
    for_appid = once(build)
    return lambda appid="": for_appid(appid or settings().appid)


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


settings = once(lambda: Settings.from_environment(os.environ))


# Storage


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


def _client(service: str) -> Any:
    from botocore.config import Config

    # Not `max_attempts`, which counts the tries after the first.
    retries: Any = {"mode": "standard", "total_max_attempts": budget.AWS_TRIES[service]}
    config = Config(
        connect_timeout=budget.AWS_CONNECT,
        read_timeout=budget.AWS_READ,
        retries=retries,
        # DynamoDB validates parameters itself, and botocore rebuilds the usual user agent twice for
        # each call: together a sixth of botocore's CPU.
        parameter_validation=False,
        user_agent="wechat-login",
    )
    return _aws().create_client(service, config=config)


dynamodb: "Callable[[], DynamoDBClient]" = once(lambda: _client("dynamodb"))
ssm: "Callable[[], SSMClient]" = once(lambda: _client("ssm"))
table = once(
    lambda: storage.table.Table(
        dynamodb(), settings().table, time_left=invocation.time_left, reserve=budget.WRITE
    )
)


@once
def parameters() -> "storage.parameters.Parameters":
    """Return the SSM parameters that this function may read."""
    names = dict(settings().parameter_names)
    if names.pop("access-token", None):
        # With one mini program all is then read in one call.
        names |= [_access_token(settings().appid)]
    return storage.parameters.Parameters(ssm(), names, kms_key_arn=settings().kms_key_arn)


def _access_token(appid: str) -> tuple[str, str]:
    """Return our name and SSM's of a mini program's access token."""
    folder = settings().parameter_names["access-token"]
    return f"access-token/{appid}", f"{folder}/{appid}"


def keyring() -> "storage.sealing.Keyring":
    """Return the sealing keys as SSM has them now."""

    def by_now() -> "storage.sealing.Keyring":
        return storage.sealing.Keyring.from_json(parameters().renewed("sealing-key"))

    return storage.sealing.Keyring.from_json(parameters().get("sealing-key"), by_now)


# WeChat

mini_programs = once(
    lambda: wechat.mini_programs.MiniPrograms(
        settings().appid,
        secrets=lambda: parameters().get("app-secrets"),
        renewed=lambda: parameters().renewed("app-secrets"),
    )
)
transport = once(lambda: wechat.transport.Transport(settings().wechat_url))
wechat_client = per_mini_program(
    lambda appid: wechat.client.WeChatClient(
        transport=transport(),
        appid=appid,
        app_secret=lambda: mini_programs().app_secret(appid),
        renewed_app_secret=lambda: mini_programs().renewed_app_secret(appid),
        connect_timeout=settings().connect_timeout,
        read_timeout=settings().read_timeout,
        reserve=budget.AFTER_WECHAT,
        time_left=invocation.time_left,
        observe=invocation.note_wechat_call,
    )
)


@per_mini_program
def access_tokens(appid: str) -> "wechat.access_token.AccessTokens":
    """Return WeChat's access token, shared through SSM."""
    parameters().add(*_access_token(appid))
    seconds = wechat.access_token.LOCK_SECONDS
    return wechat.access_token.AccessTokens(
        parameters=parameters(),
        lock=storage.lock.Lock(table(), f"access-token {appid}", seconds=seconds),
        forced=wechat.access_token.ForcedRefreshes(table(), appid=appid),
        fetch=wechat_client(appid).stable_token,
        appid=appid,
        time_left=invocation.time_left,
        reserve=budget.RENEWAL,
        count=invocation.count,
    )


renewal = once(
    lambda: wechat.access_token.Renewal(mini_programs(), access_tokens, invocation.count)
)
authorized_client = per_mini_program(
    lambda appid: wechat.authorized_client.AuthorizedClient(
        wechat_client(appid),
        access_tokens(appid),
        phone_reserve=budget.AFTER_PHONE_NUMBER,
        risk_reserve=budget.AFTER_RISK_RANK,
    )
)
# Questions within ten minutes: rejected login codes of an address, texts of a user.
rejected_codes = once(lambda: wechat.limits.Limit(100, 600))
texts = once(lambda: wechat.limits.Limit(10, 600))
message_push = once(
    lambda: wechat.message_push.MessagePush(
        table(),
        is_ours=mini_programs().has,
        token=lambda: parameters().find("event-token"),
        aes_key=lambda: parameters().find("event-aes-key"),
    )
)

# Accounts

users = once(lambda: accounts.users.Users(table()))
transactions = once(lambda: accounts.transaction.Transactions(table(), events=settings().events))
sessions = once(lambda: accounts.sessions.Sessions(table(), users(), days=settings().session_days))
blocks = once(lambda: accounts.blocks.Blocks(keyring=keyring))
listing = once(lambda: accounts.listing.Listing(table()))
profiles = once(lambda: accounts.profiles.Profiles(transactions()))
erasure = once(lambda: accounts.erasure.Erasure(transactions()))
merging = once(lambda: accounts.merging.Merging(transactions(), users()))
look_ups = once(lambda: accounts.lookups.LookUps(users(), appid=settings().appid, keyring=keyring))
operators = once(
    lambda: accounts.operators.Operators(transactions(), blocks(), appid=settings().appid)
)
claims = once(
    lambda: accounts.claims.PhoneClaims(
        transactions(), keyring=keyring, conflict=settings().phone_conflict
    )
)
publisher = once(
    lambda: accounts.publisher.Publisher(
        _client("events"),
        _client("sqs"),
        bus=settings().event_bus,
        failed=settings().failed_events,
        count=invocation.count,
    )
)
platform_events = once(
    lambda: accounts.platform_events.PlatformEvents(
        erasure(), claims(), profiles(), count=invocation.count
    )
)
legacy_phone = once(
    lambda: accounts.legacy_phone.LegacyPhone(
        keyring, lambda appid, data: authorized_client(appid).checkencryptedmsg(data)
    )
)
logins = once(
    lambda: accounts.logins.Logins(
        table(),
        transactions(),
        sessions(),
        blocks(),
        seal_session_key=legacy_phone().seal_session_key if settings().legacy_phone else None,
    )
)
screening = once(
    lambda: accounts.screening.Screening(
        risk_limit=settings().risk_limit,
        check_content=settings().check_content,
        risk_rank=lambda user, client_ip: authorized_client(user.appid).getuserriskrank(
            user.openid, client_ip
        ),
        opinion=lambda user, text: authorized_client(user.appid).msg_sec_check(user.openid, text),
        count_text=lambda user: texts().take(user.key[0]),
    )
)
registration = once(
    lambda: accounts.registration.Registration(
        claims=claims(),
        attempts=accounts.attempts.Attempts(table(), keyring=keyring),
        keyring=keyring,
        screen=screening().registration,
        exchange=lambda user, code: authorized_client(user.appid).getuserphonenumber(
            code, user.openid
        ),
        legacy=legacy_phone().number if settings().legacy_phone else None,
        time_left=invocation.time_left,
        reserve=budget.BINDING,
    )
)

# Tokens

app_tokens = once(
    lambda: tokens.app_tokens.Tokens(
        signing_keys=lambda: parameters().get("signing-keys"),
        public_keys=lambda: parameters().get("public-keys"),
        issuer=settings().issuer,
        audience=settings().audience,
        lifetime=settings().token_seconds,
        phone_required=settings().phone_required,
    )
)
rotation = once(
    lambda: tokens.signing_keys.Rotation(
        parameters(),
        storage.lock.Lock(table(), "signing-keys", seconds=60),
        tokens.signing_keys.KEY_DAYS,
        settings().token_seconds,
    )
)
