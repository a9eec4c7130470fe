"""The environment as a frozen dataclass."""

from typing import Any

import pytest

from wechat_login.settings import PARAMETERS, Settings

LEAST = {"WECHAT_APPID": "wx1234567890abcdef", "TABLE": "logins"}


def test_optional_parameters_have_a_default():
    chosen = Settings.from_environment(LEAST)

    assert chosen.wechat_url == "https://api.weixin.qq.com"
    assert (chosen.connect_timeout, chosen.read_timeout) == (2, 5)
    assert (chosen.session_days, chosen.token_seconds) == (30, 7200)
    assert (chosen.phone_required, chosen.phone_conflict) == (True, "transfer")
    assert chosen.issuer == ""
    assert chosen.audience == ""
    assert chosen.parameter_names == {}


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_required_parameter_is_named(name):
    with pytest.raises(KeyError, match=name):
        Settings.from_environment({key: value for key, value in LEAST.items() if key != name})


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        (
            "WECHAT_URL",
            "https://hk.api.weixin.qq.com",
            "wechat_url",
            "https://hk.api.weixin.qq.com",
        ),
        ("CONNECT_TIMEOUT", "1.5", "connect_timeout", 1.5),
        ("READ_TIMEOUT", "3", "read_timeout", 3),
        ("SESSION_DAYS", "7", "session_days", 7),
        ("TOKEN_SECONDS", "300", "token_seconds", 300),
        ("ISSUER", "https://login.example/", "issuer", "https://login.example"),
        ("TOKEN_AUDIENCE", "services", "audience", "services"),
        ("TOKEN_AUDIENCE", "", "audience", ""),
        ("PHONE_REQUIRED", "false", "phone_required", False),
        ("PHONE_REQUIRED", "true", "phone_required", True),
        ("PHONE_CONFLICT", "link", "phone_conflict", "link"),
    ],
)
def test_each_variable_sets_its_field(variable, text, field, value):
    chosen = Settings.from_environment({**LEAST, variable: text})

    assert getattr(chosen, field) == value


@pytest.mark.parametrize("variable", ["SESSION_DAYS", "TOKEN_SECONDS", "READ_TIMEOUT"])
def test_a_number_that_is_none_is_refused(variable):
    with pytest.raises(ValueError, match="soon"):
        Settings.from_environment({**LEAST, variable: "soon"})


def test_a_function_knows_only_the_parameters_it_was_given():
    environment = {**LEAST, "APP_SECRETS_PARAMETER": "/a/secret", "UNRELATED_PARAMETER": "/b"}

    chosen = Settings.from_environment(environment)

    assert chosen.parameter_names == {"app-secrets": "/a/secret"}


def test_every_parameter_can_be_named():
    environment = {**LEAST, **{variable: f"/{ours}" for variable, ours in PARAMETERS.items()}}

    chosen = Settings.from_environment(environment)

    assert chosen.parameter_names == {ours: f"/{ours}" for ours in PARAMETERS.values()}


def test_settings_do_not_change():
    chosen: Any = Settings.from_environment(LEAST)

    with pytest.raises(AttributeError):
        chosen.table = "another"
