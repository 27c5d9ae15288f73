"""A real server for an ASGI application: uvicorn on a free port of the loopback, in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn

from covet.test.live import quiet_server
from covet.types import ASGIApp

Serve = Callable[..., AbstractAsyncContextManager[tuple[str, uvicorn.Server]]]


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """Serve ``app``, with more options of uvicorn's; gives ``ws://127.0.0.1:port`` and the server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5, **options)
        server = quiet_server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.005)
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def serve() -> Serve:
    return serving
