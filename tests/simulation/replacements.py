"""The modules that the layer gets in place of the real ones: clock, chance and network."""

import json
import random
import uuid
from functools import cache
from time import time as real_time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jwt
import requests
from aws_lambda_powertools import metrics
from Crypto.PublicKey import RSA
from Crypto.Util.number import getPrime

if TYPE_CHECKING:
    from tests.simulation.layer import Layer

KEY_BITS = 512  # RSA of 2048 bits takes a second to make and 2 ms to sign.
STOCK = 8
TIMES = ("iat", "exp")


def replacements(layer: "Layer") -> dict[str, Any]:
    """Return the replacements by the real name; time and chance come from `layer.here`."""
    return {
        **_clock_and_chance(layer),
        "requests": _requests(layer),
        "jwt": _jwt(layer),
        "Crypto.PublicKey": _public_key(layer),
        "aws_lambda_powertools.metrics": SimpleNamespace(
            EphemeralMetrics=_Metrics, MetricUnit=metrics.MetricUnit
        ),
    }


def _clock_and_chance(layer: "Layer") -> dict[str, Any]:
    def clock() -> float:
        return float(layer.here.time())

    def sleep(seconds: float) -> None:
        layer.here.wait(seconds)

    def uniform(low: float, high: float) -> float:
        return float(layer.here.chance.uniform(low, high))

    def token_bytes(size: int) -> bytes:
        return bytes(layer.here.chance.randbytes(size))

    def randbits(bits: int) -> int:
        return int(layer.here.chance.getrandbits(bits))

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=randbits(128), version=4)

    return {
        "time": SimpleNamespace(time=clock, monotonic=clock, sleep=sleep),
        "random": SimpleNamespace(uniform=uniform),
        "secrets": SimpleNamespace(token_bytes=token_bytes, randbits=randbits),
        "uuid": SimpleNamespace(uuid4=uuid4, UUID=uuid.UUID),
    }


def _requests(layer: "Layer") -> SimpleNamespace:
    class Session:
        """What the layer's transport uses of `requests.Session`."""

        trust_env = True

        def mount(self, prefix: str, adapter: object) -> None:
            """Do nothing: there are no connections."""

        def request(self, method: str, url: str, **how: Any) -> Any:
            return layer.here.ask_wechat(method, url, **how)

    return SimpleNamespace(**{**vars(requests), "Session": Session})


def _jwt(layer: "Layer") -> SimpleNamespace:
    class PyJWT(jwt.PyJWT):
        """PyJWT, which reads the system's clock, with ours."""

        def _validate_claims(self, payload: dict[str, Any], *how: Any, **more: Any) -> None:
            behind = real_time() - layer.here.time()
            moved = {name: payload[name] + behind for name in TIMES if name in payload}
            super()._validate_claims({**payload, **moved}, *how, **more)

    return SimpleNamespace(**{**vars(jwt), "PyJWT": PyJWT})


def _public_key(layer: "Layer") -> SimpleNamespace:
    def generate(_bits: int) -> RSA.RsaKey:
        return _keys()[layer.here.chance.randrange(STOCK)]

    rsa = SimpleNamespace(generate=generate, construct=RSA.construct, RsaKey=RSA.RsaKey)
    return SimpleNamespace(RSA=rsa)


class _Metrics:
    """Powertools' `EphemeralMetrics` without its checks, which take longer than a request."""

    def __init__(self, *, namespace: str) -> None:
        self._content: dict[str, Any] = {"namespace": namespace}

    def add_dimension(self, name: str, value: str) -> None:
        self._content[name] = value

    def add_metric(self, name: str, _unit: metrics.MetricUnit, value: float) -> None:
        self._content[name] = value

    def flush_metrics(self) -> None:
        print(json.dumps(self._content))  # noqa: T201 - as Powertools does


@cache
def _keys() -> tuple[RSA.RsaKey, ...]:
    """Return a stock of small RSA keys, the same in each run."""
    chance = random.Random("keys")  # noqa: S311 - keys of a simulation
    return tuple(_key(chance) for _ in range(STOCK))


def _key(chance: random.Random) -> RSA.RsaKey:
    exponent = 65_537
    while True:
        p, q = (int(getPrime(KEY_BITS // 2, randfunc=chance.randbytes)) for _ in range(2))
        totient = (p - 1) * (q - 1)
        if p != q and totient % exponent:
            return RSA.construct((p * q, exponent, pow(exponent, -1, totient), p, q))
