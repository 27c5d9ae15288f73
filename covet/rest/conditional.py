"""Conditional requests of endpoints: a tag on what is given, 304 for who has it, 412 for who would change another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from covet.http.conditional import evaluate, http_date, make_etag, not_modified, parse_http_date
from covet.http.errors import HTTPException, PreconditionFailed
from covet.http.request import Request
from covet.http.response import Response

__all__ = ["PreconditionRequired", "conditional", "http_date", "is_guarded", "require"]

_CONDITIONS = ("if-match", "if-unmodified-since", "if-none-match")


class PreconditionRequired(HTTPException):
    """428: a change must say by ``If-Match`` which state of the row it is meant for (RFC 6585, 3)."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            428,
            detail or "Say by If-Match which state this is meant for: the ETag of a GET.",
            title="Precondition Required",
        )


def conditional(
    run: Callable[[Request, dict[str, Any]], Awaitable[Response]],
) -> Callable[[Request, dict[str, Any]], Awaitable[Response]]:
    """Return ``run`` with an ``ETag`` on its answers, and 304 for a client that has them."""

    async def tagged(request: Request, params: dict[str, Any]) -> Response:
        response = await run(request, params)
        if response.status not in (200, 201) or response.is_streaming or not response.body:
            return response
        headers = response.headers
        etag = headers.get("etag")
        if etag is None:
            etag = headers["ETag"] = make_etag(response.body)
        if request.method not in ("GET", "HEAD") or response.status != 200:
            return response
        headers.setdefault("Cache-Control", "no-cache")
        modified = headers.get("last-modified")
        asked = evaluate(request, etag, None if modified is None else parse_http_date(modified))
        if asked == 412:
            raise PreconditionFailed("This is another state than the one that the request is meant for.")
        return response if asked is None else not_modified(response)

    return tagged


def is_guarded(request: Request) -> bool:
    """Return whether a request says for which state of the row it is meant."""
    return any(name in request.headers for name in _CONDITIONS)


def require(request: Request, bodies: list[bytes], changed: datetime | None) -> None:
    """Refuse a change that is meant for another state than the one there is.

    Args:
        request: The request.
        bodies: What a GET would answer now, in each form that it may have.
        changed: When it was last changed, as far as that is known.

    Raises:
        PreconditionFailed: It is meant for another one.
    """
    if any(evaluate(request, make_etag(body), changed) is None for body in bodies):
        return
    raise PreconditionFailed("This was changed since it was read; read it again.")
