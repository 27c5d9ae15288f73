"""The ASGI callable: three kinds of scope, three calls."""

from __future__ import annotations

import asyncio

from covet.apps.registry import Apps
from covet.handlers.disconnect import Disconnects
from covet.handlers.http import HttpHandler
from covet.handlers.part import HandlersPart
from covet.handlers.proxies import behind_proxies
from covet.http.background import running
from covet.http.errors import DisallowedHost, HTTPException
from covet.http.request import Request
from covet.types import Receive, Scope, Send
from covet.urls.mount import REST, Mount
from covet.urls.reverse import script_prefix

__all__ = ["Application"]


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
            # Written out here and not in a method of the handler: a coroutine less for each request.
            handler = self.apps.part(HandlersPart).handler
            if scope.get("root_path"):
                # The server gives each request a context of its own, so nothing is to be put back.
                script_prefix.set(scope["root_path"].rstrip("/"))
            request = Request(scope, receive, app=handler, policy=handler.policy)
            request._channel = send
            watch, task = self.disconnects, asyncio.current_task()
            if task is not None:
                watch.running[task] = request
                if watch.loop is not task.get_loop():
                    watch.start(task.get_loop())
            try:
                response = await handler.handle(request)
            except asyncio.CancelledError:
                if task is None or not watch.has_left(task):
                    raise
                await request.close()
                return
            finally:
                watch.running.pop(task, None)  # type: ignore[arg-type]  # None is in no dict of tasks
            if watch.watchers and task is not None and await watch.stop(task):
                await response.close()
                return
            if response.is_streaming:
                await handler.stream(request, response, scope, receive, send)
            else:
                await response.send(scope, receive, send)
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
