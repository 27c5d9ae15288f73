"""Addresses of static files."""

from __future__ import annotations

from urllib.parse import quote

from covet.conf import settings

__all__ = ["static"]


def static(path: str) -> str:
    """Return the address of a static file: ``static("blog/style.css")`` is ``/static/blog/style.css``."""
    base = settings.STATIC_URL
    return (base if base.endswith("/") else base + "/") + quote(path.lstrip("/"), safe="/~!$&'()*+,;=:@")
