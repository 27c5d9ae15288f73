"""The app of static files."""

from __future__ import annotations

from covet.apps.config import AppConfig
from covet.staticfiles.finders import StaticFilesPart

__all__ = ["StaticFilesConfig"]


class StaticFilesConfig(AppConfig):
    """Static files."""

    label = "staticfiles"
    verbose_name = "Static files"
    parts = (StaticFilesPart,)
