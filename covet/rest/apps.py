"""The app ``covet.rest``: add it to INSTALLED_APPS for the documentation pages and the checks of endpoints."""

from __future__ import annotations

from covet.apps import AppConfig

__all__ = ["RestConfig"]


class RestConfig(AppConfig):
    """Brings the REST part."""

    name = "covet.rest"
    verbose_name = "REST"
    parts = ("covet.rest.part.RestPart",)
