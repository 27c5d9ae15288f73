"""A real server for tests: uvicorn on a free port of the loopback, on the test run's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.types import ASGIApp

__all__ = ["LiveServer", "serve"]

PROTOCOL = "covet.handlers.protocol:CovetProtocol"


class LiveServer:
    """Where the server listens: ``live_server.url`` is ``http://127.0.0.1:port``, ``ws_url`` the same for WebSockets."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"

    def __str__(self) -> str:
        return self.url


@asynccontextmanager
async def serve(application: ASGIApp, *, protocol: str = PROTOCOL, **options: Any) -> AsyncIterator[LiveServer]:
    """Serve an application inside the block, on the running loop.

    Args:
        application: Its lifespan is left alone: the test run has opened the parts already.
        protocol: uvicorn's ``http`` option: Covet's protocol class, or ``"h11"`` and ``"httptools"`` for plain ASGI.
        options: Further options of ``uvicorn.Config``.
    """
    import uvicorn

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=protocol,
        **{
            "lifespan": "off",
            "log_config": None,
            "ws": "websockets-sansio",
            "timeout_graceful_shutdown": 2,
            "proxy_headers": False,
            **options,
        },
    )
    server = quiet_server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            if running.done():
                running.result()
                raise RuntimeError("The live server ended before it had started.")
            await asyncio.sleep(0)
        yield LiveServer(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running
        listener.close()


def quiet_server(config: Any) -> Any:
    """Return uvicorn's server for a test: it leaves the process's signal handlers to pytest, and ends as soon as it can.

    uvicorn's own looks ten times a second whether it is to end, and then gives whoever may still be connected a tenth of a
    second, which is longer than most tests take.

    Args:
        config: uvicorn's ``Config``.
    """
    import contextlib

    import uvicorn

    class Server(uvicorn.Server):
        def __init__(self) -> None:
            self._told = asyncio.Event()
            super().__init__(config)

        @property
        def should_exit(self) -> bool:
            return self._told.is_set()

        @should_exit.setter
        def should_exit(self, value: bool) -> None:
            (self._told.set if value else self._told.clear)()

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

        async def main_loop(self) -> None:
            ticks = 0
            while not await self.on_tick(ticks):
                ticks += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), 0.1)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for server in self.servers:
                server.close()
            if self.force_exit or not await self._is_alone():
                await super().shutdown(sockets)
                return
            # What uvicorn does when its waits are over.
            await self.lifespan.shutdown()

        async def _is_alone(self) -> bool:
            """Whether nobody is connected, and nothing runs: a client that has just closed its connection is gone in a moment."""
            state = self.server_state
            for _ in range(20):
                if not state.connections and not state.tasks:
                    return True
                await asyncio.sleep(0.001)
            return False

    return Server()
