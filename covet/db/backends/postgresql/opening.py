"""BEGIN without a wait of its own: it is sent at once, and its answer is taken out of the stream when it comes.

A transaction then costs one round trip less, since the first statement leaves right behind BEGIN. asyncpg knows nothing of
that: for as long as the answer is outstanding the transport hands what it reads to ``Opening``, which drops the answer and
passes on all else. A cancellation that comes before the answer is held back until it is there: a request to cancel that met
BEGIN itself would leave the statement behind it outside of any transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

from covet.db.backends.uncancelled import HeldWait

__all__ = ["First", "Opening"]

# CommandComplete "BEGIN", ReadyForQuery "T": all that the server says in nearly every case (PostgreSQL docs, 55.7).
_ANSWER = b"C\x00\x00\x00\nBEGIN\x00Z\x00\x00\x00\x05T"
# NoticeResponse, ParameterStatus, NotificationResponse: they may come at any time and are asyncpg's business.
_ASIDE = b"NSA"
_HEAD = 5


class Opening(asyncio.Protocol):
    """Stands before asyncpg's protocol until the server has answered BEGIN.

    Args:
        transport: The connection's transport.
        protocol: asyncpg's protocol, which gets everything else.
        done: Called when the answer is there, or the connection gone.
    """

    def __init__(self, transport: Any, protocol: Any, done: Callable[[], None]) -> None:
        self._transport = transport
        self._protocol = protocol
        self._tell = done
        self._rest = b""
        self._held: asyncio.Future[Any] | None = None
        self.is_done = False

    def send(self, statement: bytes) -> None:
        """Send the statement that begins the transaction, and watch for its answer."""
        self._transport.set_protocol(self)
        self._transport.write(b"Q" + (len(statement) + _HEAD).to_bytes(4, "big") + statement + b"\x00")

    def cancel(self, future: asyncio.Future[Any]) -> None:
        """Cancel this future, but not before the answer is there."""
        if self.is_done:
            future.cancel()
        else:
            self._held = future

    def _finish(self) -> None:
        self.is_done = True
        self._transport.set_protocol(self._protocol)
        self._tell()
        if self._held is not None:
            self._held.cancel()

    def data_received(self, data: bytes) -> None:
        """Drop the answer to BEGIN and pass the rest on."""
        if data.startswith(_ANSWER) and not self._rest:
            self._finish()
            if len(data) > len(_ANSWER):
                self._protocol.data_received(data[len(_ANSWER) :])
            return
        data = self._rest + data
        while len(data) >= _HEAD and len(data) > (size := int.from_bytes(data[1:_HEAD], "big")):
            kind, message, data = data[:1], data[: size + 1], data[size + 1 :]
            if kind in _ASIDE:
                self._protocol.data_received(message)
            elif kind == b"Z":
                self._finish()
                if data:
                    self._protocol.data_received(data)
                return
            elif kind != b"C":
                # BEGIN failed: the server is going away, or something is very wrong. What follows would be misread.
                self._finish()
                self._transport.abort()
                return
        self._rest = data

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._protocol.eof_received()  # type: ignore[no-any-return]  # asyncpg's

    def connection_lost(self, error: Exception | None) -> None:
        """Pass it on; nobody answers any more."""
        self._finish()
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()


class First:
    """Awaits the first statement of a transaction: a cancellation reaches it once BEGIN is answered."""

    __slots__ = ("_opening", "_statement")

    def __init__(self, statement: Awaitable[Any], opening: Opening) -> None:
        self._statement = statement
        self._opening = opening

    def __await__(self) -> Generator[Any, None, Any]:
        steps = self._statement.__await__()
        try:
            pending = next(steps)
            if pending is None or self._opening.is_done:
                yield pending
            else:
                pending._asyncio_future_blocking = False
                try:
                    yield from HeldWait(pending, partial(self._opening.cancel, pending)).__await__()
                except BaseException as error:
                    yield steps.throw(error)
        except StopIteration as stop:
            return stop.value
        return (yield from steps)
