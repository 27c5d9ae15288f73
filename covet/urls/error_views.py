"""``handler400``, ``handler403``, ``handler404`` and ``handler500`` of the root URL module: the views of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from covet import checks
from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string

__all__ = ["ErrorViews", "arguments", "check_error_views", "find_error_views"]

ErrorViews: TypeAlias = Mapping[int, Callable[..., Any]]
STATUSES = (400, 403, 404, 500)


def find_error_views(root: Any) -> dict[int, Callable[..., Any]]:
    """Return the error views that a URL module names, by status; dotted names are imported.

    Raises:
        ImproperlyConfigured: One cannot be imported or called.
    """
    found: dict[int, Callable[..., Any]] = {}
    for status in STATUSES:
        value = getattr(root, f"handler{status}", None)
        if value is None:
            continue
        try:
            view = import_string(value) if isinstance(value, str) else value
        except ImproperlyConfigured as error:
            raise ImproperlyConfigured(f"handler{status}: {error}") from error
        if not callable(view):
            raise ImproperlyConfigured(f"handler{status} is a view or its dotted name, not {value!r}.")
        found[status] = view
    return found


def arguments(status: int, request: Any, error: Any) -> tuple[Any, ...]:
    """Return what the view of a status is called with: the one of 500 gets no exception, as it may be anything."""
    return (request,) if status == 500 else (request, error)


def check_error_views(views: ErrorViews) -> Iterable[checks.CheckMessage]:
    """Report views that take other arguments, before the first error finds out."""
    for status, view in views.items():
        wanted = "request" if status == 500 else "request, exception"
        try:
            signature(view).bind(*arguments(status, None, None))
        except TypeError:
            yield checks.Error(
                f"The view of handler{status} does not take the arguments ({wanted}).",
                hint=f"async def {getattr(view, '__name__', 'view')}({wanted}): ...",
                obj=f"handler{status}",
                id="urls.E007",
            )
        except ValueError:
            continue  # a built-in without a signature
