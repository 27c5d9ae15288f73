"""Cookies: read from a request's headers, written as ``Set-Cookie``."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from http.cookies import SimpleCookie

__all__ = ["SameSite", "build_cookie", "parse_cookies", "signed_cookie_salt"]

SameSite = Literal["lax", "strict", "none", "Lax", "Strict", "None"]

_NAME = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
# What may stand in a value without quotes: RFC 6265's cookie-octet.
_VALUE = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset('",;\\')


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a ``Cookie`` header.

    Parts that are no cookies are passed over, as browsers and proxies send all kinds; the last of two equal names wins.
    """
    cookies: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name:
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == '"' and value[-1] == '"':
            value = _codec().value_decode(value)[0]
        cookies[name] = value
    return cookies


@cache
def _codec() -> SimpleCookie:
    from http.cookies import SimpleCookie  # quotes are rare, and its patterns take a millisecond

    return SimpleCookie()


def signed_cookie_salt(name: str, salt: str) -> str:
    """Return what a cookie of this name is signed with, so that the value of one is no good as another."""
    return f"covet.http.cookies.{name}.{salt}"


def build_cookie(
    name: str,
    value: str = "",
    *,
    max_age: int | timedelta | None = None,
    expires: datetime | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: SameSite | None = "Lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a ``Set-Cookie`` header.

    Raises:
        ValueError: A name, value, path or domain that would break the header, or what browsers drop: ``SameSite=None``,
            ``Partitioned`` and the prefixes ``__Secure-`` and ``__Host-`` without what they promise.
    """
    if not name or not _NAME.issuperset(name):
        raise ValueError(f"{name!r} cannot be the name of a cookie.")
    # In letters of any case, as browsers look at them (RFC 6265bis, 5.7).
    prefix = name[:9].lower()
    if prefix.startswith(("__secure-", "__host-")) and not secure:
        raise ValueError(f"Browsers drop a cookie called {name!r} that is not secure; pass secure=True.")
    if prefix.startswith("__host-") and (domain or path != "/"):
        raise ValueError(f"Browsers drop a cookie called {name!r} that has a domain, or another path than '/'.")
    if any(ord(char) > 255 for char in value):
        raise ValueError(
            f"The value of the cookie {name!r} has characters beyond Latin-1, which no header carries. Write "
            "urllib.parse.quote(value), and unquote() what request.cookies has."
        )
    parts = [f"{name}={value if _VALUE.issuperset(value) else _codec().value_encode(value)[1]}"]
    if max_age is not None:
        seconds = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else int(max_age)
        parts.append(f"Max-Age={seconds}")
        if expires is None:
            # Old clients know Expires only.
            expires = datetime.fromtimestamp(0, UTC) if seconds <= 0 else datetime.now(UTC) + timedelta(seconds=seconds)
    if expires is not None:
        moment = expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)
        parts.append(f"Expires={format_datetime(moment.astimezone(UTC), usegmt=True)}")
    for label, text in (("Path", path), ("Domain", domain)):
        if text:
            if ";" in text or not text.isprintable() or not text.isascii():
                raise ValueError(f"{text!r} cannot be the {label} of a cookie.")
            parts.append(f"{label}={text}")
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if samesite:
        if samesite.lower() not in ("lax", "strict", "none"):
            raise ValueError(f"samesite is 'Lax', 'Strict' or 'None', not {samesite!r}.")
        if samesite.lower() == "none" and not secure:
            raise ValueError("Browsers drop a cookie with SameSite=None that is not secure; pass secure=True.")
        parts.append(f"SameSite={samesite.capitalize()}")
    if partitioned:
        if not secure:
            raise ValueError("Browsers drop a partitioned cookie that is not secure; pass secure=True.")
        parts.append("Partitioned")
    return "; ".join(parts)
