"""A WebSocket scope to its handler: host, middleware, route, origin, permissions, then the handler, then the close.

Whatever a handler raises becomes a close code, or an HTTP answer when the handshake is still open; what nobody expected
is logged once and closes with 1011.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from covet import access
from covet.conf import settings
from covet.http.hosts import is_allowed_host
from covet.problems import problem_for
from covet.types import Receive, Scope, Send
from covet.websocket.codes import (
    GOING_AWAY,
    INTERNAL_ERROR,
    NORMAL,
    SERVICE_RESTART,
    WebSocketDisconnect,
    WebSocketError,
)
from covet.websocket.connection import WebSocket
from covet.websocket.consumer import Consumer
from covet.websocket.guard import is_origin_allowed, permissions_of
from covet.websocket.part import RoutingPart

if TYPE_CHECKING:
    from covet.handlers.application import Application

__all__ = ["handle_websocket"]

logger = logging.getLogger("covet.websocket")

Hook: TypeAlias = Callable[[WebSocket], Awaitable[None]]


async def handle_websocket(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket connection from handshake to end.

    Args:
        application: The ASGI application; its HTTP handler's ``websocket_hooks`` are the middleware's
            ``process_websocket`` methods, run before the route is looked up.
        scope: The ASGI scope, of type ``websocket``.
        receive: ASGI's receive.
        send: ASGI's send.
    """
    apps = application.apps
    if not apps.has_part(RoutingPart):
        await WebSocket(scope, receive, send).deny(404, b"There is no WebSocket here.")
        return
    part = apps.part(RoutingPart)
    ws = WebSocket(scope, receive, send, max_message_bytes=part.rules.max_message_bytes)
    try:
        await _serve(ws, part, application.handler.websocket_hooks)
    except WebSocketDisconnect:
        pass
    except asyncio.CancelledError:
        # The server stops: say so to the client while the transport still lets us.
        with contextlib.suppress(Exception):
            await ws.close(SERVICE_RESTART, "shutting down")
        raise
    except Exception as error:
        if not _is_disconnect(error):
            await _fail(ws, error)
    finally:
        part.open.discard(ws)
    await _finish(ws)


async def _serve(ws: WebSocket, part: RoutingPart, hooks: Iterable[Hook]) -> None:
    rules = part.rules
    host = ws.headers.get("host", "")
    if not is_allowed_host(host, rules.allowed_hosts):
        await ws.deny(400, b"This server does not answer to that host name.")
        return
    found = part.resolve(ws.path, host)
    if found is None:
        await ws.deny(404, b"There is no WebSocket here.")
        return
    origin = ws.headers.get("origin")
    if rules.check_origin and not is_origin_allowed(origin, host, ws.scheme, rules.trusted_origins):
        logger.warning("WebSocket %s refused: its origin is neither this host nor in CSRF_TRUSTED_ORIGINS", ws.path)
        await ws.deny(403, b"WebSockets of that origin are not accepted here.")
        return
    ws.route, ws.path_params = found
    for hook in hooks:
        await hook(ws)
        if not ws.is_connecting:
            return
    handler = ws.route.view
    await access.check(permissions_of(handler), ws, write=False, name=ws.route.pattern)
    part.open.add(ws)
    if isinstance(handler, type) and issubclass(handler, Consumer):
        await handler(ws, **ws.path_params).serve()
        return
    served = part.bound.get(ws.route, handler)(ws, **ws.path_params)
    if not isinstance(served, Awaitable):
        raise TypeError(f"The WebSocket handler {ws.route.view_name} is no coroutine function. Write async def.")
    await served


async def _finish(ws: WebSocket) -> None:
    """A handler that returned without closing: refuse what it never accepted, close what it did."""
    with contextlib.suppress(WebSocketDisconnect):
        if ws.is_connecting:
            await ws.deny(403, b"The handshake was not accepted.")
        else:
            await ws.close(NORMAL)


def _is_disconnect(error: Exception) -> bool:
    """Whether the tasks of a handler ended because the client has gone: a group of nothing else."""
    return isinstance(error, ExceptionGroup) and error.split(WebSocketDisconnect)[1] is None


async def _fail(ws: WebSocket, error: Exception) -> None:
    problem = problem_for(error, settings.DEBUG)
    if problem.status >= 500:
        logger.error("WebSocket %s: %s", ws.path, error, exc_info=error)
    with contextlib.suppress(WebSocketDisconnect, WebSocketError):
        if ws.is_connecting:
            await ws.deny(problem.status, problem.to_bytes(), "application/problem+json")
        elif problem.status >= 500:
            await ws.close(GOING_AWAY if problem.status == 503 else INTERNAL_ERROR, problem.title)
        else:
            await ws.close(4000 + problem.status, problem.detail or problem.title)
