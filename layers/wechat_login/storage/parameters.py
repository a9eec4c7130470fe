"""Reads all SSM parameters of a function in one call, and caches them for minutes.

The quota of 40 reads a second is shared by the whole account
(https://docs.aws.amazon.com/general/latest/gr/ssm.html), so nothing is read per request.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wechat_login.errors import Misconfigured, StorageUnavailable
from wechat_login.storage import aws

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

log = logging.getLogger(__name__)

MAX_AGE = 300.0
# GetParameters takes so many names.
MOST_NAMES = 10
# While SSM fails, the values last read serve on, and SSM is asked this often.
PAUSE = 5.0
# The shortest time between two reads for replaced values, even if many requests ask.
RENEWAL_PAUSE = 10.0


class Parameters:
    """The parameters in `names` (our name → SSM's), read together; safe for threads."""

    def __init__(
        self,
        client: "SSMClient",
        names: Mapping[str, str],
        now: Callable[[], float] = time.time,
        kms_key_arn: str = "",
    ) -> None:
        self._client = client
        self._names = dict(names)
        # Without a KeyId SSM would encrypt a new value by AWS's key again.
        self._key: dict[str, Any] = {"KeyId": kms_key_arn} if kms_key_arn else {}
        self._now = now
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}
        self._read_at = self._failed_at = self._renewed_at = float("-inf")
        # Otherwise containers that start together would all read again at the same moment.
        self._jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing

    def add(self, name: str, in_ssm: str) -> None:
        """Read one more parameter from now on, together with the others."""
        with self._lock:
            if name not in self._names:
                self._names[name] = in_ssm
                self._read_at = float("-inf")

    def load(self) -> None:
        """Read all parameters now. Raises `StorageUnavailable`, even if earlier values exist."""
        with self._lock:
            self._fetch()

    def get(self, name: str) -> str:
        """Return a parameter read at most about five minutes ago.

        Raises `Misconfigured` if SSM has none, `StorageUnavailable` if SSM never answered.
        """
        value = self.find(name)
        if value is None:
            raise Misconfigured(missing_parameter=self._names.get(name, name))
        return value

    def find(self, name: str, *, max_age: float = MAX_AGE) -> str | None:
        """Return a parameter as `get` does, of another age in seconds, or None if SSM has none."""
        asked_at = self._now()
        with self._lock:
            # Another thread may have read the value while this thread waited.
            if self._read_at < asked_at - max_age * self._jitter:
                self._read()
            return self._values.get(name)

    def renewed(self, name: str) -> str:
        """Return a parameter as SSM has it now, for a caller whose cached value fails.

        Reads SSM at most every ten seconds. Raises like `get`.
        """
        with self._lock:
            if self._renewed_at <= self._now() - RENEWAL_PAUSE:
                self._renewed_at = self._now()
                self._read()
        return self.get(name)

    def put(self, name: str, value: str) -> None:
        """Overwrite a parameter as a SecureString. Raises `StorageUnavailable`."""
        aws.call(
            self._client.put_parameter,
            Name=self._names[name],
            Value=value,
            Type="SecureString",
            Overwrite=True,
            **self._key,
        )
        with self._lock:
            self._values[name] = value

    def _read(self) -> None:
        if self._values and self._now() < self._failed_at + PAUSE:
            return
        try:
            self._fetch()
        except StorageUnavailable as failure:
            if not self._values:
                raise
            self._failed_at = self._now()
            log.warning("parameters_stale", extra=failure.facts)

    def _fetch(self) -> None:
        names = list(self._names.values())
        found: dict[str, str] = {}
        for at in range(0, len(names), MOST_NAMES):
            some = names[at : at + MOST_NAMES]
            answer = aws.call(self._client.get_parameters, Names=some, WithDecryption=True)
            found |= {each["Name"]: each["Value"] for each in answer["Parameters"]}
        self._values = {ours: found[name] for ours, name in self._names.items() if name in found}
        self._read_at = self._now()
