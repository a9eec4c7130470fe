"""Tokens: ours verify anywhere, and no other token verifies here."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as some

from tests.support import openssl
from tests.support.world import a_user
from wechat_login.errors import Misconfigured, TokenInvalid
from wechat_login.tokens.app_tokens import Tokens
from wechat_login.tokens.signing_keys import new_key, new_signing_keys, public_part

APPID, ISSUER, DOMAIN = "wx1234567890abcdef", "https://login.example", "api.example"
with pytest.MonkeyPatch.context() as patch:
    openssl.make_keys(patch)  # Each worker of the tests loads this module.
    PRIVATE, PUBLIC = new_signing_keys(time.time())
ALICE = a_user("oI7xAlice", APPID, userId="01890a5d-ac96-774b-bcce-b302099a8057", phoneIndex="ab12")
BOB = a_user("oI7xBob", APPID, userId="01890a5d-ac96-774b-bcce-b302099a8058")


def made(**changes):
    return Tokens(
        **{
            "signing_keys": lambda: PRIVATE,
            "public_keys": lambda: PUBLIC,
            "issuer": ISSUER,
            "audience": "",
            "lifetime": 7200,
            "phone_required": True,
            **changes,
        }
    )


def signed(**changes):
    return made(**changes).sign_for(ALICE, sid="s1", domain=DOMAIN)


def elsewhere(token, public=PUBLIC, **expected):
    """Verify with PyJWT and `cryptography`, as a service that knows nothing of our code."""
    key = jwt.PyJWKSet.from_json(public)[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], **expected)


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


KID = json.loads(PUBLIC)["keys"][0]["kid"]


def test_a_token_verifies_elsewhere_with_all_its_claims():
    claims = elsewhere(signed(), audience=APPID, issuer=ISSUER)

    now = time.time()
    assert claims["sub"] == ALICE.user_id
    assert claims["openid"] == "oI7xAlice"
    assert claims["client_id"] == APPID
    assert claims["sid"] == "s1"
    assert claims["phone_number_verified"] is True
    assert claims["exp"] == pytest.approx(now + 7200, abs=5)
    assert claims["iat"] <= now


def test_a_tokens_header_is_that_of_an_access_token():
    assert jwt.get_unverified_header(signed()) == {"alg": "RS256", "typ": "at+jwt", "kid": KID}


def test_a_token_of_ours_verifies_here():
    assert made().verify(signed(), domain=DOMAIN)["sub"] == ALICE.user_id


def test_no_token_is_made_twice():
    assert signed() != signed()


def test_no_phone_no_token():
    assert made().sign_for(BOB, sid="s", domain=DOMAIN) is None


def test_no_phone_claim_without_a_phone():
    tokens = made(phone_required=False)

    claims = elsewhere(tokens.sign_for(BOB, sid="s", domain=DOMAIN), audience=APPID)

    assert claims["phone_number_verified"] is False


def test_without_an_issuer_the_domain_is_it():
    tokens = made(issuer="")

    token = tokens.sign_for(ALICE, sid="s", domain=DOMAIN)

    assert elsewhere(token, audience=APPID)["iss"] == "https://api.example"
    assert tokens.verify(token, domain=DOMAIN)
    with pytest.raises(TokenInvalid):
        tokens.verify(token, domain="other.example")


def our_private_key():
    """Return our key in the form of `cryptography`, to forge tokens with only one fault."""
    jwk = json.loads(PRIVATE)["keys"][0]
    number = {
        name: int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=="), "big") for name in "nedpq"
    }
    d, p, q = number["d"], number["p"], number["q"]
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(number["e"], number["n"]),
    ).private_key()


OURS = our_private_key()
THEIRS = rsa.generate_private_key(65537, 2048)
NOW = int(time.time())
CLAIMS = {
    "iss": ISSUER,
    "aud": APPID,
    "sub": ALICE.user_id,
    "client_id": APPID,
    "openid": "oI7xAlice",
    "sid": "s1",
    "phone_number_verified": True,
    "iat": NOW,
    "exp": NOW + 3600,
    "jti": "1",
}


def forged(key=OURS, algorithm="RS256", typ="at+jwt", kid=KID, without=(), **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if name not in without}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": typ, "kid": kid})


def hs256_with_our_public_key(form):
    """Sign with HMAC and our public key as its secret: the classic confusion of algorithms."""
    public = OURS.public_key()
    secret = {
        "pem": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "der": public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "jwks": PUBLIC.encode(),
    }[form]
    text = f"{b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': KID})}.{b64(CLAIMS)}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm, signature=""):
    return f"{b64({'alg': algorithm, 'typ': 'at+jwt', 'kid': KID})}.{b64(CLAIMS)}.{signature}"


def test_a_token_that_nothing_is_wrong_with_verifies():
    assert made().verify(forged(), domain=DOMAIN)["openid"] == "oI7xAlice"


REFUSED = [
    pytest.param(unsigned("none"), id="alg none"),
    pytest.param(unsigned("None"), id="alg None"),
    pytest.param(unsigned("NONE"), id="alg NONE"),
    pytest.param(unsigned("none", b64(b"x")), id="alg none with a signature"),
    pytest.param(unsigned("RS256"), id="no signature"),
    pytest.param(hs256_with_our_public_key("pem"), id="HS256 with the public key in PEM"),
    pytest.param(hs256_with_our_public_key("der"), id="HS256 with the public key in DER"),
    pytest.param(hs256_with_our_public_key("jwks"), id="HS256 with the key set"),
    pytest.param(forged(algorithm="RS384"), id="RS384 with our key"),
    pytest.param(forged(algorithm="PS256"), id="PS256 with our key"),
    pytest.param(forged(THEIRS), id="another key under our kid"),
    pytest.param(forged(kid="unknown"), id="unknown kid"),
    pytest.param(forged(kid=""), id="empty kid"),
    pytest.param(forged(typ="JWT"), id="typ JWT"),
    pytest.param(forged(typ="id+jwt"), id="another typ"),
    pytest.param(forged(aud="wx2222222222222222"), id="another audience"),
    pytest.param(forged(aud=[APPID, "other"]), id="many audiences"),
    pytest.param(forged(aud=""), id="empty audience"),
    pytest.param(forged(iss="https://evil.example"), id="another issuer"),
    pytest.param(forged(iss=f"{ISSUER}/"), id="issuer with a slash"),
    pytest.param(forged(exp=NOW - 1), id="expired"),
    pytest.param(forged(exp=NOW - 86_400), id="expired for a day"),
    pytest.param(forged(iat=NOW + 3600, exp=NOW + 7200), id="issued in the future"),
    pytest.param(forged(nbf=NOW + 3600), id="not yet valid"),
    *[
        pytest.param(forged(without=(name,)), id=f"without {name}")
        for name in ("iss", "aud", "sub", "client_id", "openid", "sid", "iat", "exp")
    ],
]


@pytest.mark.parametrize("token", REFUSED)
def test_a_forged_or_expired_token_is_refused(token):
    with pytest.raises(TokenInvalid) as refusal:
        made().verify(token, domain=DOMAIN)

    assert refusal.value.__context__ is None
    assert token[-20:] not in repr(refusal.value)


@pytest.mark.parametrize("claim", ["exp", "iat"])
@pytest.mark.parametrize("value", ["soon", None, [], {}])
def test_a_time_that_is_none_is_refused(claim, value):
    body = b64({**CLAIMS, claim: value})
    text = f"{b64({'alg': 'RS256', 'typ': 'at+jwt', 'kid': KID})}.{body}"
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
        text.encode(), OURS
    )

    with pytest.raises(TokenInvalid):
        made().verify(f"{text}.{b64(signature)}", domain=DOMAIN)


@given(some.data())
def test_a_token_with_one_changed_letter_is_refused(data):
    token = forged()
    at = data.draw(some.integers(0, len(token) - 1))
    # The last letter of base64 may carry bits that mean nothing.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=!"
    other = data.draw(some.sampled_from(letters).filter(lambda letter: letter != token[at]))
    changed = token[:at] + other + token[at + 1 :]

    try:
        claims = made().verify(changed, domain=DOMAIN)
    except TokenInvalid:
        return

    assert at == len(token) - 1
    assert claims == CLAIMS


@given(some.text())
def test_any_text_is_refused(text):
    with pytest.raises(TokenInvalid):
        made().verify(text, domain=DOMAIN)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "RS256", "typ": "at+jwt", "kid": None},
        {"alg": "RS256", "typ": "at+jwt", "kid": 7},
        {"alg": "RS256", "typ": "at+jwt", "kid": [KID]},
        {"alg": "RS256", "typ": "at+jwt", "kid": {"a": KID}},
        {"alg": "RS256", "typ": ["at+jwt"], "kid": KID},
        {"alg": ["RS256"], "typ": "at+jwt", "kid": KID},
        {"alg": None, "typ": "at+jwt", "kid": KID},
        {"typ": "at+jwt", "kid": KID},
        {"alg": "RS256", "typ": "at+jwt", "kid": KID, "crit": ["b64"], "b64": False},
        {"alg": "RS256", "typ": "at+jwt", "kid": KID, "b64": False},
        [],
        None,
    ],
    ids=lambda header: str(header).replace(KID, "ours"),  # the same in each worker
)
def test_a_strange_header_is_refused(header):
    text = f"{b64(header)}.{b64(CLAIMS)}"
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
        text.encode(), OURS
    )

    with pytest.raises(TokenInvalid):
        made().verify(f"{text}.{b64(signature)}", domain=DOMAIN)


def sets(*keys):
    return json.dumps({"keys": list(keys)}), json.dumps(
        {"keys": [public_part(key) for key in keys]}
    )


def test_a_coming_key_verifies_before_it_signs():
    old, coming = new_key(0), new_key(NOW + 3600)
    private, public = sets(old, coming)
    now = {"time": float(NOW)}
    tokens = made(signing_keys=lambda: private, public_keys=lambda: public, now=lambda: now["time"])

    before = tokens.sign_for(ALICE, sid="s", domain=DOMAIN)
    now["time"] += 3600
    after = tokens.sign_for(ALICE, sid="s", domain=DOMAIN)

    assert jwt.get_unverified_header(before)["kid"] == old["kid"]
    assert jwt.get_unverified_header(after)["kid"] == coming["kid"]
    assert tokens.verify(before, domain=DOMAIN)
    assert elsewhere(before, public, audience=APPID)


def test_a_key_that_is_no_longer_published_verifies_nothing():
    _, other = sets(new_key(0))

    with pytest.raises(TokenInvalid):
        made(public_keys=lambda: other).verify(forged(), domain=DOMAIN)


def test_a_missing_active_key_is_misconfigured():
    private, _ = sets(new_key(NOW + 3600))

    with pytest.raises(Misconfigured):
        signed(signing_keys=lambda: private)


def test_published_keys_hold_nothing_private():
    (published,) = made().key_set()["keys"]

    assert published.keys() == {"kid", "kty", "use", "alg", "n", "e"}
    assert not {"d", "p", "q"} & json.loads(PUBLIC)["keys"][0].keys()


def test_a_kid_is_the_keys_thumbprint():
    (key,) = made().key_set()["keys"]

    required = json.dumps({"e": key["e"], "kty": "RSA", "n": key["n"]}, separators=(",", ":"))
    assert key["kid"] == b64(hashlib.sha256(required.encode()).digest())
