"""The app of metrics."""

from __future__ import annotations

from covet.apps.config import AppConfig

__all__ = ["MetricsConfig"]


class MetricsConfig(AppConfig):
    """Metrics."""

    label = "metrics"
    verbose_name = "Metrics"
