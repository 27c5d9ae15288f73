"""``get_asgi_application()``: what a server of ASGI runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from covet.handlers.application import Application
    from covet.types import ASGIApp

__all__ = ["get_asgi_application", "served_application"]


def get_asgi_application() -> Application:
    """Set the project up and return it as an ASGI application; ``asgi.py`` of a project calls this."""
    with _never_collected():
        # Imported in here for the same reason: it is most of the program.
        from covet.apps.lifecycle import setup
        from covet.handlers.application import Application

        return Application(setup())


@contextmanager
def _never_collected() -> Iterator[None]:
    """Keep the garbage collector from what is made here: a server's program stays until the process ends.

    It would look through a growing program again and again while that is loaded, and later with every full collection.
    Workers that are forked share the pages that it then leaves alone.
    """
    if not gc.isenabled():  # the project has a mind of its own
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
