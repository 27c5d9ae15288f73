"""What a middleware is: Django's contract, async.

A middleware is a callable that takes ``get_response`` and returns an async callable that takes a request: a function, or
a class with ``__init__(get_response)`` and ``async __call__(request)``. A sync one runs in a thread. It may have

- ``process_view(request, view, args, kwargs)``, called before the view; a response ends the request there. With an attribute
  ``unsafe_only = True`` it is called for requests that may change something only,
- ``process_exception(request, exception)``, called when the view raised; a response is the answer,
- ``process_template_response(request, response)``, called when the view returned a ``TemplateResponse``, which it may change;
  it returns the response to go on with,
- ``process_websocket(ws)``, called before a WebSocket's route is looked up,

and it may raise ``MiddlewareNotUsed`` when it is made, to be left out. One that raises nothing of its own may say so by an
attribute ``raises_nothing = True``: it is then called without the wrapper that turns what it raises into a response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from covet.exceptions import CovetError
from covet.http.request import Request
from covet.http.response import Response

__all__ = ["SAFE", "GetResponse", "Middleware", "MiddlewareNotUsed"]

GetResponse: TypeAlias = Callable[[Request], Awaitable[Response]]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The methods that change nothing (RFC 9110, 9.2.1)."""


class MiddlewareNotUsed(CovetError):
    """Raised by a middleware while it is made: this project does not need it."""


class Middleware:
    """A base to write middleware on: override ``__call__``, call ``self.get_response`` in it.

    ```python
    class Timing(Middleware):
        async def __call__(self, request: Request) -> Response:
            started = perf_counter()
            response = await self.get_response(request)
            response.headers["Server-Timing"] = f"app;dur={(perf_counter() - started) * 1000:.1f}"
            return response
    ```
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        return await self.get_response(request)
