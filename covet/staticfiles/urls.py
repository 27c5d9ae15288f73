"""The routes of static files and, in development, of uploads; a server in front may serve both folders in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.conf import settings
from covet.loading import late_module
from covet.urls.patterns import path

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.http.response import Response
    from covet.staticfiles import views
else:
    # Behind a server that serves the files itself, no request ever comes here.
    views = late_module(__name__, "covet.staticfiles.views")

__all__ = ["routes", "urlpatterns"]


async def _serve(request: Request, path: str) -> Response:
    return await views.serve(request, path)


async def _serve_media(request: Request, path: str) -> Response:
    return await views.serve_media(request, path)


def _route(url: str, view: Any, name: str) -> list[Any]:
    prefix = url.lstrip("/")
    # With another host in it, the address is not ours to serve.
    return [path(f"{prefix}<path:path>", view, name=name, methods=["GET"])] if prefix and "://" not in url else []


def routes() -> list[Any]:
    """Return the routes that the settings ask for."""
    found = _route(settings.STATIC_URL, _serve, "static")
    if settings.DEBUG and settings.MEDIA_ROOT is not None:
        found += _route(settings.MEDIA_URL, _serve_media, "media")
    return found


urlpatterns = routes()
