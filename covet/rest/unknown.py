"""Query parameters that an endpoint does not know: a misspelt filter shows everything, so a project may refuse it."""

from __future__ import annotations

from collections.abc import Collection

from covet.http.request import Request
from covet.problems import ProblemError
from covet.rest.errors import MOST_ERRORS
from covet.text import suggest

__all__ = ["known_only"]


def known_only(errors: list[ProblemError], request: Request, names: Collection[str]) -> None:
    """Add an error for each query parameter that is not known."""
    if not request.raw_query:
        return
    unknown = [name for name in dict.fromkeys(request.query) if name not in names]
    errors.extend(_told(name, names) for name in unknown[: MOST_ERRORS + 1])


def _told(name: str, names: Collection[str]) -> ProblemError:
    near = suggest(name, names)
    hint = f"Did you mean {near!r}?" if near else f"It takes: {', '.join(sorted(names)) or 'none'}."
    return ProblemError(f"There is no parameter {name!r} here. {hint}", parameter=name, code="unknown_parameter")
