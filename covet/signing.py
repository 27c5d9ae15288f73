"""Signed texts: what a client may read and hand back, but not change.

The key is SECRET_KEY; those of SECRET_KEY_FALLBACKS still verify, while a new one is being rolled out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import zlib
from datetime import timedelta
from typing import Any

from covet import json
from covet.conf import settings
from covet.exceptions import CovetError, ImproperlyConfigured

__all__ = ["BadSignature", "SignatureExpired", "Signer", "TimestampSigner", "dumps", "loads", "salted_hmac"]

_MAX_UNPACKED = 1024 * 1024


class BadSignature(CovetError):
    """The signature does not fit: the text was changed, or signed with another key or salt."""


class SignatureExpired(BadSignature):
    """The signature is good, and too old."""


def salted_hmac(salt: str, value: str | bytes, key: str | bytes | None = None) -> bytes:
    """Return the HMAC-SHA256 of a value under a key of its own for each salt, derived from SECRET_KEY."""
    secret = _secret_key() if key is None else key
    derived = hashlib.sha256(salt.encode() + _bytes(secret)).digest()
    return hmac.new(derived, _bytes(value), hashlib.sha256).digest()


def _secret_key() -> str:
    if not settings.SECRET_KEY:
        raise ImproperlyConfigured(
            "SECRET_KEY is empty, and something has to be signed. Set it in .env: SECRET_KEY=… (50 random characters)."
        )
    return settings.SECRET_KEY


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


class Signer:
    """Signs texts.

    Args:
        salt: What the signature is for; a text signed for one purpose is no good for another.
        key: Another key than SECRET_KEY.
        fallback_keys: Further keys that verify; SECRET_KEY_FALLBACKS when left out.
        sep: Stands between text and signature.
    """

    def __init__(
        self,
        salt: str = "covet.signing",
        *,
        key: str | None = None,
        fallback_keys: list[str] | None = None,
        sep: str = ":",
    ) -> None:
        self.salt = salt
        self.sep = sep
        self._key = key
        self._fallback_keys = fallback_keys

    @property
    def keys(self) -> list[str]:
        """The key that signs, then those that only verify."""
        if self._key is not None:
            return [self._key, *(self._fallback_keys or ())]
        fallbacks = settings.SECRET_KEY_FALLBACKS if self._fallback_keys is None else self._fallback_keys
        return [_secret_key(), *fallbacks]

    def signature(self, value: str, key: str | None = None) -> str:
        """Return the signature of a text."""
        return _encode(salted_hmac(f"{self.salt}signer", value, self.keys[0] if key is None else key))

    def sign(self, value: str) -> str:
        """Return the text with its signature."""
        return f"{value}{self.sep}{self.signature(value)}"

    def unsign(self, signed: str) -> str:
        """Return the text of a signed one.

        Raises:
            BadSignature: It was changed.
        """
        value, found, signature = signed.rpartition(self.sep)
        if not found:
            raise BadSignature("There is no signature in the text.")
        for key in self.keys:
            if hmac.compare_digest(self.signature(value, key).encode(), signature.encode()):
                return value
        raise BadSignature("The signature does not fit the text.")

    def sign_object(self, value: Any, *, compress: bool = False) -> str:
        """Return a value as signed JSON, safe in URLs and cookies."""
        raw = json.dumps(value)
        mark = ""
        if compress:
            packed = zlib.compress(raw)
            if len(packed) < len(raw) - 1:
                raw, mark = packed, "."
        return self.sign(mark + _encode(raw))

    def unsign_object(self, signed: str, **options: Any) -> Any:
        """Return the value of signed JSON.

        Raises:
            BadSignature: It was changed.
        """
        text = self.unsign(signed, **options)
        try:
            raw = _decode(text.removeprefix("."))
            if text.startswith("."):
                unpacker = zlib.decompressobj()
                raw = unpacker.decompress(raw, _MAX_UNPACKED)
                if unpacker.unconsumed_tail:
                    raise BadSignature("The signed value is too large.")
            return json.loads(raw)
        except (ValueError, zlib.error) as error:
            raise BadSignature("The signed text is no value of ours.") from error


class TimestampSigner(Signer):
    """Signs texts together with the moment."""

    def sign(self, value: str) -> str:
        """Return the text with the moment and the signature of both."""
        return super().sign(f"{value}{self.sep}{int(time.time())}")

    def unsign(self, signed: str, *, max_age: float | timedelta | None = None) -> str:
        """Return the text.

        Args:
            signed: What ``sign`` returned.
            max_age: Seconds, or a timedelta, after which it is no good any more.

        Raises:
            SignatureExpired: It is older.
            BadSignature: It was changed.
        """
        stamped = super().unsign(signed)
        value, _, moment = stamped.rpartition(self.sep)
        try:
            age = time.time() - int(moment)
        except ValueError as error:
            raise BadSignature("The signed text has no moment.") from error
        if max_age is not None:
            limit = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
            if age > limit:
                raise SignatureExpired(f"The signature is {age:.0f} seconds old; {limit:.0f} are allowed.")
        return value


def dumps(value: Any, *, salt: str = "covet.signing", compress: bool = False) -> str:
    """Return a value as signed JSON with its moment."""
    return TimestampSigner(salt).sign_object(value, compress=compress)


def loads(signed: str, *, salt: str = "covet.signing", max_age: float | timedelta | None = None) -> Any:
    """Return the value that ``dumps`` signed.

    Raises:
        SignatureExpired: It is older than ``max_age``.
        BadSignature: It was changed.
    """
    return TimestampSigner(salt).unsign_object(signed, max_age=max_age)
