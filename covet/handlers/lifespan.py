"""ASGI's lifespan: opens every part before the first request, closes them within the grace time."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

from covet.apps.draining import draining
from covet.apps.lifecycle import started
from covet.conf import settings
from covet.handlers.stopping import Stopping
from covet.http.background import running
from covet.loading import is_frozen

if TYPE_CHECKING:
    from covet.handlers.application import Application
    from covet.types import Receive, Send

__all__ = ["handle_lifespan"]

logger = logging.getLogger("covet.server")


async def handle_lifespan(application: Application, receive: Receive, send: Send) -> None:
    """Serve the lifespan scope: start-up, wait, shut-down."""
    await receive()
    draining.end()
    stopping = Stopping(application)
    parts = started()
    try:
        await parts.__aenter__()
    except Exception as error:
        logger.exception("Start-up failed")
        await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        return
    thaws = gc.isenabled() and not is_frozen()
    try:
        stopping.listen()
        if gc.isenabled():  # else the project has a mind of its own
            # The program is loaded and stays until the process ends: no full collection is to look through it.
            gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        draining.begin()
    finally:
        await stopping.close()
        # While the parts are still open: what runs after an answer may need them.
        await running.drain(settings.SHUTDOWN_GRACE_S)
        failure = await _close(parts)
        draining.end()
        if thaws:
            # A process that goes on, such as a test run, would keep all garbage that was about at the start.
            gc.unfreeze()
    if failure:
        await send({"type": "lifespan.shutdown.failed", "message": failure})
    else:
        await send({"type": "lifespan.shutdown.complete"})


async def _close(parts: object) -> str:
    """Close the parts; return what went wrong. A part that hangs must not keep the process."""
    try:
        async with asyncio.timeout(settings.SHUTDOWN_GRACE_S):
            await parts.__aexit__(None, None, None)  # type: ignore[attr-defined]  # the context manager of started()
    except TimeoutError:
        logger.error("Shut-down took longer than SHUTDOWN_GRACE_S (%s s)", settings.SHUTDOWN_GRACE_S)
        return "Shut-down took longer than SHUTDOWN_GRACE_S."
    except Exception as error:
        logger.exception("Shut-down failed")
        return f"{type(error).__name__}: {error}"
    return ""
