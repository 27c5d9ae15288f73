"""``get_asgi_application()``: what a server of ASGI runs."""

from __future__ import annotations

from covet.apps.lifecycle import setup
from covet.handlers.application import Application

__all__ = ["get_asgi_application"]


def get_asgi_application() -> Application:
    """Set the project up and return it as an ASGI application; ``asgi.py`` of a project calls this."""
    return Application(setup())
