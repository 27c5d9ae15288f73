"""The ASGI callable: three kinds of scope, three calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from covet.accel import Waiting, first_step, with_length
from covet.apps.registry import Apps
from covet.handlers.disconnect import Disconnects
from covet.handlers.http import HttpHandler
from covet.handlers.part import HandlersPart
from covet.handlers.readers import stream_to_reader
from covet.http.background import running
from covet.http.errors import DisallowedHost, HTTPException
from covet.http.request import Request
from covet.http.response import JSON_TYPE, JSONResponse
from covet.http.status import BODILESS, STATUSES, no_status
from covet.loading import late_module
from covet.urls.mount import REST, Mount

if TYPE_CHECKING:
    from covet.handlers import proxies
    from covet.types import ASGIApp, Receive, Scope, Send
    from covet.urls import addresses
else:
    proxies = late_module(__name__, "covet.handlers.proxies")
    addresses = late_module(__name__, "covet.urls.addresses")

__all__ = ["Application", "application_of"]

KEPT_LENGTHS = 4096

new = object.__new__


class _Lengths(dict[int, tuple[bytes, bytes]]):
    """``Content-Length`` by length: what the answers of REST endpoints are told about their bodies. Small ones are kept."""

    def __missing__(self, size: int) -> tuple[bytes, bytes]:
        (made,) = with_length([], size)
        if size < KEPT_LENGTHS:
            self[size] = made
        return made


lengths = _Lengths()


class Application:
    """A project as an ASGI application.

    Args:
        apps: The registry whose parts serve; asked for the handler at each request, so that an override holds at once.

    Attributes:
        serve: The same as a function, which servers call in less time; what ``get_asgi_application()`` returns.
    """

    def __init__(self, apps: Apps) -> None:
        self.apps = apps
        self.disconnects = Disconnects()
        self.serve = _serving(self)

    @property
    def handler(self) -> HttpHandler:
        """What answers HTTP requests at the moment."""
        return self.apps.part(HandlersPart).handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        await self.serve(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is no request."""
        kind = scope["type"]
        if kind == "websocket":
            if self.handler.proxies is not None:
                scope = proxies.behind_proxies(scope, self.handler.proxies)
            if self.handler.resolver.mounts and await self._websocket_of_mount(scope, receive, send):
                return
            from covet.handlers.websocket import handle_websocket

            await handle_websocket(self, scope, receive, send)
        elif kind == "lifespan":
            from covet.handlers.lifespan import handle_lifespan

            await handle_lifespan(self, receive, send)
        else:
            raise ValueError(f"An ASGI server asked for the scope {kind!r}; Covet serves http, websocket and lifespan.")

    async def _websocket_of_mount(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Let a mounted application serve a WebSocket below its path; ``False`` when the path is in none."""
        handler = self.handler
        # A handshake is a GET: the routes are asked as they would be for one.
        handshake = Request({**scope, "method": "GET"}, app=handler, policy=handler.policy)
        try:
            resolver, _ = handler.resolver.at(handshake.get_host())
            route, params = resolver.resolve("GET", handshake.path)
        except (DisallowedHost, HTTPException):
            return False
        if not isinstance(route.view, Mount):
            return False
        await route.view.websocket(scope, params.get(REST, ""), receive, send)
        return True


def _serving(application: Application) -> ASGIApp:
    """Return what serves: CPython calls a function without the detour that it takes for an object."""
    apps, watched = application.apps, application.disconnects.watched

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; ``application.serve``."""
        if scope["type"] != "http":
            await application._other(scope, receive, send)
            return
        # Written out here and not in methods: each call and each coroutine shows in what a small request costs. CPython 3.11
        # takes several times as long where it cannot foresee what an operation finds: a name of the class, a method that is kept in
        # an attribute, a comparison before a jump over most of this function.
        try:
            handler = apps._parts[HandlersPart].handler
        except KeyError:
            handler = application.handler  # says what is missing
        # The class has for the rest what a request begins with.
        request = new(Request)
        request._scope = scope
        request._receive = receive
        request._channel = send
        request.method = method = scope["method"]
        request.path = path = scope["path"]
        request.raw_headers = scope["headers"]
        # Where the class has it already, so that it is found at the first place looked at.
        request._cleanup = False
        request.app = handler
        request.policy = handler.policy
        try:
            root = scope["root_path"]
        except KeyError:
            root = ""
        if root:
            # The server gives each request a context of its own, so nothing is to be put back.
            addresses.script_prefix.set(root.rstrip("/"))
            request._mounted(root)
            path = request.path
        # The first step by hand: most views are over with it, and need nobody who finds that their client has left.
        direct = handler.direct
        try:
            if path in direct and method == "GET":
                request.route = route = direct[path]
                write = route.write
                response = first_step(write(request, {}, handler.errors, True))
            else:
                response = first_step(handler.handle(request))
        except asyncio.CancelledError:
            await request.abandon()
            raise
        if type(response) is Waiting:
            response = await watched(request, response)
        if response is None:
            return  # to whom
        if type(response) is bytes:
            # A body of JSON, without the object that an answer is to those that may change it.
            try:
                await send(
                    {"type": "http.response.start", "status": 200, "headers": [JSON_TYPE, lengths[len(response)]]}
                )
                await send({"type": "http.response.body", "body": response})
            except BaseException:
                await request.abandon()
                raise
            if request._cleanup:
                await request.close()
            return
        status = response.status
        if status != 200 and status not in STATUSES:
            response = await handler.errors(request, no_status(status))
            status = response.status
        try:
            if type(response) is not JSONResponse and response.sends_itself:
                if response.is_streaming:
                    await stream_to_reader(handler, request, response, scope, receive, send)
                else:
                    await response.send(scope, receive, send)
            else:
                # As ``Response.send`` does it: a coroutine and a call less.
                body, headers = response.body, response.raw_headers
                if status != 200 and status in BODILESS:
                    body = b""
                elif len(headers) == 1 and headers[0] is JSON_TYPE:
                    headers = [JSON_TYPE, lengths[len(body)]]
                else:
                    headers = with_length(headers, len(body))
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        except BaseException:
            await request.abandon()
            raise
        if request._cleanup:
            await request.close()
        if response.background is not None:
            running.start(response.background)

    serve.__dict__["covet_application"] = application
    return serve


def application_of(app: Any) -> Application | None:
    """Return the application that is called, or whose ``serve`` is; ``None`` for any other, those that wrap it included."""
    if isinstance(app, Application):
        return app
    found = getattr(app, "covet_application", None)
    # ``functools.wraps`` copies the mark to what it makes.
    return found if isinstance(found, Application) and found.serve is app else None
