"""ConditionalGetMiddleware: an ``ETag`` for answers to GET that have none, and 304 for who has them already."""

from __future__ import annotations

from covet.http.conditional import evaluate, make_etag, not_modified, parse_http_date
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse

__all__ = ["ConditionalGetMiddleware"]


class ConditionalGetMiddleware:
    """Saves the way of what the client knows; the answer is made all the same.

    Only whole answers of status 200 to GET and HEAD are looked at; streams and ``Cache-Control: no-store`` are left alone.
    Files have their own ``ETag``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        """Answer, by 304 where that is enough."""
        response = await self.get_response(request)
        if response.status != 200 or response.is_streaming or request.method not in ("GET", "HEAD"):
            return response
        headers = response.headers
        if "no-store" in headers.get("cache-control", ""):
            return response
        etag = headers.get("etag")
        if etag is None:
            if not response.body:
                return response
            etag = headers["ETag"] = make_etag(response.body)
        modified = headers.get("last-modified")
        if evaluate(request, etag, parse_http_date(modified) if modified else None) != 304:
            return response
        await response.close()
        return not_modified(response)
