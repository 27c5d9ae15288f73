"""Futures that wake their tasks where an answer is read, in plain Python; what they are for stands in ``covet.db.backends.direct``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Gate", "Prompt", "Waiter"]

_PENDING, _CANCELLED, _FINISHED = "PENDING", "CANCELLED", "FINISHED"


class Waiter:
    """What asyncio asks of a future, and drivers.

    Args:
        gate: Tells whether what waits may go on at once, and does it when the driver is done.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callbacks",
        "_cancel_message",
        "_exception",
        "_gate",
        "_result",
        "_state",
        "_traceback",
    )

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._state = _PENDING
        self._callbacks: list[tuple[Callable[[Any], object], Context | None]] = []
        self._asyncio_future_blocking = False
        self._exception: BaseException | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.lower()}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that it belongs to."""
        return self._gate.loop

    def done(self) -> bool:
        """Whether there is a result, an error or a cancellation."""
        return self._state is not _PENDING

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state is _CANCELLED

    def result(self) -> Any:
        """Return the result, or raise the error.

        Raises:
            CancelledError: It was cancelled.
            InvalidStateError: There is none yet.
        """
        if self._state is _FINISHED and self._exception is None:
            return self._result
        if self._state is _FINISHED and self._exception is not None:
            raise self._exception.with_traceback(self._traceback)
        raise self._missing()

    def exception(self) -> BaseException | None:
        """Return the error, if there is one; raises as ``result``."""
        if self._state is _FINISHED:
            return self._exception
        raise self._missing()

    def _missing(self) -> BaseException:
        if self._state is not _CANCELLED:
            return asyncio.InvalidStateError("Result is not ready.")
        return asyncio.CancelledError(*(() if self._cancel_message is None else (self._cancel_message,)))

    def set_result(self, result: Any) -> None:
        """Note the result and let what waits for it go on."""
        if self._state is not _PENDING:
            raise asyncio.InvalidStateError(f"{self._state}: {self!r}")
        self._result = result
        self._state = _FINISHED
        self._wake()

    def set_exception(self, error: BaseException | type[BaseException]) -> None:
        """Note the error and let what waits for it go on."""
        if self._state is not _PENDING:
            raise asyncio.InvalidStateError(f"{self._state}: {self!r}")
        self._exception = error() if isinstance(error, type) else error
        self._traceback = self._exception.__traceback__
        self._state = _FINISHED
        self._wake()

    def _wake(self) -> None:
        if self._gate.is_open:
            self._gate.ready.append(self)
        else:
            self._schedule()

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it, if it is not done; a task asks for it, so what waits goes on in the loop's next turn."""
        if self._state is not _PENDING:
            return False
        gate = self._gate
        if gate.tell is not None:
            gate.held = self
            gate.tell()
            return False
        self._cancel_message = msg
        self._state = _CANCELLED
        self._schedule()
        return True

    def add_done_callback(self, function: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Call a function with this future when it is done."""
        if self._state is _PENDING:
            self._callbacks.append((function, context))
        else:
            self._gate.loop.call_soon(function, self, context=context)

    def remove_done_callback(self, function: Callable[[Any], object]) -> int:
        """Forget a function; return how often it was there."""
        kept = [pair for pair in self._callbacks if pair[0] != function]
        count = len(self._callbacks) - len(kept)
        self._callbacks = kept
        return count

    def _schedule(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for function, context in callbacks:
            self._gate.loop.call_soon(function, self, context=context)

    def run(self) -> None:
        """Call what waits; only where no task runs."""
        callbacks, self._callbacks = self._callbacks, []
        for function, context in callbacks:
            if context is None:
                function(self)
            else:
                context.run(function, self)

    def __await__(self) -> Generator[Any, None, Any]:
        while self._state is _PENDING:
            if self._asyncio_future_blocking:
                raise RuntimeError("await wasn't used with future")
            self._asyncio_future_blocking = True
            yield self
        if self._exception is None and self._state is _FINISHED:
            return self._result
        return self.result()

    __iter__ = __await__


class Prompt(Waiter):
    """A waiter whose answer is the last thing that a callback of the loop has to do: no task runs there, so it need not wait for more.

    So it is with what another thread tells by ``call_soon_threadsafe``.
    """

    __slots__ = ()

    def set_result(self, result: Any) -> None:
        """Note the result; what waits for it goes on before this returns."""
        if self._state is not _PENDING:
            raise asyncio.InvalidStateError(f"{self._state}: {self!r}")
        self._result = result
        self._state = _FINISHED
        self.run()

    def _wake(self) -> None:
        self.run()


class Gate:
    """Hands what was read to a driver, and lets those that wait for an answer go on once the driver has taken it in.

    Attributes:
        loop: The event loop.
        is_open: The driver is at work on what was read.
        ready: Those that have their answer by now.
        tell: Who hears of a cancellation that is held back.
        held: The waiter that it came to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_open = False
        self.ready: list[Waiter] = []
        self.tell: Callable[[], object] | None = None
        self.held: Waiter | None = None
        self._receive: Callable[[Any], object] | None = None
        self._transport: Any = None

    def pass_to(self, receive: Callable[[Any], object]) -> None:
        """Take what ``data_received`` gives to the driver, by this function of the driver's."""
        self._receive = receive

    def write_by(self, transport: Any) -> None:
        """Let ``write`` stand before the one of an asyncio transport."""
        self._transport = transport
        self._write = transport.write
        self._send = transport._sock.send

    def write(self, data: Any) -> None:
        """Give the socket what it takes at once; a rest, a failure, or a connection that is lost is the transport's own business.

        Raises:
            RuntimeError: The gate stands before no transport.
        """
        transport = self._transport
        if transport is None:
            raise RuntimeError("the gate stands before nothing")
        if transport._buffer or transport._conn_lost:
            self._write(data)
            return
        try:
            sent = self._send(data)
        except OSError:
            # Nothing has left: there it waits, or fails again and the connection with it.
            self._write(data)
            return
        if sent != len(data):
            self._write(data[sent:])

    def hold(self, tell: Callable[[], object]) -> None:
        """From now on cancel none of the waiters: a cancellation is told of, and its task gets it when the answer is there."""
        self.tell = tell

    def let_go(self) -> Waiter | None:
        """End that, and return the waiter to which a cancellation came."""
        held, self.held, self.tell = self.held, None, None
        return held

    def data_received(self, data: bytes) -> None:
        """Hand it to the driver; what waited for it goes on when that has returned."""
        self.is_open = True
        try:
            if self._receive is not None:
                self._receive(data)
        finally:
            self.is_open = False
            if self.ready:
                ready, self.ready = self.ready, []
                for waiter in ready:
                    waiter.run()
