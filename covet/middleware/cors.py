"""CorsMiddleware: which other sites' pages may call this one from a browser (the Fetch standard's CORS protocol).

It stands first, so that every answer carries its headers, errors too. It is left out while no origin is allowed.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse, MiddlewareNotUsed

__all__ = ["CorsMiddleware"]


class CorsMiddleware:
    """Answers preflights, and tells browsers which origins may read the answers.

    Raises:
        ImproperlyConfigured: An origin is no origin, a pattern no pattern, or everybody is allowed with credentials.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.everybody = settings.CORS_ALLOW_ALL_ORIGINS
        self.origins = frozenset(_origin(text) for text in settings.CORS_ALLOWED_ORIGINS)
        self.patterns = [_pattern(text) for text in settings.CORS_ALLOWED_ORIGIN_REGEXES]
        self.paths = _pattern(settings.CORS_URLS_REGEX)
        self.credentials = settings.CORS_ALLOW_CREDENTIALS
        self.methods = ", ".join(settings.CORS_ALLOW_METHODS)
        self.allowed_headers = ", ".join(settings.CORS_ALLOW_HEADERS)
        self.exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
        self.private_network = settings.CORS_ALLOW_PRIVATE_NETWORK
        self.max_age = settings.CORS_PREFLIGHT_MAX_AGE
        if not (self.everybody or self.origins or self.patterns):
            raise MiddlewareNotUsed("no origin is allowed: CORS_ALLOWED_ORIGINS is empty")
        if self.everybody and self.credentials:
            raise ImproperlyConfigured(
                "CORS_ALLOW_ALL_ORIGINS with CORS_ALLOW_CREDENTIALS would let any site act as the visitor. List the "
                "origins in CORS_ALLOWED_ORIGINS instead."
            )

    async def __call__(self, request: Request) -> Response:
        """Answer a preflight, or add the headers to the answer."""
        origin = request.headers.get("origin")
        if not self.paths.search(request.path):
            return await self.get_response(request)
        allowed = origin is not None and self.is_allowed(origin)
        if origin is not None and request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            response = Response(status=204)
            if allowed:
                self._preflight(request, response)
        else:
            response = await self.get_response(request)
        headers = response.headers
        if not self.everybody:
            # Without an Origin too: a cache must not hand that answer to a page of another site.
            headers.add_vary("Origin")
        if allowed and origin is not None:
            headers["Access-Control-Allow-Origin"] = "*" if self.everybody else origin
            if self.credentials:
                headers["Access-Control-Allow-Credentials"] = "true"
            if self.exposed and request.method != "OPTIONS":
                headers["Access-Control-Expose-Headers"] = self.exposed
        return response

    def is_allowed(self, origin: str) -> bool:
        """Whether pages of this origin may read the answers. ``null`` (a sandboxed page, a file) never is by name."""
        if self.everybody:
            return True
        return origin in self.origins or any(pattern.fullmatch(origin) for pattern in self.patterns)

    def _preflight(self, request: Request, response: Response) -> None:
        headers = response.headers
        headers["Access-Control-Allow-Methods"] = self.methods
        headers["Access-Control-Allow-Headers"] = self.allowed_headers
        if self.max_age:
            headers["Access-Control-Max-Age"] = str(self.max_age)
        if self.private_network and request.headers.get("access-control-request-private-network"):
            headers["Access-Control-Allow-Private-Network"] = "true"


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment or "*" in text:
        if text == "*":
            raise ImproperlyConfigured("CORS_ALLOWED_ORIGINS: '*' is no origin. Write CORS_ALLOW_ALL_ORIGINS = True.")
        raise ImproperlyConfigured(
            f"CORS_ALLOWED_ORIGINS: {text!r} is no origin. Write scheme, host and port alone: https://example.com "
            "(patterns stand in CORS_ALLOWED_ORIGIN_REGEXES)."
        )
    return text.lower()


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ImproperlyConfigured(
            f"The CORS settings hold {text!r}, which is no regular expression: {error}."
        ) from error
