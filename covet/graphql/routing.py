"""Where GraphQL subscriptions connect: wherever the project has mounted ``GraphQLView``, as a WebSocket."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from covet.apps.registry import apps
from covet.exceptions import ImproperlyConfigured
from covet.graphql.subscriptions import serve
from covet.graphql.view import GraphQLView, Handshake
from covet.http.errors import HTTPException
from covet.urls import path, re_path
from covet.urls.endpoint import compile_endpoint
from covet.urls.flatten import FlatRoute
from covet.urls.part import UrlsPart
from covet.urls.patterns import Included
from covet.websocket.connection import WebSocket

__all__ = ["websocket_urlpatterns"]


def _beside_http() -> Sequence[Any]:
    """Return a route for each place where GraphQL answers by HTTP: subscriptions are at the same address, of the same host."""
    flat = apps.current().part(UrlsPart).resolver.flat
    found: dict[tuple[Any, str], FlatRoute] = {}
    for one in flat:
        if isinstance(inspect.unwrap(one.route.view), GraphQLView):
            # Of two at one address the first answers, and so it is its guard that counts.
            found.setdefault((one.host, one.text), one)
    return [_socket(one) for one in found.values()]


def _socket(flat: FlatRoute) -> Any:
    # What an include makes of an expression is told by ``regex`` alone: the text is for people.
    view = flat.route.view
    handler = serve if isinstance(view, GraphQLView) else _behind(view)
    # A decorator may be told by further arguments of the route, or of an include, whom it lets in.
    route = path(flat.text, handler, flat.kwargs) if flat.regex is None else re_path(flat.regex, handler, flat.kwargs)
    if flat.host is None:
        return route
    return replace(flat.host, load=lambda: [route], app_name=None, namespace=None)


def _behind(view: Any) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return what serves a socket once the decorators round the view have let its handshake in, as a GET."""
    ask = compile_endpoint(view)

    async def guarded(ws: WebSocket, **params: Any) -> None:
        handshake = Handshake({**ws.scope, "type": "http", "method": "GET"})
        handshake.path_params, handshake.route, handshake._state = ws.path_params, ws.route, ws.state
        with suppress(ImproperlyConfigured):  # a decorator that asks for them says so itself
            handshake.session = ws.session
        with suppress(ImproperlyConfigured):
            handshake.user = ws.user
        answer = await ask(handshake, params)
        if handshake.is_let_in and answer.status < 300:
            await serve(ws, **params)
            return
        # No client follows a redirect of a handshake, such as the one to a log-in page.
        raise HTTPException(answer.status if answer.status >= 400 else 403)

    return guarded


# Asked when the tree of WebSocket routes is compiled, which is behind that of HTTP.
websocket_urlpatterns = [path("", Included(_beside_http, None, None))]
