"""Signs and verifies the tokens that other services accept: RS256 JWTs in the shape of RFC 9068.

A signer takes the newest private key that is already active, a verifier the public key that the
token names; signing_keys.py describes both sets and their rotation.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import jwt
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from jwt.algorithms import Algorithm

from wechat_login.errors import Misconfigured, TokenInvalid
from wechat_login.frozen import frozen

if TYPE_CHECKING:
    from wechat_login.accounts.users import User

ALGORITHM = "RS256"
TYPE = "at+jwt"
CLAIMS = ["iss", "aud", "sub", "client_id", "openid", "sid", "iat", "exp"]
PUBLISHED = ("kid", "kty", "use", "alg", "n", "e")
# API Gateway's JWT authorizer documents no leeway, and clocks differ by a second or two.
BACKDATED_SECONDS = 5


class PycryptodomeRS256(Algorithm):
    """RS256 (RFC 7518, 3.3) for PyJWT, so that one native crypto library is enough."""

    def prepare_key(self, key: RSA.RsaKey) -> RSA.RsaKey:
        """Return the key unchanged: only `_rsa_key` makes keys."""
        return key

    def sign(self, msg: bytes, key: RSA.RsaKey) -> bytes:
        return pkcs1_15.new(key).sign(SHA256.new(msg))

    def verify(self, msg: bytes, key: RSA.RsaKey, sig: bytes) -> bool:
        try:
            pkcs1_15.new(key).verify(SHA256.new(msg), sig)
        except ValueError:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:
        """Raise: only `signing_keys` makes JWKs."""
        raise TypeError(key_obj, as_dict)

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        """Raise: only `_rsa_key` reads JWKs."""
        raise TypeError(jwk)


class RS256JWT(jwt.PyJWT):
    """PyJWT with RS256 as its only algorithm, so a token's header cannot choose another."""

    def __init__(self) -> None:
        super().__init__()
        # PyJWT has its own RS256 if `cryptography` is installed; use ours everywhere.
        self._jws = jwt.PyJWS(algorithms=[])
        self._jws.register_algorithm(ALGORITHM, PycryptodomeRS256())


@frozen
class Tokens:
    """Signs tokens, each valid for `lifetime` seconds, and verifies them.

    `domain`, the name the request came to, makes the issuer if none is configured; the AppID of the
    user's mini program is the audience if none is configured.
    """

    signing_keys: Callable[[], str]
    public_keys: Callable[[], str]
    issuer: str
    audience: str
    lifetime: int
    phone_required: bool
    now: Callable[[], float] = time.time

    def sign_for(self, user: "User", *, sid: str, domain: str) -> str | None:
        """Sign a token for the user's session, or return None: no phone, no token."""
        if self.phone_required and not user.registered:
            return None
        now = int(self.now())
        kid, key = self._active_key(now)
        claims = {
            "iss": self.issuer_at(domain),
            "aud": self.audience or user.appid,
            "sub": user.user_id,
            "client_id": user.appid,
            "openid": user.openid,
            "sid": sid,
            "phone_number_verified": user.registered,
            "roles": sorted(user.roles),
            "iat": now - BACKDATED_SECONDS,
            "exp": now + self.lifetime,
            "jti": uuid.uuid4().hex,
        }
        # PyJWT's annotations know only its own key types.
        private_key = cast("Any", key)
        return RS256JWT().encode(
            claims, private_key, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPE}
        )

    def issuer_at(self, domain: str) -> str:
        """Return the issuer's URL, without a final slash."""
        return self.issuer or f"https://{domain}"

    def key_set(self) -> dict[str, object]:
        """Return the public keys as a JWK Set (RFC 7517)."""
        keys = json.loads(self.public_keys())["keys"]
        return {"keys": [{name: key[name] for name in PUBLISHED} for key in keys]}

    def discovery(self, domain: str) -> dict[str, object]:
        """Return the metadata that leads verifiers to the keys (OpenID Connect Discovery 1.0)."""
        issuer = self.issuer_at(domain)
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "userinfo_endpoint": f"{issuer}/userinfo",
            # Required by the standard, though a wx.login code replaces the redirect here.
            "authorization_endpoint": f"{issuer}/login",
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "claims_supported": [*CLAIMS, "jti", "phone_number_verified", "roles"],
        }

    def verify(self, token: str, *, domain: str) -> dict[str, Any]:
        """Return the claims of our own valid token, else raise `TokenInvalid`."""
        keys = _public_keys(self.public_keys())
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TYPE:
                raise TokenInvalid(why="typ")
            key = keys[header.get("kid", "")]
            claims = RS256JWT().decode(
                token,
                cast("Any", key),
                algorithms=[ALGORITHM],
                issuer=self.issuer_at(domain),
                options={"require": CLAIMS, "verify_aud": False},
            )
            # Each mini program is an audience, and what our key has signed names one of ours.
            if claims["aud"] == (self.audience or claims["client_id"]):
                return claims
            why = "aud"
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as refused:
            why = type(refused).__name__
        # Raised outside `except`, so that the exception's context holds no token.
        raise TokenInvalid(why=why)

    def _active_key(self, now: int) -> tuple[str, RSA.RsaKey]:
        active = [key for key in _private_keys(self.signing_keys()) if key[0] <= now]
        if not active:
            raise Misconfigured(why="no signing key is active yet")
        _, kid, key = max(active, key=lambda each: each[0])
        return kid, key


# The texts change only on rotation; building a key from its parts costs more than a cache hit.
@lru_cache(maxsize=2)
def _private_keys(text: str) -> list[tuple[int, str, RSA.RsaKey]]:
    return [(jwk["activeFrom"], jwk["kid"], _rsa_key(jwk)) for jwk in json.loads(text)["keys"]]


@lru_cache(maxsize=2)
def _public_keys(text: str) -> dict[str, RSA.RsaKey]:
    return {jwk["kid"]: _rsa_key(jwk) for jwk in json.loads(text)["keys"]}


def _rsa_key(jwk: dict[str, Any]) -> RSA.RsaKey:
    parts = [_integer(jwk[name]) for name in ("n", "e", "d", "p", "q") if name in jwk]
    # The check costs 30 ms and could only reject a key that we did not make.
    return RSA.construct(tuple(parts), consistency_check=False)


def _integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
