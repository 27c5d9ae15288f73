"""A project that answers below a prefix of its address, which a proxy in front adds: ``serve --root-path /shop``."""

from __future__ import annotations

from covet.types import ASGIApp, Receive, Scope, Send

__all__ = ["BelowPrefix"]


class BelowPrefix:
    """Tells an application where it is mounted.

    The path is taken as it comes: a proxy may leave the prefix in it or take it away, and the project finds its routes in both cases.

    Args:
        app: The application.
        prefix: The part of the address in front of its paths, such as ``/shop``.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "root_path": self.prefix + scope.get("root_path", "")}
        await self.app(scope, receive, send)
