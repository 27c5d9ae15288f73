"""Addresses that begin with a language, such as ``/de/articles/``: ``i18n_patterns()`` and ``translate_url()``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from covet.http.errors import HTTPException
from covet.i18n.language import override
from covet.urls.addresses import resolve, reverse
from covet.urls.names import NoReverseMatch
from covet.urls.patterns import LocalePatterns

__all__ = ["i18n_patterns", "translate_url"]


def i18n_patterns(*patterns: Any, prefix_default_language: bool = True) -> LocalePatterns:
    """Put the language in front of these routes, once for each of ``LANGUAGES``; it stands in the root ``urlpatterns``.

    ``reverse()`` gives the address in the current language, and ``LocaleMiddleware`` takes the language of the address that is asked for.

    Args:
        patterns: Routes and includes.
        prefix_default_language: Whether those of ``LANGUAGE_CODE`` have it too; else they have none.
    """
    return LocalePatterns(patterns, prefix_default_language)


def translate_url(url: str, language: str) -> str:
    """Return the address of the same page in another language; itself where no route of this site has it.

    Args:
        url: A path, or a whole address, with its query string.
        language: One of ``LANGUAGES``.
    """
    parts = urlsplit(url)
    try:
        route, params = resolve(parts.path)
    except HTTPException:
        return url
    if route.name is None:
        return url
    with override(language):
        try:
            path = reverse(route.name, kwargs={name: params[name] for name in route.names})
        except NoReverseMatch:
            return url
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, parts.fragment))
