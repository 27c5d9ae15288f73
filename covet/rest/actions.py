"""What the methods of a viewset are to HTTP: the usual ones, those of many rows at once, and ``@action``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct

from covet.exceptions import ImproperlyConfigured
from covet.text import suggest

if TYPE_CHECKING:
    from covet.access.permissions import Action

__all__ = ["BULK", "STANDARD", "MarkedAction", "Standard", "action"]

F = TypeVar("F", bound=Callable[..., Any])


class Standard(Struct, frozen=True):
    """What routers know of a viewset's usual methods."""

    method: str
    is_detail: bool
    suffix: str
    action: Action
    status: int | None = None


STANDARD: Final[dict[str, Standard]] = {
    "list": Standard("GET", False, "list", "view"),
    "create": Standard("POST", False, "list", "add", 201),
    "read": Standard("GET", True, "detail", "view"),
    "update": Standard("PUT", True, "detail", "change"),
    "patch": Standard("PATCH", True, "detail", "change"),
    "delete": Standard("DELETE", True, "detail", "delete", 204),
}


BULK: Final[dict[str, Standard]] = {
    "bulk_create": Standard("POST", False, "bulk", "add", 201),
    "bulk_update": Standard("PUT", False, "bulk", "change"),
    "bulk_patch": Standard("PATCH", False, "bulk", "change"),
    "bulk_delete": Standard("DELETE", False, "bulk", "delete", 204),
}

_HTTP: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class MarkedAction(Struct, frozen=True):
    """What ``@action`` says of a method."""

    detail: bool
    methods: tuple[str, ...]
    options: Mapping[str, Any]
    url_path: str | None
    url_name: str | None


def action(
    *,
    detail: bool,
    methods: Sequence[str] = ("get",),
    url_path: str | None = None,
    url_name: str | None = None,
    **options: Any,
) -> Callable[[F], F]:
    """Serve a further method of a viewset: ``authors/<pk>/promote/``, or ``authors/recent/`` without ``detail``.

    Args:
        detail: Whether it is about one row; the method then takes ``pk``.
        methods: The HTTP methods.
        url_path: The last part of the path; the method's name when left out.
        url_name: For ``reverse("authors-promote")``; the method's name, with dashes, when left out.
        options: As for ``Router.route``: ``response``, ``status``, ``permissions``, ``summary``, … A method that returns
            its viewset's model or a queryset of it is shown by the viewset's schema without ``response``.

    Raises:
        ImproperlyConfigured: ``methods`` is no list of HTTP methods, or ``url_path`` has slashes at its ends.
    """
    if isinstance(methods, str):
        raise ImproperlyConfigured(f"@action(methods=…) is a list: write methods=[{methods!r}].")
    upper = tuple(name.upper() for name in methods)
    for name in upper:
        if name not in _HTTP:
            near = suggest(name, _HTTP)
            hint = f"Did you mean {near.lower()!r}?" if near else f"There are: {', '.join(_HTTP).lower()}."
            raise ImproperlyConfigured(f"@action(methods=…) has {name.lower()!r}, which is no HTTP method. {hint}")
    if url_path is not None and url_path != url_path.strip("/"):
        raise ImproperlyConfigured(
            f"@action(url_path={url_path!r}) has its slashes from the router: write {url_path.strip('/')!r}."
        )

    def mark(method: F) -> F:
        method.__covet_action__ = MarkedAction(detail, upper, options, url_path, url_name)  # type: ignore[attr-defined]
        return method

    return mark
