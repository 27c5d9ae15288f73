"""The parent of ``serve --workers``: starts processes on one socket, replaces those that die, stops them all.

A worker holds one end of a pipe that the parent never writes to: when the parent is gone, killed even, the pipe ends and
the worker drains and stops. Imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from msgspec import Struct, field

from covet.commands._reload import interpreter_options, program
from covet.management.output import note, out

__all__ = ["READY", "SOCKET", "Worker", "supervise", "watch_parent"]

SOCKET = "COVET_SERVE_SOCKET"
PARENT = "COVET_SERVE_PARENT"
READY = "COVET_SERVE_READY"

POLL_S = 0.05
START_S = 60.0
# A worker that dies sooner than this is started again no faster than once in that time.
CALM_S = 2.0


class Worker(Struct, frozen=True):
    """How a worker is started: the socket that it serves, and the arguments of ``serve``."""

    listening: socket.socket
    arguments: Sequence[str]

    def start(self, parent: int, ready: int) -> subprocess.Popen[bytes]:
        """Start one; ``parent`` and ``ready`` are its ends of the two pipes."""
        number = self.listening.fileno()
        environ = {**os.environ, SOCKET: str(number), PARENT: str(parent), READY: str(ready)}
        command = [sys.executable, *interpreter_options(), *program(), "serve", *self.arguments]
        # A group of its own, so that Ctrl-C reaches the parent alone, which then stops its workers in order.
        return subprocess.Popen(command, env=environ, pass_fds=(number, parent, ready), process_group=0)  # noqa: S603


def watch_parent() -> None:
    """In a worker: stop when the parent is gone."""
    pipe = int(os.environ[PARENT])

    def wait() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="covet-parent", daemon=True).start()


class _Supervisor(Struct):
    worker: Worker
    count: int
    grace_s: float
    started: str
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    leaving: list[tuple[subprocess.Popen[bytes], float]] = field(default_factory=list)
    ready: set[int] = field(default_factory=set)
    stopping: bool = False
    replacing: bool = False
    pipes: tuple[int, int] = (0, 0)
    _text: bytes = b""

    def run(self) -> int:
        own_end, parent = _reversed(os.pipe())
        heard, ready = os.pipe()
        os.set_blocking(heard, False)
        self.pipes = (parent, ready)
        try:
            return self._run(heard)
        finally:
            self._stop_all()
            for descriptor in (own_end, parent, heard, ready):
                os.close(descriptor)

    def _run(self, heard: int) -> int:
        self.running = [self._start() for _ in range(self.count)]
        deadline = time.monotonic() + START_S
        while not self.stopping and not all(each.pid in self.ready for each in self.running):
            self._listen(heard)
            if any(each.poll() is not None for each in self.running):
                return 1
            if time.monotonic() > deadline:
                note(f"The workers did not start within {START_S:.0f} s.")
                return 1
            time.sleep(POLL_S)
        if not self.stopping:
            out.done(self.started)
        last_start = time.monotonic()
        while not self.stopping:
            time.sleep(POLL_S)
            self._listen(heard)
            self._reap()
            if self.replacing:
                self.replacing = False
                self._replace(heard)
            for place, each in enumerate(self.running):
                if each.poll() is None or self.stopping:
                    continue
                now = time.monotonic()
                if now - last_start < CALM_S:
                    break
                note(f"Worker {each.pid} ended with {each.returncode}; starting another one.")
                self.running[place] = self._start()
                last_start = now
        return 0

    def _start(self) -> subprocess.Popen[bytes]:
        return self.worker.start(*self.pipes)

    def _listen(self, heard: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._text += os.read(heard, 4096)
        *lines, self._text = self._text.split(b"\n")
        self.ready.update(int(line) for line in lines)

    def _replace(self, heard: int) -> None:
        """Replace every worker by a new one that serves already, one after another."""
        note("Replacing the workers…")
        for place, old in enumerate(self.running):
            new = self._start()
            deadline = time.monotonic() + START_S
            while new.pid not in self.ready and not self.stopping:
                if new.poll() is not None or time.monotonic() > deadline:
                    note("A new worker did not start; the old ones stay.")
                    self.leaving.append((new, time.monotonic()))
                    return
                time.sleep(POLL_S)
                self._listen(heard)
            self.running[place] = new
            old.terminate()
            self.leaving.append((old, time.monotonic() + self.grace_s))
        note("Replaced.")

    def _reap(self) -> None:
        now = time.monotonic()
        for each, deadline in self.leaving:
            if each.poll() is None and now > deadline:
                each.kill()
        self.leaving = [(each, deadline) for each, deadline in self.leaving if each.poll() is None]

    def _stop_all(self) -> None:
        everyone = [*self.running, *(each for each, _ in self.leaving)]
        for each in everyone:
            if each.poll() is None:
                each.terminate()
        deadline = time.monotonic() + self.grace_s
        for each in everyone:
            try:
                each.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def supervise(worker: Worker, count: int, *, grace_s: float, started: str) -> int:
    """Keep so many workers running until told to stop.

    Args:
        worker: How one is started.
        count: How many.
        grace_s: How long a worker may take to stop before it is killed.
        started: The line to print once all serve.

    Returns:
        1 if they could not start, else 0.
    """
    supervisor = _Supervisor(worker, count, grace_s, started)
    with _signals(supervisor):
        return supervisor.run()


@contextlib.contextmanager
def _signals(supervisor: _Supervisor) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.stopping = True

    def replace(number: int, frame: FrameType | None) -> None:
        supervisor.replacing = True

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: replace}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reversed(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[1], pair[0]
