"""Crypto primitives that know neither HTTP nor models."""

from covet.security.random import (
    constant_time_compare,
    get_random_secret_key,
    get_random_string,
    salted_hmac,
    token_bytes,
    token_urlsafe,
)

__all__ = [
    "constant_time_compare",
    "get_random_secret_key",
    "get_random_string",
    "salted_hmac",
    "token_bytes",
    "token_urlsafe",
]
