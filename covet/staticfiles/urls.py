"""The route of static files; a server in front may serve STATIC_ROOT in its place."""

from __future__ import annotations

from typing import Any

from covet.conf import settings
from covet.staticfiles.views import serve
from covet.urls.patterns import path

__all__ = ["urlpatterns"]

_prefix = settings.STATIC_URL.lstrip("/")
# With another host in it, STATIC_URL is not ours to serve.
urlpatterns: list[Any] = (
    [path(f"{_prefix}<path:path>", serve, name="static", methods=["GET"])]
    if _prefix and "://" not in settings.STATIC_URL
    else []
)
