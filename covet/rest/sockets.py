"""Typed arguments of WebSocket handlers: filled from the handshake as those of endpoints are from a request, dependencies too.

A handler that takes its socket and what stands in the path is called as it is; only one with further arguments comes here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from covet.rest import overrides
from covet.rest.bind import Binding, compile_binding
from covet.rest.signature import describe, read_signature
from covet.websocket.connection import WebSocket
from covet.websocket.part import further_arguments

if TYPE_CHECKING:
    from covet.urls.resolver import CompiledRoute

__all__ = ["bind_sockets"]

Serve = Callable[..., Awaitable[None]]


def bind_sockets(routes: Iterable[CompiledRoute]) -> dict[CompiledRoute, Serve]:
    """Return what serves the routes whose handlers take more than their socket and what the path gives.

    Args:
        routes: The WebSocket routes.

    Raises:
        ImproperlyConfigured: An argument cannot be filled from a handshake.
    """
    return {
        route: _bound(route.view, _path_names(route))
        for route in routes
        if not inspect.isclass(route.view) and further_arguments(route.view, _path_names(route))
    }


def _path_names(route: CompiledRoute) -> frozenset[str]:
    return frozenset((*route.names, *route.kwargs, *route.host_names))


def _bound(handler: Callable[..., Any], path_names: Collection[str]) -> Serve:
    def compiled() -> Binding:
        signature = read_signature(
            handler, method="GET", path_names=path_names, replaced=dict(overrides.OVERRIDES), connection=WebSocket
        )
        return compile_binding(signature, name=describe(handler), negotiates=False)

    usual = compiled()

    async def serve(ws: WebSocket, **params: Any) -> None:
        binding = compiled() if overrides.OVERRIDES else usual  # tests alone replace dependencies
        if not binding.is_stacked:
            await binding.call(ws, params, [])
            return
        async with AsyncExitStack() as stack:
            await binding.call(ws, params, [], stack)

    return serve
