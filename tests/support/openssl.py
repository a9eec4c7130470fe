"""Makes RSA keys by OpenSSL: pycryptodome takes 300 ms for a key without GMP, and OpenSSL 50."""

from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa


def make_keys(patch):
    """Let OpenSSL make pycryptodome's keys."""
    patch.setattr(RSA, "generate", _generate)


def _generate(bits):
    made = rsa.generate_private_key(65537, bits).private_numbers()
    public = made.public_numbers
    return RSA.construct((public.n, public.e, made.d, made.p, made.q))
