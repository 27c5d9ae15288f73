"""``get_asgi_application()``: what a server of ASGI runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from covet.loading import uncollected

if TYPE_CHECKING:
    from covet.types import ASGIApp

__all__ = ["get_asgi_application", "served_application"]


def get_asgi_application() -> ASGIApp:
    """Set the project up and return it as an ASGI application; ``asgi.py`` of a project calls this."""
    with uncollected():
        # Imported in here for the same reason: it is most of the program.
        from covet.apps.lifecycle import setup
        from covet.handlers.application import Application

        return Application(setup()).serve


def served_application() -> ASGIApp:
    """Return what ``runserver`` and ``serve`` run: ASGI_APPLICATION, or the project itself.

    Raises:
        ImproperlyConfigured: The setting names nothing, or what cannot be called.
    """
    from covet.conf import settings
    from covet.exceptions import ImproperlyConfigured
    from covet.loading import import_string

    own = get_asgi_application()
    if not settings.ASGI_APPLICATION:
        return own
    try:
        found = import_string(settings.ASGI_APPLICATION)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"ASGI_APPLICATION: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"ASGI_APPLICATION names {found!r}, which is no ASGI application.")
    return cast("ASGIApp", found)
