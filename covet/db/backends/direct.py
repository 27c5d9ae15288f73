"""A future that wakes its task where the answer is read, in place of by another turn of the event loop.

asyncio's own futures put what waits for them into the loop's queue: two handles, and one more look at all sockets, before a task
goes on. For a small statement that is a third of the client's work. An answer is read in a callback of the loop, where no task
runs; so what waits for it can go on right there, as soon as the driver has put its own books in order.
"""

from __future__ import annotations

import asyncio
from asyncio import selector_events
from functools import partial
from typing import Any

from covet.accel import Gate as Wakes
from covet.accel import Prompt, Waiter

__all__ = ["Gate", "Prompt", "Waiter", "loop_for"]

# The one transport whose insides ``Gate.write`` knows; on other loops, and under TLS, drivers write as ever.
_PLAIN = getattr(selector_events, "_SelectorSocketTransport", None)
# What it reads there, and sets a ``write`` in. None of it is promised: a Python where one is missing has drivers write as ever.
_INSIDES = ("_sock", "_buffer", "_conn_lost", "__dict__")


class Gate(Wakes, asyncio.Protocol):
    """Stands before a driver's protocol, and lets those that wait for an answer go on once the driver has taken it in.

    Attributes:
        loop: The event loop.
    """

    def stand_before(self, protocol: Any, transport: Any) -> None:
        """Take what the transport reads, in the protocol's place."""
        self.pass_to(protocol.data_received)
        for name in ("eof_received", "connection_lost", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(protocol, name))
        transport.set_protocol(self)
        if type(transport) is _PLAIN and all(hasattr(transport, name) for name in _INSIDES):
            # Nearly all statements fit: what asyncio looks at before and after is a thirtieth of a row by its key.
            self.write_by(transport)
            transport.write = self.write


class _Loop:
    """An event loop, but for the futures that it makes."""

    def __init__(self, gate: Gate, waiter: type[Waiter]) -> None:
        self._loop = gate.loop
        self.create_future = partial(waiter, gate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def loop_for(gate: Gate, waiter: type[Waiter] = Waiter) -> Any:
    """Return the gate's loop for a driver that is to make its futures by it: they wake their tasks through the gate."""
    return _Loop(gate, waiter)
