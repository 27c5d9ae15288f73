"""Random tokens from the system's source, comparison in constant time, and HMAC with a key of its own per use."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from typing import Final

__all__ = [
    "RANDOM_STRING_CHARS",
    "constant_time_compare",
    "get_random_secret_key",
    "get_random_string",
    "salted_hmac",
    "token_bytes",
    "token_urlsafe",
]

RANDOM_STRING_CHARS: Final = string.ascii_letters + string.digits
# No quote, backslash, dollar or hash: the key stands in .env files and shells.
_SECRET_KEY_CHARS: Final = string.ascii_letters + string.digits + "-_.~!@%^*+="


def token_bytes(size: int = 32) -> bytes:
    """Return random bytes."""
    return secrets.token_bytes(size)


def token_urlsafe(size: int = 32) -> str:
    """Return a random text of URL-safe characters that holds ``size`` bytes of chance."""
    return secrets.token_urlsafe(size)


def get_random_string(length: int, allowed_chars: str = RANDOM_STRING_CHARS) -> str:
    """Return a random text; 22 of the default characters hold some 131 bits of chance."""
    return "".join(secrets.choice(allowed_chars) for _ in range(length))


def get_random_secret_key() -> str:
    """Return a new ``SECRET_KEY``."""
    return get_random_string(64, _SECRET_KEY_CHARS)


def constant_time_compare(left: str | bytes, right: str | bytes) -> bool:
    """Tell whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def salted_hmac(salt: str | bytes, value: str | bytes, secret: str | bytes, *, algorithm: str = "sha256") -> hmac.HMAC:
    """Return the HMAC of a value under a key made of salt and secret.

    Args:
        salt: Names the use, so that what one use signs means nothing to another.
        value: What is signed.
        secret: The secret, such as ``settings.SECRET_KEY``.
        algorithm: A name of ``hashlib``.
    """
    key = hashlib.new(algorithm, _bytes(salt) + b"\x00" + _bytes(secret)).digest()
    return hmac.new(key, _bytes(value), algorithm)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
