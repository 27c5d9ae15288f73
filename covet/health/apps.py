"""The app of health checks."""

from __future__ import annotations

from covet.apps.config import AppConfig

__all__ = ["HealthConfig"]


class HealthConfig(AppConfig):
    """Health checks."""

    label = "health"
    verbose_name = "Health checks"
