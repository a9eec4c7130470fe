"""Signing keys: JWKs that every library reads, small enough for SSM."""

import base64
import hashlib
import json

import jwt
import pytest

from wechat_login.tokens.signing_keys import DAY, new_key, new_signing_keys, public_part

STANDARD_PARAMETER = 4096
NOW = 1_800_000_000
MINUTE = 60


@pytest.fixture(scope="module")
def key():
    return new_key(NOW)


def test_a_key_is_an_rsa_key_of_2048_bits_for_rs256(key):
    modulus = int.from_bytes(base64.urlsafe_b64decode(key["n"] + "=="))

    assert modulus.bit_length() == 2048
    assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
    assert key["activeFrom"] == NOW


def test_a_keys_id_is_its_thumbprint(key):
    # https://www.rfc-editor.org/rfc/rfc7638#section-3
    required = f'{{"e":"{key["e"]}","kty":"RSA","n":"{key["n"]}"}}'
    digest = hashlib.sha256(required.encode()).digest()

    assert key["kid"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_the_public_part_has_no_private_member(key):
    # https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2
    assert public_part(key).keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi", "oth"})


def test_the_public_key_verifies_our_signatures_in_other_libraries(key):
    private = jwt.PyJWK({name: key[name] for name in ("kty", "alg", "n", "e", "d")})
    public = jwt.PyJWK(public_part(key))

    token = jwt.encode({"sub": "alice"}, private.key, "RS256")

    assert jwt.decode(token, public, ["RS256"]) == {"sub": "alice"}


def test_the_parts_of_a_key_belong_together(key):
    n, d, p, q = (
        int.from_bytes(base64.urlsafe_b64decode(key[name] + "==")) for name in ("n", "d", "p", "q")
    )

    assert n == p * q
    assert pow(pow(2, d, n), 65537, n) == 2


def test_the_first_key_signs_at_once_on_every_clock_and_is_published():
    private, public = (json.loads(text)["keys"] for text in new_signing_keys(NOW + 0.5))

    (first,) = private
    assert first["activeFrom"] <= NOW - MINUTE
    assert public == [public_part(first)]


def test_the_first_key_is_as_young_as_it_says():
    private, _ = new_signing_keys(NOW)

    assert json.loads(private)["keys"][0]["activeFrom"] > NOW - DAY


@pytest.mark.parametrize(("part", "many"), [(dict, 2), (public_part, 7)])
def test_as_many_keys_as_are_ever_kept_fit_into_a_parameter(key, part, many):
    keys = json.dumps({"keys": [part(key)] * many}, separators=(",", ":"))

    assert len(keys) <= STANDARD_PARAMETER
