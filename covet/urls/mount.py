"""An ASGI application below a path: ``path("legacy/", app)``. It gets what ASGI promises: its ``root_path``, the body, its lifespan.

The middleware of the project is round it for HTTP, so its answers carry the project's headers; CSRF is its own affair, as it
knows no token of ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from covet.concurrency import signature
from covet.http.request import Request
from covet.http.response import Response

if TYPE_CHECKING:
    from covet.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Lifespan", "Mount", "MountedResponse", "is_asgi_app"]

REST = "mounted_path"
LAST_WORDS_S = 1.0

logger = logging.getLogger("covet.urls")


def is_asgi_app(value: Any) -> bool:
    """Return whether a value is an ASGI 3 application rather than a view: it takes scope, receive and send."""
    if isinstance(value, type) or hasattr(value, "covet_endpoint") or not callable(value):
        return False
    try:
        names = list(signature(value).parameters)
    except (TypeError, ValueError):
        return False
    return names[:3] == ["scope", "receive", "send"]


class Mount:
    """The view of a mounted application.

    Args:
        app: The ASGI application.

    Attributes:
        state: What the application's lifespan has put into its state, which each of its requests gets.
    """

    csrf_exempt = True

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.__module__ = getattr(app, "__module__", type(app).__module__)
        self.__qualname__ = getattr(app, "__qualname__", type(app).__qualname__)

    async def covet_endpoint(self, request: Request, params: dict[str, Any]) -> Response:
        """Return the answer, which the application makes while it is sent."""
        return MountedResponse(self, request, params.get(REST, ""))

    async def websocket(self, scope: Scope, rest: str, receive: Receive, send: Send) -> None:
        """Let the application serve a WebSocket."""
        await self.app(_below(scope, rest, self.state), receive, send)


class MountedResponse(Response):
    """What a mounted application answers. Headers that middleware adds here are sent unless it sets the same ones.

    Args:
        mount: Where it is mounted.
        request: The request.
        rest: The part of the path below the mount.
    """

    __slots__ = ("mount", "request", "rest")
    is_streaming: ClassVar[bool] = True

    def __init__(self, mount: Mount, request: Request, rest: str) -> None:
        super().__init__()
        self.mount = mount
        self.request = request
        self.rest = rest

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        added = self.raw_headers

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and added:
                own = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
                present = {name for name, _ in own}
                kept = [pair for pair in added if pair[0] in _REPEATED or pair[0] not in present]
                message = {**message, "headers": own + kept}
            await send(message)

        below = _below(self.request.scope, self.rest, self.mount.state)
        await self.mount.app(below, _replayed(self.request, receive), with_headers)


_REPEATED = frozenset({b"set-cookie", b"vary"})


# What Starlette and FastAPI note for what is below them. An application of theirs inside the project, which is inside another
# one, would take the outer one's routes for its own.
_OF_AN_OUTER_APPLICATION = frozenset({"app", "app_root_path", "endpoint", "path_params", "route", "router"})


def _below(scope: Scope, rest: str, state: Mapping[str, Any]) -> Scope:
    """Return the scope for an application that is mounted where ``rest`` begins."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and not _is_below(path, root):
        # Servers of before ASGI 2.4 give the path without its root.
        path = root + path
    prefix = path[: len(path) - len(rest)] if rest else path
    # Its path keeps the root in front, as ASGI has it; a copy, so that what it notes there stays its own.
    kept = {key: value for key, value in scope.items() if key not in _OF_AN_OUTER_APPLICATION}
    if state or "state" in kept:
        # A copy for each request, as ASGI has it: what a request puts there is no other one's.
        kept["state"] = {**kept.get("state", {}), **state}
    return {**kept, "root_path": prefix.rstrip("/"), "path": path}


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _replayed(request: Request, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body even if middleware has read it already, then the server's messages."""
    source = request._receive
    is_over = False

    async def again() -> Message:
        nonlocal is_over
        if is_over:
            return await receive()
        if request._body is not None or source is None:
            is_over = True
            return {"type": "http.request", "body": request._body or b"", "more_body": False}
        if request._streamed:
            raise RuntimeError(
                "A middleware has read the form of this request, so that the mounted application cannot read its body."
            )
        message = await source()
        is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return again


class Lifespan:
    """The server's side of ASGI's lifespan, for an application that is run inside another.

    Args:
        app: The application; one without a lifespan is served all the same.

    Attributes:
        is_over: The application has no lifespan, or could not start.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.is_over = False

    async def startup(self) -> str | None:
        """Start; return what went wrong, or ``None``."""
        task = self._task = asyncio.ensure_future(self._run())
        await self._to_app.put({"type": "lifespan.startup"})
        try:
            answer = await self._from_app.get()
        except asyncio.CancelledError:
            task.cancel()
            raise
        self.is_over = answer["type"] != "lifespan.startup.complete"
        if answer["type"] == "lifespan.startup.failed":
            return str(answer.get("message") or "Start-up failed.")
        return None

    async def shutdown(self, grace_s: float = 10.0) -> None:
        """Stop; what goes wrong is logged, and an application that does not answer in time is cancelled."""
        task, self._task = self._task, None
        if task is None or self.is_over:
            # One without a lifespan, or that did not start, says nothing more.
            return
        await self._to_app.put({"type": "lifespan.shutdown"})
        try:
            answer = await asyncio.wait_for(self._from_app.get(), grace_s)
            if answer["type"] == "lifespan.shutdown.failed":
                logger.error("The shut-down of %r failed: %s", self.app, answer.get("message", ""))
            # An application that has said that it is done, and still goes on, must not keep the process.
            await asyncio.wait([task], timeout=LAST_WORDS_S)
        except TimeoutError:
            logger.error("%r did not shut down within %.0f s and is cancelled", self.app, grace_s)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._to_app.get, self._from_app.put)
        except Exception as error:  # ASGI: an application that raises here has no lifespan
            logger.debug("%r has no lifespan: %s", self.app, error)
        finally:
            await self._from_app.put({"type": "lifespan.ended"})
