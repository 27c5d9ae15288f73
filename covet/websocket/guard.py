"""Who may open a WebSocket: the permissions of a route, and the origins that browsers may come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

__all__ = ["PERMISSIONS", "is_origin_allowed", "permissions", "permissions_of"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

PERMISSIONS = "covet_permissions"
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def permissions(*classes: Any) -> Callable[[Handler], Handler]:
    """Say who may open this WebSocket, instead of ``DEFAULT_PERMISSIONS``. A handshake counts as a read.

    Example:
        @permissions(IsAuthenticated)
        async def room(ws: WebSocket, name: str) -> None: ...
    """

    def mark(handler: Handler) -> Handler:
        setattr(handler, PERMISSIONS, classes)
        return handler

    return mark


def permissions_of(handler: Any) -> tuple[Any, ...] | None:
    """Return the permissions that a handler names for itself; None when the defaults hold."""
    found = getattr(handler, PERMISSIONS, None)
    if found is None and isinstance(handler, type):
        found = getattr(handler, "permissions", None)
    return None if found is None else tuple(found)


def is_origin_allowed(origin: str | None, host: str, scheme: str, trusted: Iterable[str]) -> bool:
    """Tell whether a handshake with this ``Origin`` may go on.

    Browsers send cookies with a WebSocket handshake to any site and no CORS rule stops them, so a page of another site
    could speak with the user's rights. Clients that are no browsers send no ``Origin`` and pass.

    Args:
        origin: The ``Origin`` header.
        host: The ``Host`` header, which the server has checked against ``ALLOWED_HOSTS``.
        scheme: The handshake's own scheme.
        trusted: ``CSRF_TRUSTED_ORIGINS``, such as ``https://app.example.com`` or ``https://*.example.com``.
    """
    if origin is None:
        return True
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    if not parts.netloc or parts.scheme not in ("http", "https"):
        return False
    if _with_port(parts.netloc, parts.scheme) == _with_port(host.lower(), scheme):
        return True
    return any(_matches(parts.scheme, parts.netloc, pattern.lower()) for pattern in trusted)


def _with_port(host: str, scheme: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return f"{name}:{port}"
    return f"{host}:{_DEFAULT_PORTS.get(scheme, '')}"


def _matches(scheme: str, host: str, pattern: str) -> bool:
    wanted = urlsplit(pattern)
    if wanted.scheme != scheme:
        return False
    if wanted.netloc.startswith("*."):
        # As in Django, *.example.com is example.com too.
        return host == wanted.netloc[2:] or host.endswith(wanted.netloc[1:])
    return _with_port(host, scheme) == _with_port(wanted.netloc, wanted.scheme)
