"""Context processors for ``TEMPLATES["CONTEXT_PROCESSORS"]``, with Django's names; each adds some of the settings to all pages."""

from __future__ import annotations

from typing import Any

from covet import timezone
from covet.conf import settings
from covet.http.request import Request
from covet.i18n import get_language, get_language_bidi

__all__ = ["debug", "i18n", "media", "static", "tz"]


def debug(request: Request) -> dict[str, Any]:
    """Give ``debug`` and ``sql_queries`` with ``DEBUG``, to clients of ``INTERNAL_IPS`` only."""
    if not settings.DEBUG or request.client is None or request.client[0] not in settings.INTERNAL_IPS:
        return {}
    return {"debug": True, "sql_queries": request.queries or []}


def i18n(request: Request) -> dict[str, Any]:
    """Give ``LANGUAGES``, ``LANGUAGE_CODE`` (the current one) and ``LANGUAGE_BIDI`` (whether it is written from the right)."""
    return {
        "LANGUAGES": settings.LANGUAGES,
        "LANGUAGE_CODE": get_language(),
        "LANGUAGE_BIDI": get_language_bidi(),
    }


def media(request: Request) -> dict[str, Any]:
    """Give ``MEDIA_URL``."""
    return {"MEDIA_URL": settings.MEDIA_URL}


def static(request: Request) -> dict[str, Any]:
    """Give ``STATIC_URL``."""
    return {"STATIC_URL": settings.STATIC_URL}


def tz(request: Request) -> dict[str, Any]:
    """Give ``TIME_ZONE``, the current one."""
    return {"TIME_ZONE": str(timezone.get_current_timezone())}
