"""Hears of a stop under servers that tell their applications last, and lets what is endless end.

uvicorn, hypercorn and granian wait for open connections first and end the lifespan afterwards: an event stream, which nobody
told to end, would hold them for ever. So the signal is listened to as well, in front of the server's own handler:

- readiness goes off; with SHUTDOWN_DELAY_S uvicorn and granian hear of the signal that much later,
- event streams end with a ``retry``, WebSockets close with 1012 (before granian hears of it, which would cut them),
- what still runs after SHUTDOWN_GRACE_S is cancelled.

The servers of ``covet.handlers.server`` do all of it by themselves, in their own order.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from covet.apps.draining import draining
from covet.apps.registry import Apps
from covet.conf import settings

if TYPE_CHECKING:
    from covet.handlers.application import Application

__all__ = ["CLOSE_FRAMES_S", "Stopping", "close_websockets"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# granian writes close frames some time after it was given them.
CLOSE_FRAMES_S = 0.25


class Stopping:
    """Listens to the signals of a server that is not ours, between start-up and shut-down.

    Args:
        application: The application whose requests and sockets are ended.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.loop = asyncio.get_running_loop()
        self._before: dict[int, Any] = {}
        self._heard = False
        self._ending: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Stand in front of the handlers that the server has installed; where there is none, nothing is done."""
        if draining.is_managed or threading.current_thread() is not threading.main_thread():
            return
        if not callable(signal.getsignal(signal.SIGTERM)):
            # No server waits for it: the signal ends the process, as it did before.
            return
        stop_granian = _granians_stop()
        if stop_granian is not None:
            for number in SIGNALS:
                self.loop.add_signal_handler(number, self._on_granians_signal, stop_granian)
            return
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler) and handler is not signal.default_int_handler:
                self._before[number] = handler
                signal.signal(number, self._on_signal)

    async def close(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)
        self._before = {}
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        before: Callable[[int, FrameType | None], Any] = self._before[number]
        if not self._heard and not self.loop.is_closed():
            self._heard = True
            self.loop.call_soon_threadsafe(self._begin, lambda: before(number, None))
        else:
            # Asked twice, or for the last time: the server may end as it likes, also when the loop is blocked.
            before(number, frame)

    def _on_granians_signal(self, stop: Callable[[], Any]) -> None:
        if self._heard:
            stop()
            return
        self._heard = True
        self._begin(stop, told_last=True)

    def _begin(self, tell: Callable[[], Any], *, told_last: bool = False) -> None:
        draining.begin()
        self._ending = self.loop.create_task(self._end(tell, told_last))

    async def _end(self, tell: Callable[[], Any], told_last: bool) -> None:
        await asyncio.sleep(settings.SHUTDOWN_DELAY_S)
        if told_last:
            if await close_websockets(self.application.apps):
                await asyncio.sleep(CLOSE_FRAMES_S)
            tell()
        else:
            tell()
            await close_websockets(self.application.apps)
        await asyncio.sleep(settings.SHUTDOWN_GRACE_S)
        for task in (*self.application.disconnects.running, *draining.streams):
            task.cancel()


def _granians_stop() -> Callable[[], Any] | None:
    """Return what granian's own handler of a signal calls, or None under another server.

    Its worker installs that handler on the event loop, which tells nobody what it holds, and runs our start-up out of the
    frame that keeps the event to set.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("granian.server"):
            event = frame.f_locals.get("shutdown_event")
            return getattr(event, "set", None)
        frame = frame.f_back
    return None


async def close_websockets(apps: Apps) -> bool:
    """Close every open WebSocket with 1012; return whether there was one."""
    from covet.websocket.part import RoutingPart

    if not apps.has_part(RoutingPart):
        return False
    routing = apps.part(RoutingPart)
    had_any = bool(routing.open)
    await routing.shutdown()
    return had_any
