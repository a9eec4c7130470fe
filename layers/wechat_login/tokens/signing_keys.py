"""Makes, publishes and rotates the keys that sign tokens.

The private keys are the JSON `{"keys": [JWK]}`, RSA (RFC 7518, 6.3), each with `activeFrom`, the
Unix time from which it may sign; the newest active key signs. The public keys are the same without
their private members. Rotation depends only on `activeFrom`, so a run may come late, come twice or
end half-way: the next run completes it.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from Crypto.PublicKey import RSA

from wechat_login.frozen import frozen
from wechat_login.storage.lock import Lock
from wechat_login.storage.parameters import Parameters

Jwk = dict[str, Any]

BITS = 2048
DAY = 86_400
KEY_DAYS = 90  # A new signing key is made this often.
# Verifiers may cache the key set for hours (API Gateway: two), and need a key before it signs.
NOTICE_SECONDS = DAY
# Added after the last token's end, and before the first key's start, for clocks that differ.
GRACE_SECONDS = 3600
STANDARD = ("kid", "kty", "use", "alg", "n", "e")


def new_signing_keys(now: float) -> tuple[str, str]:
    """Make the first key, which signs at once: the private and the public keys, as JSON for SSM."""
    # In a container whose clock is behind, a key from this second would not be active yet, and
    # no token could be signed.
    key = new_key(int(now) - GRACE_SECONDS)
    return _set([key]), _set([public_part(key)])


def new_key(active_from: int) -> Jwk:
    """Make a private key that signs from `active_from` on."""
    key = RSA.generate(BITS)
    parts = {name: _base64url(int(getattr(key, name))) for name in ("n", "e", "d", "p", "q")}
    # RFC 7638: a key's thumbprint is the hash of its required members, sorted, without spaces.
    required = {"e": parts["e"], "kty": "RSA", "n": parts["n"]}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {
        "kid": kid,
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        **parts,
        "activeFrom": active_from,
    }


def public_part(key: Jwk) -> Jwk:
    """Return a key without its private members."""
    return {name: key[name] for name in (*STANDARD, "activeFrom")}


@frozen
class Rotation:
    """Makes a new signing key every `days`, for tokens that live `token_seconds`."""

    parameters: Parameters
    lock: Lock
    days: int
    token_seconds: int
    now: Callable[[], float] = time.time
    make_key: Callable[[int], Jwk] = new_key

    def rotate(self, *, by_hand: bool = False) -> dict[str, object]:
        """Make the next key if it is due, or `by_hand`, and drop the keys that nobody needs.

        Even by hand a new key signs a day later, and none is made while another waits. Returns the
        number of keys.
        """
        holder = self.lock.acquire()
        if holder is None:
            return {"rotated": "elsewhere"}
        try:
            return self._rotate(by_hand=by_hand)
        finally:
            self.lock.release(holder)

    def _rotate(self, *, by_hand: bool) -> dict[str, object]:
        now = int(self.now())
        # Values of an earlier read could undo what another run has written since.
        self.parameters.load()
        private = json.loads(self.parameters.get("signing-keys"))["keys"]
        public = json.loads(self.parameters.get("public-keys"))["keys"]
        signing = _still_signing(private, now)
        newest = signing[-1]["activeFrom"]
        due = by_hand or now + NOTICE_SECONDS >= newest + self.days * DAY
        if due and newest <= now:
            signing.append(self.make_key(now + NOTICE_SECONDS))
        # Publish first, also after an incomplete run: an unpublished key must not sign.
        verifying = self._still_verifying(public, [public_part(key) for key in signing], now)
        if verifying != public:
            self.parameters.put("public-keys", _set(verifying))
        if signing != private:
            self.parameters.put("signing-keys", _set(signing))
        return {"signing_keys": len(signing), "public_keys": len(verifying)}

    def _still_verifying(
        self, public: Sequence[Jwk], signing: Sequence[Jwk], now: int
    ) -> list[Jwk]:
        """Return the public keys that valid tokens may need, in the order of their use."""
        # A public key that is newer than the oldest private key comes from a run that crashed: its
        # private key is lost, so it never signs.
        former = sorted((key for key in public if _age(key) < _age(signing[0])), key=_age)
        replaced_by = [*former, signing[0]][1:]
        lifetime = self.token_seconds + GRACE_SECONDS
        living = [
            key
            for key, next_key in zip(former, replaced_by, strict=True)
            if _age(next_key) + lifetime > now
        ]
        return [*living, *signing]


def _still_signing(private: Sequence[Jwk], now: int) -> list[Jwk]:
    """Return the key that signs now and the later keys, in the order of their use."""
    keys = sorted(private, key=_age)
    former = [key for key in keys if key["activeFrom"] <= now][:-1]
    return [key for key in keys if key not in former]


def _age(key: Jwk) -> int:
    active_from: int = key["activeFrom"]
    return active_from


def _set(keys: Sequence[Jwk]) -> str:
    # SSM takes 4 KB: two private keys, or seven public ones.
    return json.dumps({"keys": list(keys)}, separators=(",", ":"))


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
