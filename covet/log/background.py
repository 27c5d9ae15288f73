"""A handler that lets another one write in a thread, so that a slow disk or a reader that stands still holds no request up."""

from __future__ import annotations

import copy
import logging
import os
import threading
from collections import deque

__all__ = ["BackgroundHandler", "put_into_background"]

_LIMIT = 10_000
_FLUSH_S = 5.0


class BackgroundHandler(logging.Handler):
    """Hands records to another handler in a thread of its own, in order.

    What the record says is worked out at once, with the context of whoever logs; only the writing is left for later. Records that
    find ``limit`` others waiting are dropped, and the next line that is written tells how many.

    Args:
        target: What writes.
        limit: How many may wait.
    """

    def __init__(self, target: logging.Handler, limit: int = _LIMIT) -> None:
        super().__init__(target.level)
        self.target = target
        self.formatter = target.formatter
        self.filters = target.filters
        self.name = target.name
        self.limit = limit
        self.lost = 0
        self._waiting: deque[logging.LogRecord] = deque()
        self._changed = threading.Condition()
        self._is_writing = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record for the thread."""
        kept = copy.copy(record)
        # Arguments may change before they are written.
        kept.msg, kept.args = record.getMessage(), None
        with self._changed:
            if len(self._waiting) >= self.limit:
                self.lost += 1
                return
            if self._is_closed:
                self._open_again()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="covet log", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter ends, and starts no more of them.
                    self._write(kept)
                    return
                self._thread = thread
            self._waiting.append(kept)
            self._changed.notify_all()

    def _open_again(self) -> None:
        """Go on after a close: a library that calls ``dictConfig`` closes the handlers of everybody, also of loggers it leaves alone."""
        self._is_closed, self._thread = False, None
        # Known to logging once more, which then has it written to the end when the interpreter stops.
        logging._addHandlerRef(self)  # type: ignore[attr-defined]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                record, lost = self._waiting.popleft(), self.lost
                self.lost, self._is_writing = 0, True
            if lost:
                self._write(_lost(record, lost))
            self._write(record)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _write(self, record: logging.LogRecord) -> None:
        self.target.acquire()
        try:
            self.target.emit(record)
        except Exception:
            self.target.handleError(record)
        finally:
            self.target.release()

    def flush(self) -> None:
        """Wait until all is written, a few seconds at most; the interpreter asks for this when it ends."""
        with self._changed:
            if self._thread is not None and threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: not self._waiting and not self._is_writing, _FLUSH_S)
        self.target.flush()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_FLUSH_S)
        self.target.close()
        super().close()

    def after_fork(self) -> None:
        """Begin anew in a child process, which has no thread; what waited is written by the parent."""
        self._waiting.clear()
        self._changed = threading.Condition()
        self._thread, self._is_writing, self.lost = None, False, 0


def _lost(like: logging.LogRecord, count: int) -> logging.LogRecord:
    return logging.LogRecord(
        "covet.server", logging.WARNING, like.pathname, like.lineno, f"{count} log records were lost: they came faster than they are written", (), None
    )  # fmt: skip


_IN_USE: list[BackgroundHandler] = []


def _after_fork() -> None:
    for handler in _IN_USE:
        handler.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def put_into_background(names: frozenset[str], loggers: list[logging.Logger]) -> None:
    """Let handlers of these names write in threads, wherever these loggers have them.

    Args:
        names: Names of the dictConfig that has just been applied.
        loggers: The loggers that it names, the root among them.
    """
    _IN_USE.clear()
    made: dict[int, BackgroundHandler] = {}
    for logger in loggers:
        for place, handler in enumerate(logger.handlers):
            if handler.name in names and not isinstance(handler, BackgroundHandler):
                if id(handler) not in made:
                    made[id(handler)] = BackgroundHandler(handler)
                logger.handlers[place] = made[id(handler)]
    _IN_USE.extend(made.values())
