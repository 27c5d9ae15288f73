"""What most views need: ``render``, ``redirect``, ``get_object_or_404``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from covet.exceptions import ObjectDoesNotExist
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import HTMLResponse, RedirectResponse
from covet.templates.engine import render_to_string
from covet.urls.addresses import reverse
from covet.urls.names import NoReverseMatch

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.manager import Manager
    from covet.db.models.query.queryset import QuerySet

__all__ = ["get_list_or_404", "get_object_or_404", "redirect", "render", "resolve_url"]

M = TypeVar("M", bound="Model")
R = TypeVar("R")


async def render(
    request: Request,
    template: str | Sequence[str],
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a template filled in, as a page. Querysets in the context are awaited first, so templates see lists.

    Args:
        request: For the context processors.
        template: Its path below a ``templates`` folder; of several, the first that exists.
        context: Values for it.
        status: The HTTP status.
        headers: Further headers.
    """
    return HTMLResponse(await render_to_string(template, context, request), status, headers)


def resolve_url(to: Any, *args: Any, **kwargs: Any) -> str:
    """Return the address of a model instance (its ``get_absolute_url``), a route's name, a view, or an address itself."""
    if hasattr(to, "get_absolute_url"):
        return str(to.get_absolute_url())
    target = str(to) if not callable(to) or isinstance(to, str) else to
    if isinstance(target, str) and target.startswith(("./", "../", "/", "http://", "https://", "?", "#")):
        return target
    try:
        return reverse(target, args or None, kwargs or None)
    except NoReverseMatch:
        if callable(to) or (isinstance(target, str) and "/" not in target and "." not in target):
            raise
    return str(target)


def redirect(
    to: Any, *args: Any, permanent: bool = False, preserve_method: bool = False, **kwargs: Any
) -> RedirectResponse:
    """Return a redirect to whatever ``resolve_url`` takes; it awaits nothing."""
    return RedirectResponse(resolve_url(to, *args, **kwargs), permanent=permanent, preserve_method=preserve_method)


@overload
async def get_object_or_404(source: type[M], *args: Any, **kwargs: Any) -> M: ...
@overload
async def get_object_or_404(source: Manager[M] | QuerySet[M, R], *args: Any, **kwargs: Any) -> Any: ...
async def get_object_or_404(source: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the one object that matches.

    Args:
        source: A model, a manager or a queryset.
        args: Conditions, as for ``get()``.
        kwargs: Conditions by name.

    Raises:
        NotFound: There is none.
        MultipleObjectsReturned: There are several.
    """
    queryset = _queryset(source)
    try:
        return await queryset.get(*args, **kwargs)
    except ObjectDoesNotExist as error:
        raise NotFound(f"There is no such {queryset.model._meta.verbose_name}.") from error


async def get_list_or_404(source: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """Return the objects that match.

    Raises:
        NotFound: There are none.
    """
    queryset = _queryset(source)
    found = await queryset.filter(*args, **kwargs)
    if not found:
        raise NotFound(f"There are no such {queryset.model._meta.verbose_name_plural}.")
    return list(found)


def _queryset(source: Any) -> Any:
    if isinstance(source, type):
        model: Any = source
        source = getattr(model, "_default_manager", None) or model.objects
    if not hasattr(source, "all"):
        raise ValueError(f"The first argument is a model, a manager or a queryset, not {source!r}.")
    return source.all()
