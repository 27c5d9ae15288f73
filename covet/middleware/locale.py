"""LocaleMiddleware: the visitor's language for the time of the request: the address's, else the cookie's, else the browser's."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from covet.conf import settings
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.i18n.language import get_supported_language, override, parse_accept_language
from covet.middleware.base import GetResponse, MiddlewareNotUsed

__all__ = ["LocaleMiddleware"]


class LocaleMiddleware:
    """Activates one of LANGUAGES; the answer tells which, and that it varies where the address does not say it.

    In a project with ``i18n_patterns()`` an address without a language that only exists with one leads to that of the visitor.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.USE_I18N:
            raise MiddlewareNotUsed("USE_I18N is off")
        self.get_response = get_response
        self.append_slash = settings.APPEND_SLASH

    async def __call__(self, request: Request) -> Response:
        """Answer in the visitor's language."""
        languages: Mapping[str, str] = getattr(getattr(request.app, "resolver", None), "languages", {})
        named = languages.get(request.path.split("/", 2)[1]) if languages else None
        # Without a prefix stands the language of the site, where the routes say so.
        language = named or languages.get("") or self.choose(request)
        with override(language):
            response = await self.get_response(request)
        if languages and named is None:
            if response.status == 404 and "" not in languages:
                moved = self.with_prefix(request, language)
                response = response if moved is None else moved
            response.headers.add_vary("Accept-Language", "Cookie")
        elif not languages:
            response.headers.add_vary("Accept-Language", "Cookie")
        response.headers.setdefault("Content-Language", language)
        return response

    def with_prefix(self, request: Request, language: str) -> Response | None:
        """Return a redirect to the same address with the language in front; ``None`` where there is none."""
        resolver = request.app.routes_of(request)
        if resolver.hosts:
            resolver, _ = resolver.at(request.get_host())
        path = f"/{language.lower()}{request.path}"
        if not resolver.has_path(path):
            if not self.append_slash or path.endswith("/") or not resolver.has_path(f"{path}/"):
                return None
            path += "/"
        target = quote(request.root_path + path, safe="/~!$&'()*+,;=:@")
        query = f"?{request.raw_query.decode('latin-1')}" if request.raw_query else ""
        return RedirectResponse(target + query)

    def choose(self, request: Request) -> str:
        """Return the language for a request whose address says none."""
        wished = request.cookies.get(settings.LANGUAGE_COOKIE_NAME)
        if wished:
            found = get_supported_language(wished[:20])
            if found is not None:
                return found
        for name in parse_accept_language(request.headers.combined("accept-language", "")):
            if name == "*":
                # Any will do, so those behind it are not asked for.
                break
            found = get_supported_language(name)
            if found is not None:
                return found
        return settings.LANGUAGE_CODE
