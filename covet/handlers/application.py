"""The ASGI callable: three kinds of scope, three calls."""

from __future__ import annotations

import asyncio
import sys
from asyncio import get_running_loop

from covet.accel import with_length
from covet.apps.registry import Apps
from covet.handlers.disconnect import Disconnects
from covet.handlers.http import HttpHandler
from covet.handlers.part import HandlersPart
from covet.handlers.proxies import behind_proxies
from covet.handlers.readers import stream_to_reader
from covet.http.background import running
from covet.http.errors import DisallowedHost, HTTPException
from covet.http.request import Request
from covet.http.status import BODILESS, STATUSES, no_status
from covet.types import Receive, Scope, Send
from covet.urls.mount import REST, Mount
from covet.urls.reverse import script_prefix

if sys.version_info >= (3, 12):
    from asyncio import current_task
else:
    # There it is written in Python, and takes longer than to make the request.
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]  # that version will not change any more

    current_task = _current_tasks.get

__all__ = ["Application"]

request_of = Request.from_scope


class Application:
    """A project as an ASGI application.

    Args:
        apps: The registry whose parts serve; asked for the handler at each request, so that an override holds at once.
    """

    def __init__(self, apps: Apps) -> None:
        self.apps = apps
        self.disconnects = Disconnects()

    @property
    def handler(self) -> HttpHandler:
        """What answers HTTP requests at the moment."""
        return self.apps.part(HandlersPart).handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        kind = scope["type"]
        if kind == "http":
            # Written out here and not in methods: each call and each coroutine shows in what a small request costs.
            try:
                handler = self.apps._parts[HandlersPart].handler
            except KeyError:
                handler = self.handler  # says what is missing
            root = scope.get("root_path")
            if root:
                # The server gives each request a context of its own, so nothing is to be put back.
                script_prefix.set(root.rstrip("/"))
            request = request_of(scope, receive, send, handler, root)
            watch, loop = self.disconnects, get_running_loop()
            task = current_task(loop)
            if task is None:
                response = await handler.handle(request)
            else:
                watch.running[task] = request
                if watch.loop is not loop:
                    watch.start(loop)
                try:
                    response = await handler.handle(request)
                except asyncio.CancelledError:
                    await request.abandon()
                    if not watch.has_left(task):
                        raise
                    return
                finally:
                    del watch.running[task]
                if watch.watchers and await watch.stop(task):
                    # Its client has left meanwhile.
                    await response.close()
                    await request.abandon()
                    return
            if response.status not in STATUSES:
                response = await handler.errors(request, no_status(response.status))
            try:
                if response.sends_itself:
                    if response.is_streaming:
                        await stream_to_reader(handler, request, response, scope, receive, send)
                    else:
                        await response.send(scope, receive, send)
                else:
                    # As ``Response.send`` does it: a coroutine and a call less.
                    status, body, headers = response.status, response.body, response.raw_headers
                    if status in BODILESS:
                        body = b""
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
        elif kind == "websocket":
            if self.handler.proxies is not None:
                scope = behind_proxies(scope, self.handler.proxies)
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
