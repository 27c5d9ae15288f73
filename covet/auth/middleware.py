"""Gives ``request.user`` and ``ws.user``: a claim until it is awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from covet.auth.authentication import claim

if TYPE_CHECKING:
    from covet.http import Request, Response

__all__ = ["AuthenticationMiddleware"]


class AuthenticationMiddleware:
    """Sets ``request.user`` from the session; needs ``SessionMiddleware`` before it.

    Nothing is loaded here. ``request.user.pk`` is what the session says; ``await request.user`` loads the user, checks
    the session's hash and whether the account is active, and is the ``User`` or an ``AnonymousUser`` from then on.
    """

    # Only in a project without sessions does the claim raise; the layer round this one answers then.
    raises_nothing = True

    def __init__(self, get_response: Callable[[Request], Awaitable[Response]]) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        """Set the claim and let the request pass."""
        request.user = claim(request)
        return await self.get_response(request)

    async def process_websocket(self, ws: Any) -> None:
        """Set the claim of a WebSocket's handshake."""
        ws.user = claim(ws)
