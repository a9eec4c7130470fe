"""Registers phone numbers: from a code, from `encryptedData`, or from a receipt.

A code costs money and works once. So its hash is kept with the user, and the same code sent again
is answered without WeChat. If the table fails after WeChat gave the number, the user gets a sealed
receipt, which replaces the code for ten minutes.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace

from wechat_login.accounts.attempts import Attempts
from wechat_login.accounts.claims import PhoneClaims
from wechat_login.accounts.sessions import Session
from wechat_login.accounts.users import User
from wechat_login.errors import (
    CodeRejected,
    LegacyPhoneDisabled,
    LoginError,
    PhoneTaken,
    SealBroken,
    StorageUnavailable,
)
from wechat_login.frozen import frozen
from wechat_login.storage.sealing import Keyring
from wechat_login.wechat.phone_number import PhoneNumber

# Seconds between tries to write a number that is already paid for.
PAUSES = (0.2, 0.5, 1.0, 2.0)
RECEIPT_SECONDS = 600


@frozen
class Registration:
    """Registers the phone numbers of users.

    `screen(user, client_ip)` raises if WeChat ranks a user as too risky; `exchange(user, code)`
    and `legacy(user, encryptedData, iv)`, None if switched off, return the number. Another try to
    write the number begins while `time_left()` exceeds `reserve`, the time for try and receipt.
    """

    claims: PhoneClaims
    attempts: Attempts
    keyring: Callable[[], Keyring]
    screen: Callable[[User, str], None]
    exchange: Callable[[User, str], PhoneNumber]
    legacy: Callable[[User, str, str], PhoneNumber] | None
    time_left: Callable[[], float]
    reserve: float  # seconds
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def register(self, session: Session, code: str, client_ip: str) -> User:
        """Bind the number that WeChat gives for a phone code, and return the user.

        Raises `CodeRejected`, `PhoneTaken`, `UserBlocked`, `TooManyAttempts` (also, with a short
        Retry-After, while another request is busy with the code), `SessionInvalid` if the session
        has ended meanwhile, and what the exchange raises; nothing is bound then. Raises
        `StorageUnavailable` with a receipt if the number could not be written.
        """
        user = session.user
        return self._register(session, code, client_ip, lambda: self.exchange(user, code))

    def register_legacy(
        self, session: Session, encrypted_data: str, iv: str, client_ip: str
    ) -> User:
        """Bind the number in `encryptedData`. Raises like `register`.

        Raises `LegacyPhoneDisabled`, and `SessionKeyStale` for each fault in the data.
        """
        legacy = self.legacy
        if legacy is None:
            raise LegacyPhoneDisabled
        return self._register(
            session, encrypted_data, client_ip, lambda: legacy(session.user, encrypted_data, iv)
        )

    def redeem(self, session: Session, receipt: str) -> User:
        """Bind the number of a receipt: valid for ten minutes, and for this account only."""
        try:
            paid = json.loads(self.keyring().open(receipt, context=_context(session.user)))
        except SealBroken:
            paid = None
        # Raised outside `except`, so that no part of the receipt is attached to the exception.
        if paid is None or paid["until"] < self.now():
            raise CodeRejected(why="receipt")
        number = replace(PhoneNumber.from_text(paid["number"]), given_at=paid["givenAt"])
        return self._bind(session, number, paid["proof"])

    def _register(
        self,
        session: Session,
        sent: str,
        client_ip: str,
        exchange: Callable[[], PhoneNumber],
    ) -> User:
        user, proof = session.user, hashlib.sha256(sent.encode()).hexdigest()
        if user.phone_code_hash == proof:
            return user
        self.attempts.begin(user, proof)
        try:
            self.screen(user, client_ip)
            asked_at = int(self.now())
            number = exchange()
            number = replace(number, given_at=number.given_at or asked_at)
            return self._bind(session, number, proof)
        except LoginError as failure:
            spent = isinstance(failure, CodeRejected | PhoneTaken)
            self.attempts.end(user, proof, rejected=spent)
            raise

    def _bind(self, session: Session, number: PhoneNumber, proof: str) -> User:
        """Write a number that is paid for; retry while the table fails, then raise a receipt."""
        pauses = iter(PAUSES)
        while True:
            try:
                return self.claims.bind(session, number, proof)
            except StorageUnavailable as failure:
                facts = failure.facts
            pause = next(pauses, None)
            if pause is None or self.time_left() < pause + self.reserve:
                receipt = self._receipt(session.user, number, proof)
                raise StorageUnavailable(receipt=receipt, **facts)
            self.sleep(pause)

    def _receipt(self, user: User, number: PhoneNumber, proof: str) -> str:
        paid = {
            "number": number.to_text(),
            "givenAt": number.given_at,
            "proof": proof,
            "until": int(self.now()) + RECEIPT_SECONDS,
        }
        return self.keyring().seal(json.dumps(paid), context=_context(user))


def _context(user: User) -> str:
    # An account that is erased and created again is a different account.
    return f"receipt {user.key[0]} {user.user_id} {user.created_at}"
