"""RateLimitMiddleware: limits on the whole site, by address, before anything asks a database."""

from __future__ import annotations

from typing import Any

from covet.conf import settings
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse, MiddlewareNotUsed

__all__ = ["RateLimitMiddleware"]


class RateLimitMiddleware:
    """Counts every request by ``RATE_LIMITS``; one too many is answered with 429 and ``Retry-After``.

    It stands outside authentication, so that guessing a password is counted too; a rate counts by address. For limits by
    user name throttles at the endpoints, or a ``Throttle`` of your own here.

    Raises:
        MiddlewareNotUsed: ``RATE_LIMITS`` is empty.
        ImproperlyConfigured: ``RATE_LIMITS`` has something that is no limit.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.RATE_LIMITS:
            raise MiddlewareNotUsed("RATE_LIMITS is empty")
        # Late: who limits nothing pays for nothing.
        from covet.rest.throttle import Throttle, effective_throttles, throttled

        limits = [
            Throttle(limit, by="ip", name=f"site-{place}") if isinstance(limit, str) and "/" in limit else limit
            for place, limit in enumerate(settings.RATE_LIMITS)
        ]

        async def run(request: Request, params: dict[str, Any]) -> Response:
            return await get_response(request)

        self.limited = throttled(run, effective_throttles(limits, where="RATE_LIMITS"))

    async def __call__(self, request: Request) -> Response:
        """Answer, or refuse."""
        return await self.limited(request, {})
