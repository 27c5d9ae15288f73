"""Conditional requests (RFC 9110, 13): the entity tag and date that a client knows against those there are now."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache

from covet.http.headers import Headers
from covet.http.request import Request
from covet.http.response import Response

__all__ = [
    "evaluate",
    "http_date",
    "make_etag",
    "not_modified",
    "outcome",
    "parse_etags",
    "parse_http_date",
    "quote_etag",
]


@cache
def _tag() -> re.Pattern[str]:
    return re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@cache
def _tags() -> re.Pattern[str]:
    # One of a list: between commas, and nothing beside it but blanks.
    return re.compile(rf"(?:^|,)[ \t]*({_tag().pattern})[ \t]*(?=,|$)")


_MAX_TAGS = 100
# What a 304 must repeat of the answer it stands for (RFC 9110, 15.4.5), cookies left out.
_KEPT = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"last-modified", b"vary"))


def make_etag(body: bytes, *, weak: bool = False) -> str:
    """Return the entity tag of a body: a hash of its bytes, quoted."""
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    return f"W/{tag}" if weak else tag


def quote_etag(tag: str) -> str:
    """Return the tag in quotes, if it has none.

    Raises:
        ValueError: It holds what no tag may hold.
    """
    quoted = tag if _tag().fullmatch(tag) else f'"{tag}"'
    if not _tag().fullmatch(quoted):
        raise ValueError(f"{tag!r} is no entity tag: no quotes, spaces or control characters may be in it.")
    return quoted


def parse_etags(header: str) -> list[str]:
    """Return the tags of an ``If-Match`` or ``If-None-Match``; ``["*"]`` for any. What is malformed is left out."""
    if header.strip() == "*":
        return ["*"]
    return _tags().findall(header)[:_MAX_TAGS]


def parse_http_date(text: str) -> datetime | None:
    """Return the date of a header, in whole seconds; ``None`` for what is no date and is to be ignored."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def http_date(moment: datetime) -> str:
    """Return a moment as a header says it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def evaluate(request: Request, etag: str | None, last_modified: datetime | None = None) -> int | None:
    """Return what the request's conditions ask for: 304, 412, or ``None`` to go on (RFC 9110, 13.2.2).

    Args:
        request: The request.
        etag: The entity tag of what there is now, quoted; ``None`` where there is none.
        last_modified: When it was last changed, aware; compared in whole seconds.
    """
    return outcome(request.method, request.headers, etag, last_modified)


def outcome(method: str, headers: Headers, etag: str | None, last_modified: datetime | None = None) -> int | None:
    """As ``evaluate()``, where there is no request."""
    reads = method in ("GET", "HEAD")
    since = None if last_modified is None else last_modified.replace(microsecond=0)
    if (wished := headers.combined("if-match")) is not None:
        # Strong comparison: a weak tag never is the same bytes.
        tags = parse_etags(wished)
        if not (tags == ["*"] and etag is not None) and (etag is None or etag.startswith("W/") or etag not in tags):
            return 412
    elif (text := headers.get("if-unmodified-since")) is not None and since is not None:
        moment = parse_http_date(text)
        if moment is not None and since > moment:
            return 412
    if (known := headers.combined("if-none-match")) is not None:
        tags = parse_etags(known)
        plain = None if etag is None else etag.removeprefix("W/")
        if plain is not None and (tags == ["*"] or plain in [tag.removeprefix("W/") for tag in tags]):
            return 304 if reads else 412
    elif reads and since is not None and (text := headers.get("if-modified-since")) is not None:
        moment = parse_http_date(text)
        if moment is not None and since <= moment:
            return 304
    return None


def not_modified(response: Response) -> Response:
    """Return the 304 that stands for an answer."""
    short = Response(status=304)
    short.raw_headers = [pair for pair in response.raw_headers if pair[0] in _KEPT or pair[0] == b"set-cookie"]
    return short
