"""The ASGI callable: three kinds of scope, three calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from covet.apps.registry import Apps
from covet.handlers.disconnect import Disconnects
from covet.handlers.http import HttpHandler
from covet.handlers.part import HandlersPart
from covet.handlers.proxies import behind_proxies
from covet.handlers.readers import stream_to_reader
from covet.http.background import running
from covet.http.body import resumed
from covet.http.errors import DisallowedHost, HTTPException
from covet.http.request import Request
from covet.http.response import Response
from covet.http.status import BODILESS
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
            request = Request.from_scope(scope, receive, send, handler)
            steps: Any = handler.handle(request)
            try:
                waited = steps.send(None)
            except StopIteration as ended:
                # Most views wait for nothing, so there was no time for the client to leave.
                response: Response = ended.value
            except AttributeError:
                if hasattr(steps, "send"):
                    raise
                response = await steps
            else:
                answered = await self._watched(request, resumed(steps, waited))
                if answered is None:
                    return
                response = answered
            try:
                if response.sends_itself:
                    if response.is_streaming:
                        await stream_to_reader(handler, request, response, scope, receive, send)
                    else:
                        await response.send(scope, receive, send)
                else:
                    # As ``Response.send`` does it: one coroutine less.
                    if response.status in BODILESS:
                        response.body = b""
                    headers = response.final_headers()
                    await send({"type": "http.response.start", "status": response.status, "headers": headers})
                    body = b"" if scope["method"] == "HEAD" else response.body
                    await send({"type": "http.response.body", "body": body})
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

    async def _watched(self, request: Request, answer: Awaitable[Response]) -> Response | None:
        """Wait for the answer to a request, and give it up when its client leaves: then there is none."""
        watch, task = self.disconnects, asyncio.current_task()
        if task is None:
            return await answer
        watch.running[task] = request
        if watch.loop is not task.get_loop():
            watch.start(task.get_loop())
        try:
            response = await answer
        except asyncio.CancelledError:
            await request.abandon()
            if not watch.has_left(task):
                raise
            return None
        finally:
            del watch.running[task]
        if watch.watchers and await watch.stop(task):
            await response.close()
            await request.abandon()
            return None
        return response

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
