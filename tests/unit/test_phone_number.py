"""WeChat's parts of a number, and the E.164 they make."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wechat_login.errors import BadRequest
from wechat_login.wechat.phone_number import PhoneNumber


def read(country_code, national):
    return PhoneNumber.from_wechat({"countryCode": country_code, "purePhoneNumber": national})


@pytest.mark.parametrize(
    ("country_code", "national", "e164"),
    [
        pytest.param("86", "13580006666", "+8613580006666", id="mainland"),
        pytest.param(86, "13580006666", "+8613580006666", id="code a number, as in older samples"),
        pytest.param("+86", "13580006666", "+8613580006666", id="with a plus"),
        pytest.param(" 86 ", "13580006666", "+8613580006666", id="with blanks"),
        pytest.param("852", "51234567", "+85251234567", id="Hong Kong"),
        pytest.param("1", "2066600001", "+12066600001", id="WeChat's own testers"),
        pytest.param("290", "2158", "+2902158", id="the shortest"),
        pytest.param("49", "1234567890123", "+491234567890123", id="the longest"),
    ],
)
def test_a_number_is_its_country_code_and_its_national_number(country_code, national, e164):
    assert read(country_code, national).e164 == e164


@pytest.mark.parametrize(
    ("country_code", "national"),
    [
        pytest.param("86", "", id="no number"),
        pytest.param("", "13580006666", id="no country code"),
        pytest.param(None, "13580006666", id="country code null"),
        pytest.param("86", None, id="number null"),
        pytest.param("0", "13580006666", id="country code 0"),
        pytest.param("86", "135 8000 6666", id="blanks"),
        pytest.param("86", "135-8000-6666", id="dashes"),
        pytest.param("86", "13580006666\n", id="a line's end"),
        pytest.param("86", "١٣٥٨٠٠٠٦٦٦٦", id="digits of another script"),
        pytest.param("86", "12345678901234", id="one digit too long"),
        pytest.param("86", "138******66", id="masked"),
        pytest.param("86", "+8613580006666", id="already E.164"),
        pytest.param("86", ["13580006666"], id="array"),
        pytest.param({}, "13580006666", id="object"),
    ],
)
def test_an_impossible_number_is_rejected(country_code, national):
    with pytest.raises(BadRequest) as refusal:
        read(country_code, national)

    assert "1358" not in str(refusal.value)


@given(
    some.from_regex(r"[1-9][0-9]{0,2}", fullmatch=True),
    some.from_regex(r"[0-9]{4,11}", fullmatch=True),
)
def test_every_accepted_number_is_e164_and_survives_sealing(country_code, national):
    try:
        number = read(country_code, national)
    except BadRequest:
        return

    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", number.e164)
    assert PhoneNumber.from_text(number.to_text()).e164 == number.e164


@given(some.text(max_size=20), some.text(max_size=20))
def test_any_text_is_a_number_or_refused(country_code, national):
    try:
        number = read(country_code, national)
    except BadRequest:
        return

    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", number.e164, re.ASCII)


def test_a_masked_number_shows_three_digits_and_two():
    assert read("86", "13800138066").masked == "138******66"


@given(some.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_a_masked_number_hides_some_digit(national):
    masked = PhoneNumber("86", national).masked

    assert "*" in masked
    assert masked != national
    assert sum(letter.isdigit() for letter in masked) <= 5


def test_a_number_is_not_shown_by_accident():
    number = read("86", "13580006666")

    assert "13580006666" not in f"{number!r} {number}"
