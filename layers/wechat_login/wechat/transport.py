"""Sends one request to WeChat and reads the answer, within limits of total time and size.

The AppSecret, codes and access tokens travel in URLs, so no URL and no exception of the HTTP
library leaves this module.
"""

import http.client
import io
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import requests
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions

from wechat_login.errors import Misconfigured
from wechat_login.frozen import frozen

Answer = dict[str, Any]

# The valid values of WeChatUrl; template.yaml has the same pattern.
ACCESS_POINT = re.compile(
    r"https://[A-Za-z0-9.-]+(:[0-9]+)?|http://(127\.0\.0\.1|localhost)(:[0-9]+)?"
)
# WeChat's answers have less than a kilobyte.
LARGEST_ANSWER = 1024 * 1024
# A connection that was idle for longer may be closed, and a frozen container sees no FIN; a code
# sent on such a connection would be lost, because a code must not be sent again.
IDLE_SECONDS = 15.0


@frozen
class Outcome:
    """The result of one try: an answer, or the failure and whether WeChat may have acted."""

    answer: Answer | None = None
    why: str = ""
    may_have_arrived: bool = True


class Transport:
    """Connections to one access point of WeChat's; safe for threads."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        """Set the access point. `now` must advance while a container is frozen.

        Raises `Misconfigured` if the URL would send secrets over a network in clear.
        """
        if not ACCESS_POINT.fullmatch(url):
            raise Misconfigured(why="WeChatUrl is neither https nor http on the loopback address")
        # At DEBUG urllib3 logs path and query, which hold the AppSecret.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        self._url = url
        self._now = now
        self._lock = threading.Lock()
        self._http = _new_session()
        self._used_at = now()

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Answer | None,
        timeout: tuple[float, float],
    ) -> Outcome:
        """Send a request once; `timeout` is for the connection and for the whole answer."""
        try:
            with self._connection().request(
                method,
                self._url + path,
                params=query,
                # Unescaped, because WeChat counts characters.
                data=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(response)
        except requests.RequestException as failure:
            return Outcome(why=type(failure).__name__, may_have_arrived=_may_have_arrived(failure))
        except urllib3.exceptions.ReadTimeoutError:
            return Outcome(why=requests.ReadTimeout.__name__)
        except urllib3.exceptions.HTTPError as failure:
            return Outcome(why=type(failure).__name__)

    def _connection(self) -> requests.Session:
        with self._lock:
            now = self._now()
            if now - self._used_at > IDLE_SECONDS:
                self._http = _new_session()
            self._used_at = now
            return self._http


def _read(response: requests.Response) -> Outcome:
    if response.status_code != requests.codes.ok:
        return Outcome(why=f"HTTP {response.status_code}")
    content = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
    if len(content) > LARGEST_ANSWER:
        return Outcome(why="too large")
    try:
        # WeChat's bodies sometimes have stray control characters and broken UTF-8.
        answer = json.loads(content.decode(errors="ignore"), strict=False)
    except (ValueError, RecursionError):
        return Outcome(why="no JSON")
    return Outcome(answer) if isinstance(answer, dict) else Outcome(why="no JSON object")


def _may_have_arrived(failure: requests.RequestException) -> bool:
    """Return whether WeChat may have received the request: not if no connection was made."""
    if isinstance(failure, requests.ConnectTimeout):
        return False
    cause = getattr(failure.args[0] if failure.args else None, "reason", None)
    return not isinstance(cause, urllib3.exceptions.NewConnectionError)


class _Deadline(io.RawIOBase):
    """Reads from a socket within one timeout; a socket itself restarts its timeout at each read.

    https://requests.readthedocs.io/en/latest/user/quickstart/#timeouts
    """

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection
        self._timeout = connection.gettimeout() or 0.0
        self._ends = time.monotonic() + self._timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        try:
            return self._raw.readinto(buffer)
        finally:
            # The connection serves the next request as well.
            self._connection.settimeout(self._timeout)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Deadline(raw, connection))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """Shares one TLS context; otherwise each connection spends 20 ms on loading authorities."""

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        super().init_poolmanager(*sizes, ssl_context=_tls(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def cert_verify(self, *_: Any) -> None:
        """Change nothing: the context requires a certificate for the host's name."""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH)


def _new_session() -> requests.Session:
    session = requests.Session()
    # No proxy, netrc or CA bundle from the environment: netrc alone costs a file read per call.
    session.trust_env = False
    adapter = _Adapter(pool_connections=1, pool_maxsize=64)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
