"""``condition``, ``etag`` and ``last_modified``: a view is not even run for who has its answer already (RFC 9110, 13)."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias

from covet.concurrency import is_async, maybe_await, to_thread
from covet.http.conditional import evaluate, http_date, not_modified, quote_etag
from covet.http.errors import PreconditionFailed
from covet.http.request import Request
from covet.http.response import Response
from covet.urls.endpoint import decorated_by

__all__ = ["condition", "etag", "last_modified"]

TagOf: TypeAlias = Callable[..., "str | Awaitable[str | None] | None"]
DateOf: TypeAlias = Callable[..., "datetime | Awaitable[datetime | None] | None"]
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def condition(etag_func: TagOf | None = None, last_modified_func: DateOf | None = None) -> Decorator:
    """Answer with 304, or refuse with 412, before the view runs.

    Args:
        etag_func: Gets what the view gets; gives the entity tag of what there is now, with quotes or without, or ``None``.
        last_modified_func: The same for when it was last changed, an aware datetime.

    Both may be async; a plain function runs in a thread. Answers to GET and HEAD carry ``ETag`` and ``Last-Modified``.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        async def decorated(request: Request, *args: Any, **kwargs: Any) -> Any:
            tag = await _call(etag_func, request, args, kwargs)
            moment: datetime | None = await _call(last_modified_func, request, args, kwargs)
            quoted = None if tag is None else quote_etag(tag)
            wished = evaluate(request, quoted, moment)
            if wished == 412:
                raise PreconditionFailed("This has been changed meanwhile: load it again.")
            response = Response() if wished == 304 else await _call(view, request, args, kwargs)
            if isinstance(response, Response) and request.method in ("GET", "HEAD"):
                if quoted is not None:
                    response.headers.setdefault("ETag", quoted)
                if moment is not None:
                    response.headers.setdefault("Last-Modified", http_date(moment))
            return not_modified(response) if wished == 304 else response

        return decorated_by(decorate, view, decorated)

    return decorate


def etag(function: TagOf) -> Decorator:
    """``condition`` by an entity tag alone."""
    return condition(etag_func=function)


def last_modified(function: DateOf) -> Decorator:
    """``condition`` by a date alone."""
    return condition(last_modified_func=function)


async def _call(function: Any, request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function is None:
        return None
    if is_async(function):
        return await function(request, *args, **kwargs)
    return await maybe_await(await to_thread(function, request, *args, **kwargs))
