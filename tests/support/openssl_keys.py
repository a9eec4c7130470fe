"""Makes RSA keys by OpenSSL: a pytest plugin, as some modules make keys when they are collected.

Without GMP, pycryptodome takes 300 ms for a key, and OpenSSL takes 50. The local run and its
tests still make keys by pycryptodome.
"""

import pytest
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa


def pytest_configure(config):
    patch = pytest.MonkeyPatch()
    patch.setattr(RSA, "generate", _generate)
    config.add_cleanup(patch.undo)


def _generate(bits):
    made = rsa.generate_private_key(65537, bits).private_numbers()
    public = made.public_numbers
    return RSA.construct((public.n, public.e, made.d, made.p, made.q))
