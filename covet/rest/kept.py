"""A streamed answer that keeps its dependencies open until it has been sent."""

from __future__ import annotations

from contextlib import AsyncExitStack

from covet.http.response import Response
from covet.types import Receive, Scope, Send

__all__ = ["KeptResponse"]


class KeptResponse(Response):
    """Another answer, and the dependencies that what it sends may still use.

    Args:
        inner: The streamed answer.
        stack: What is torn down when it has been sent, or cannot be.
    """

    __slots__ = ("_inner", "_stack")
    is_streaming = True

    def __init__(self, inner: Response, stack: AsyncExitStack) -> None:
        super().__init__(b"", inner.status, background=inner.background)
        self.raw_headers = inner.raw_headers
        self._inner = inner
        self._stack = stack

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; dependencies see what goes wrong meanwhile."""
        self._inner.status, self._inner.raw_headers = self.status, self.raw_headers
        self._inner._headers = None
        async with self._stack:
            await self._inner.send(scope, receive, send)

    async def close(self) -> None:
        """Give everything back, as the answer is not sent."""
        try:
            await self._inner.close()
        finally:
            await self._stack.aclose()
