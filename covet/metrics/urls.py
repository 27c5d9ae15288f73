"""The address of the figures."""

from __future__ import annotations

from typing import Any

from covet.metrics.views import metrics
from covet.urls.patterns import path

__all__ = ["urlpatterns"]

urlpatterns: list[Any] = [path("metrics", metrics, name="metrics", methods=["GET"])]
