"""``/openapi.json`` and the pages that show it; mounted by ``autodiscover()``."""

from __future__ import annotations

from covet.rest import pages
from covet.urls import path

__all__ = ["urlpatterns"]

urlpatterns = [
    path("openapi.json", pages.openapi_json, name="openapi", methods=["GET"]),
    path("docs", pages.docs, name="docs", methods=["GET"]),
    path("docs/redoc", pages.redoc, name="docs-redoc", methods=["GET"]),
    path("docs/scalar", pages.scalar, name="docs-scalar", methods=["GET"]),
    path("docs/problems", pages.problems, name="docs-problems", methods=["GET"]),
    path("docs/assets/<str:name>", pages.asset, name="openapi-asset", methods=["GET"]),
]
