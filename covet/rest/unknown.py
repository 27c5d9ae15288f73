"""Query parameters that an endpoint does not know: a misspelt filter shows everything, so a project may refuse it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from covet.http.request import Request
from covet.http.response import Response
from covet.problems import ProblemError
from covet.rest.errors import MOST_ERRORS, answer, invalid
from covet.text import suggest

__all__ = ["known_only"]


def known_only(
    run: Callable[[Request, dict[str, Any]], Awaitable[Response]], names: Collection[str]
) -> Callable[[Request, dict[str, Any]], Awaitable[Response]]:
    """Return ``run`` for requests that name known query parameters only; others are 422.

    Args:
        run: The endpoint.
        names: The parameters that it knows.
    """

    async def checked(request: Request, params: dict[str, Any]) -> Response:
        if request.raw_query:
            unknown = [name for name in dict.fromkeys(request.query) if name not in names]
            if unknown:
                told = [_told(name, names) for name in unknown[: MOST_ERRORS + 1]]
                return await answer(invalid(told), request=request)
        return await run(request, params)

    return checked


def _told(name: str, names: Collection[str]) -> ProblemError:
    near = suggest(name, names)
    hint = f"Did you mean {near!r}?" if near else f"It takes: {', '.join(sorted(names)) or 'none'}."
    return ProblemError(f"There is no parameter {name!r} here. {hint}", parameter=name, code="unknown_parameter")
