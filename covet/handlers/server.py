"""The servers that ``runserver`` and ``serve`` run: uvicorn with Covet's protocol class, or granian; both drain first.

Told to stop, a server first says so (``/readyz`` answers 503, event streams end with a ``retry``), goes on for
SHUTDOWN_DELAY_S, then takes no more connections, gives requests in flight SHUTDOWN_GRACE_S, closes WebSockets with 1012, cancels
what is left and closes the parts. Whatever still hangs then, such as a view that blocks the loop, is ended by the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from covet.apps.draining import draining
from covet.apps.registry import apps
from covet.conf import settings
from covet.exceptions import MissingDependency
from covet.handlers.application import application_of
from covet.handlers.rsgi import RsgiApplication
from covet.handlers.stopping import CLOSE_FRAMES_S, close_websockets
from covet.types import ASGIApp
from covet.urls.mount import Lifespan

__all__ = ["PROTOCOL", "Server", "serve_granian", "serve_uvicorn", "takes_rsgi"]

PROTOCOL = "covet.handlers.protocol:CovetProtocol"
# Added to all grace times before the process ends itself.
MARGIN_S = 5.0
# granian configures logging anew when it is made, which would close the handlers of the project.
GRANIAN_LOGGING = {
    "incremental": True,
    "formatters": {},
    "handlers": {},
    "loggers": {"granian.access": {"level": "INFO"}},
}

logger = logging.getLogger("covet.server")


class Server(uvicorn.Server):
    """uvicorn's server, which drains before it stops.

    Args:
        config: uvicorn's.
        on_started: Called once it listens.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self.on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell it."""
        draining.is_managed = True
        await super().startup(sockets)
        if self.started and self.on_started is not None:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop."""
        draining.begin()
        await self._delay()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal, and see that it has an end even when a view blocks the loop."""
        if not self.should_exit:
            watch_end()
        super().handle_exit(sig, frame)

    async def _delay(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + settings.SHUTDOWN_DELAY_S
        # Polled, as a signal handler sets force_exit.
        while loop.time() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and come back from it: uvicorn would let the signal end the process afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def total_grace_s() -> float:
    """Return how long a stop may take at most: the delay, requests, parts, and a margin."""
    return settings.SHUTDOWN_DELAY_S + 2 * settings.SHUTDOWN_GRACE_S + MARGIN_S


def watch_end() -> None:
    """End the process once it takes longer to stop than all grace times together."""

    def give_up() -> None:
        logger.critical("The server did not stop within %.0f s and is ended", limit_s)
        os._exit(1)

    limit_s = total_grace_s()
    timer = threading.Timer(limit_s, give_up)
    timer.daemon = True
    timer.start()


def serve_uvicorn(
    app: ASGIApp,
    listening: socket.socket,
    *,
    access_log: bool = False,
    on_started: Callable[[], None] | None = None,
) -> int:
    """Serve on a socket until told to stop.

    Args:
        app: The application.
        listening: The socket.
        access_log: Log each request.
        on_started: Called once it listens.

    Returns:
        An exit code: 1 when it could not start.
    """
    if access_log:
        lines = logging.getLogger("uvicorn.access")
        if lines.level == logging.NOTSET:  # LOGGING says nothing of it, and the root's level would hold them back
            lines.setLevel(logging.INFO)
    has_protocol = importlib.util.find_spec("httptools") is not None
    config = uvicorn.Config(
        app,
        http=PROTOCOL if has_protocol else "auto",
        lifespan="on",
        log_config=None,  # logging is set up already, by the project's settings
        access_log=access_log,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.SHUTDOWN_GRACE_S)),
    )
    server = Server(config, on_started)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def serve_granian(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    access_log: bool = False,
    on_started: Callable[[], None] | None = None,
) -> int:
    """Serve by granian until told to stop; several processes may share the port.

    Returns:
        An exit code: 1 when it could not start.

    Raises:
        MissingDependency: granian is not installed.
    """
    try:
        from granian.constants import Interfaces
        from granian.server.embed import Server as GranianServer
    except ImportError as error:
        raise MissingDependency("granian", extra="granian", feature="serve --server granian") from error

    # It greets, and calls what we use experimental, on each start.
    logging.getLogger("_granian").setLevel(logging.ERROR)
    native = takes_rsgi(app)
    server = GranianServer(
        RsgiApplication(app) if native else app,
        address=host,
        port=port,
        interface=Interfaces.RSGI if native else Interfaces.ASGINL,
        websockets=True,
        log_enabled=False,
        log_dictconfig=GRANIAN_LOGGING,
        log_access=access_log,
    )
    return _run(_serve_granian(app, server, host, port, on_started))


def takes_rsgi(app: ASGIApp) -> bool:
    """Return whether granian serves an application by RSGI, which knows no subprotocols and close codes of WebSockets."""
    from covet.websocket.part import RoutingPart

    application = application_of(app)
    if application is None:
        return False
    if application.handler.resolver.mounts:
        # Whether a mounted application has WebSockets is not to be seen from here.
        return False
    return not (application.apps.has_part(RoutingPart) and application.apps.part(RoutingPart).resolver.routes)


def _run(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)  # type: ignore[no-any-return]
    return uvloop.run(main)  # type: ignore[no-any-return]


async def _serve_granian(app: ASGIApp, server: Any, host: str, port: int, on_started: Callable[[], None] | None) -> int:
    """Run granian between our own start-up and shut-down: its own would not wait for requests in flight."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            watch_end()
        loop.call_soon_threadsafe(stop.set)

    for number in HANDLED_SIGNALS:
        signal.signal(number, end)
    draining.is_managed = True
    lifespan = Lifespan(app)
    failure = await lifespan.startup()
    if failure is not None or lifespan.is_over:
        # As with uvicorn: an application that does not hand the lifespan on would serve with no part opened.
        logger.error("Start-up failed: %s", failure or "the application takes no lifespan")
        return 1
    serving = asyncio.ensure_future(server.serve())
    try:
        if on_started is not None and await _listens(host, port, serving):
            on_started()
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            return 1
        draining.begin()
        await asyncio.sleep(settings.SHUTDOWN_DELAY_S)
        if await close_websockets(apps.current()):
            # A stop would come before them.
            await asyncio.sleep(CLOSE_FRAMES_S)
        server.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, max(1.0, settings.SHUTDOWN_GRACE_S))
    finally:
        # Our own lifespan keeps to SHUTDOWN_GRACE_S by itself; this is for a wrapper that does not hand it on.
        await lifespan.shutdown(total_grace_s())
    return 0


async def _listens(host: str, port: int, serving: asyncio.Future[Any]) -> bool:
    """Wait until the port takes connections, which granian does not tell; ``False`` when the server has ended."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return True
    return False
