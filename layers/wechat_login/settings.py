"""The environment, read in one place into a tuple with names.

The template passes names and choices, never a secret: secrets are in the SSM parameters named here.
A function has the names of only those parameters that it may read.
"""

from collections.abc import Mapping
from typing import NamedTuple

# The environment variable of each SSM parameter's name, and our name for the parameter.
PARAMETERS = {
    "APP_SECRETS_PARAMETER": "app-secrets",
    "ACCESS_TOKENS_PARAMETER": "access-token",  # a folder: one for each AppID is in it
    "SIGNING_KEYS_PARAMETER": "signing-keys",
    "PUBLIC_KEYS_PARAMETER": "public-keys",
    "SEALING_KEY_PARAMETER": "sealing-key",
    "EVENT_TOKEN_PARAMETER": "event-token",
    "EVENT_AES_KEY_PARAMETER": "event-aes-key",
}


class Settings(NamedTuple):
    """The choices of a deployment; docs/operate.md has the same list.

    A variable without a default must be set: reading it raises `KeyError` with its name.
    """

    appid: str  # the first mini program's AppID
    table: str  # the DynamoDB table's name
    parameter_names: Mapping[
        str, str
    ]  # "app-secrets" -> SSM name, for those this function may read
    wechat_url: str  # WeChat's access point, a name and never an IP
    connect_timeout: float  # seconds to wait for a connection to WeChat
    read_timeout: float  # seconds to wait for WeChat's answer
    session_days: int  # a session ends this long after its last use
    token_seconds: int  # an app token ends this long after it was signed
    issuer: str  # the tokens' `iss`; empty: the request's own domain name
    audience: str  # the tokens' `aud`; empty: the mini program's AppID
    phone_required: bool  # no phone, no token
    phone_conflict: str  # transfer, link or reject
    legacy_phone: bool  # whether encryptedData is accepted; only then are session_keys kept
    risk_limit: int  # WeChat's risk rank from which a registration is refused; 0: not asked
    check_content: bool  # whether WeChat is asked about nicknames
    events: bool  # whether changes of users are published for other services
    event_bus: str  # the name of the EventBridge bus for these events
    failed_events: str  # the URL of the queue for events that cannot be published
    kms_key_arn: str  # the key that encrypts SSM parameters; empty: AWS's own

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Settings":
        """Read the settings from `env`, in Lambda `os.environ`."""
        return cls(
            appid=env["WECHAT_APPID"],
            table=env["TABLE"],
            parameter_names={
                name: env[variable] for variable, name in PARAMETERS.items() if variable in env
            },
            wechat_url=env.get("WECHAT_URL", "https://api.weixin.qq.com"),
            connect_timeout=float(env.get("CONNECT_TIMEOUT", "2")),
            read_timeout=float(env.get("READ_TIMEOUT", "5")),
            session_days=int(env.get("SESSION_DAYS", "30")),
            token_seconds=int(env.get("TOKEN_SECONDS", "7200")),
            issuer=env.get("ISSUER", "").rstrip("/"),
            audience=env.get("TOKEN_AUDIENCE", ""),
            phone_required=env.get("PHONE_REQUIRED", "true") == "true",
            phone_conflict=env.get("PHONE_CONFLICT", "transfer"),
            legacy_phone=env.get("LEGACY_PHONE", "false") == "true",
            risk_limit=int(env.get("RISK_LIMIT", "0")),
            check_content=env.get("CHECK_CONTENT", "false") == "true",
            events=env.get("EVENTS", "false") == "true",
            event_bus=env.get("EVENT_BUS", "default"),
            failed_events=env.get("FAILED_EVENTS", ""),
            kms_key_arn=env.get("KMS_KEY_ARN", ""),
        )
