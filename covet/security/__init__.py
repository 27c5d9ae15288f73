"""Crypto primitives that know neither HTTP nor models."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.security.random": (
                "constant_time_compare",
                "get_random_secret_key",
                "get_random_string",
                "salted_hmac",
                "token_bytes",
                "token_urlsafe",
            ),
        },
    )
