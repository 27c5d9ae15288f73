"""The routes of static files and, in development, of uploads; a server in front may serve both folders in their place."""

from __future__ import annotations

from typing import Any

from covet.conf import settings
from covet.staticfiles.views import serve, serve_media
from covet.urls.patterns import path

__all__ = ["routes", "urlpatterns"]


def _route(url: str, view: Any, name: str) -> list[Any]:
    prefix = url.lstrip("/")
    # With another host in it, the address is not ours to serve.
    return [path(f"{prefix}<path:path>", view, name=name, methods=["GET"])] if prefix and "://" not in url else []


def routes() -> list[Any]:
    """Return the routes that the settings ask for."""
    found = _route(settings.STATIC_URL, serve, "static")
    if settings.DEBUG and settings.MEDIA_ROOT is not None:
        found += _route(settings.MEDIA_URL, serve_media, "media")
    return found


urlpatterns = routes()
