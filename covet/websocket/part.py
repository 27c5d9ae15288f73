"""RoutingPart: every app's ``routing.py`` to one tree of WebSocket routes; closes what is open at shutdown."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from covet.apps.part import AppPart
from covet.checks.messages import CheckMessage, Error, Warning
from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import HTTPException
from covet.loading import import_module
from covet.urls.part import UrlsPart
from covet.urls.resolver import CompiledRoute, Resolver
from covet.websocket.codes import SERVICE_RESTART
from covet.websocket.connection import WebSocket

if TYPE_CHECKING:
    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps

__all__ = ["HandshakeRules", "RoutingPart", "further_arguments"]

CLOSE_TIMEOUT_S = 2.0
LIBRARIES = ("websockets", "wsproto")


class HandshakeRules(Struct, frozen=True):
    """What settings say about handshakes, read once."""

    allowed_hosts: tuple[str, ...] = ()
    trusted_origins: tuple[str, ...] = ()
    check_origin: bool = True
    max_message_bytes: int = 1024 * 1024


def further_arguments(handler: Any, path_names: Collection[str]) -> list[str]:
    """Return what a handler takes beside its socket and what the path gives.

    Something without annotation that has a default is the handler's own affair, such as what a loop binds; so is what a partial
    has been given.
    """
    given = handler.keywords if isinstance(handler, functools.partial) else ()
    parameters = list(signature(handler).parameters.values())[1:]
    return [
        one.name
        for one in parameters
        if one.name not in path_names
        and one.name not in given
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and (one.annotation is not one.empty or one.default is one.empty)
    ]


def _unfilled(route: CompiledRoute) -> Iterable[CheckMessage]:
    """Report arguments that nobody fills."""
    if isinstance(route.view, type):
        return
    names = further_arguments(route.view, (*route.names, *route.kwargs, *route.host_names))
    if names:
        yield Error(
            f"The WebSocket handler {route.view_name} takes {', '.join(map(repr, names))}, which its path {route.pattern!r} does "
            "not give.",
            hint="Add 'covet.rest' to INSTALLED_APPS, which fills typed arguments, or read ws.query, ws.headers, ws.cookies.",
            obj=route.view_name,
            id="websocket.E001",
        )


def _patterns_of(module: Any, name: str) -> Sequence[Any]:
    patterns: Any = getattr(module, "websocket_urlpatterns", ())
    if not isinstance(patterns, (list, tuple)):
        raise ImproperlyConfigured(f"{name}.websocket_urlpatterns is a list of path(…), not {patterns!r}.")
    return patterns


class RoutingPart(AppPart):
    """Collects ``websocket_urlpatterns`` from each app's ``routing`` module, and from the module of ROOT_URLCONF.

    A project of one file is no app: its WebSocket routes stand beside its ``urlpatterns``.

    Attributes:
        bound: What serves the routes whose handlers take more than their socket and what the path gives; ``covet.rest`` fills
            these arguments.
    """

    after: ClassVar[tuple[type[AppPart] | str, ...]] = (UrlsPart,)
    module: ClassVar[str | None] = "routing"
    tags: ClassVar[tuple[str, ...]] = ("websocket",)
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "ALLOWED_HOSTS",
            "CSRF_TRUSTED_ORIGINS",
            "DEBUG",
            "ROOT_URLCONF",
            "WEBSOCKET_CHECK_ORIGIN",
            "WEBSOCKET_MAX_MESSAGE_SIZE",
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self.rules = HandshakeRules()
        self.resolver = Resolver()
        self.open: set[WebSocket] = set()
        self.bound: Mapping[CompiledRoute, Callable[..., Awaitable[None]]] = {}
        self._patterns: list[Any] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Take the app's routes."""
        self._patterns.extend(_patterns_of(module, f"{app.name}.routing"))

    def ready(self, apps: Apps) -> None:
        """Compile the tree and read the settings of handshakes."""
        from covet.conf import settings

        root: Any = settings.ROOT_URLCONF
        name = root if isinstance(root, str) else "ROOT_URLCONF"
        beside = _patterns_of(
            import_module(root, wanted_by="ROOT_URLCONF") if root and isinstance(root, str) else root, name
        )
        # One that imports what an app's routing module has brings nothing new.
        own = [one for one in beside if not any(one is known for known in self._patterns)]
        # Routes that an app makes of what it has otherwise (GraphQL's, beside its HTTP ones) are made of this registry's.
        with apps.use():
            self.resolver = Resolver([*self._patterns, *own])
        hosts = tuple(settings.ALLOWED_HOSTS)
        self.rules = HandshakeRules(
            allowed_hosts=hosts or ((".localhost", "127.0.0.1", "[::1]") if settings.DEBUG else ()),
            trusted_origins=tuple(settings.CSRF_TRUSTED_ORIGINS),
            check_origin=settings.WEBSOCKET_CHECK_ORIGIN,
            max_message_bytes=settings.WEBSOCKET_MAX_MESSAGE_SIZE,
        )

    def check(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report routes of one pattern, of which the first alone is reached, arguments that nobody fills, and a server without WebSocket."""
        if self.resolver.routes and not any(importlib.util.find_spec(name) for name in LIBRARIES):
            yield Warning(
                "There are WebSocket routes, and no library with which uvicorn could serve them.",
                hint="pip install 'covet[websocket]'",
                id="websocket.W003",
            )
        seen: set[tuple[str | None, str]] = set()
        for route in self.resolver.routes:
            # One of every host is in the way of all that follow; those of two hosts are not in each other's.
            if seen & {(None, route.pattern), (route.host, route.pattern)}:
                yield Warning(
                    f"The WebSocket route {route.pattern!r} is defined twice; only the first is reached.",
                    hint="Give one of them another path.",
                    id="websocket.W001",
                )
            seen.add((route.host, route.pattern))
            if route not in self.bound:
                yield from _unfilled(route)

    def check_deploy(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report a handshake that pages of other sites may make."""
        if not self.rules.check_origin:
            yield Warning(
                "WEBSOCKET_CHECK_ORIGIN is off: a page of any site can open a WebSocket with its visitor's cookies.",
                hint="Turn it on and list other origins of yours in CSRF_TRUSTED_ORIGINS.",
                id="websocket.W002",
            )

    async def shutdown(self) -> None:
        """Close every open socket with 1012, so that clients come back to another process."""
        sockets, self.open = self.open, set()
        closing = [asyncio.wait_for(ws.close(SERVICE_RESTART, "shutting down"), CLOSE_TIMEOUT_S) for ws in sockets]
        await asyncio.gather(*closing, return_exceptions=True)

    def resolve(self, path: str, host: str = "") -> tuple[CompiledRoute, dict[str, Any]] | None:
        """Return the route of a path and its parameters, or None; ``host`` is asked where routes stand in ``host()``."""
        try:
            if not self.resolver.hosts:
                return self.resolver.resolve("GET", path)
            below, named = self.resolver.at(host)
            route, params = below.resolve("GET", path)
            return route, {**{name: named[name] for name in route.host_names}, **params}
        except HTTPException:
            return None
