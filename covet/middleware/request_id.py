"""RequestIdMiddleware: an id for each request, in its logs, its error documents and its answer."""

from __future__ import annotations

import secrets

from covet.http.request import Request
from covet.http.response import Response
from covet.log.context import request_id
from covet.middleware.base import GetResponse

__all__ = ["RequestIdMiddleware"]

_HEADER = b"x-request-id"
_ALLOWED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


class RequestIdMiddleware:
    """Takes the id that a proxy gave, if it is short and plain, or makes one; sends it back as ``X-Request-ID``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        """Answer with the id around."""
        identity = ""
        for name, value in request.raw_headers:
            if name == _HEADER and 8 <= len(value) <= 128 and _ALLOWED.issuperset(value):
                identity = value.decode("ascii")
                break
        identity = identity or secrets.token_hex(16)
        request.request_id = identity
        token = request_id.set(identity)
        try:
            response = await self.get_response(request)
        finally:
            request_id.reset(token)
        response.headers["X-Request-ID"] = identity
        return response
