"""The addresses of health checks."""

from __future__ import annotations

from typing import Any

from covet.health.views import healthz, readyz
from covet.urls.patterns import path

__all__ = ["urlpatterns"]

urlpatterns: list[Any] = [
    path("healthz", healthz, name="healthz", methods=["GET"]),
    path("readyz", readyz, name="readyz", methods=["GET"]),
]
