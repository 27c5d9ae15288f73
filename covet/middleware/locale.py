"""LocaleMiddleware: the visitor's language for the time of the request: the cookie's, else the browser's."""

from __future__ import annotations

from covet.conf import settings
from covet.http.request import Request
from covet.http.response import Response
from covet.i18n.language import get_supported_language, override, parse_accept_language
from covet.middleware.base import GetResponse, MiddlewareNotUsed

__all__ = ["LocaleMiddleware"]


class LocaleMiddleware:
    """Activates one of LANGUAGES; the answer tells which, and that it varies."""

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.USE_I18N:
            raise MiddlewareNotUsed("USE_I18N is off")
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        """Answer in the visitor's language."""
        language = self.choose(request)
        with override(language):
            response = await self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        response.headers.add_vary("Accept-Language", "Cookie")
        return response

    def choose(self, request: Request) -> str:
        """Return the language for a request."""
        wished = request.cookies.get(settings.LANGUAGE_COOKIE_NAME)
        if wished:
            found = get_supported_language(wished[:20])
            if found is not None:
                return found
        for name in parse_accept_language(request.headers.get("accept-language", "")):
            found = get_supported_language(name)
            if found is not None:
                return found
        return settings.LANGUAGE_CODE
