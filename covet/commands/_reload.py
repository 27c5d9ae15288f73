"""The watching half of ``runserver``: a parent that holds the socket and starts the serving child again on changes.

The parent imports nothing of the project but its settings, so it never serves stale code. While the child stops and
starts, connections wait in the socket's queue instead of being refused.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from types import FrameType

from covet.management.output import note

__all__ = ["FIRST", "SOCKET", "interpreter_options", "is_watched", "program", "serve_and_watch"]

SOCKET = "COVET_RUNSERVER_SOCKET"
FIRST = "COVET_RUNSERVER_FIRST"
SUFFIXES = frozenset({".py", ".html", ".jinja", ".jinja2", ".toml", ".mo", ".po", ".env", ".graphql"})
# A view may write a file of this kind, so that only those that are templates count.
TEXTS = frozenset({".txt", ".xml"})
TEMPLATES = frozenset({"jinja", "jinja2", "templates"})
NAMES = frozenset({".env"})
IGNORED = frozenset(
    {"__pycache__", ".git", ".hg", ".venv", "venv", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
# watchfiles looks as often by itself. The first look is waited for, see below.
POLL_MS = 50
STOP_S = 15.0


def is_watched(path: str, apart: Iterable[Path] = ()) -> bool:
    """Tell whether a change of this file starts the server again.

    Args:
        path: The file.
        apart: Folders that the project itself writes to.
    """
    file = Path(path)
    if IGNORED & set(file.parts) or any(file.is_relative_to(folder) for folder in apart):
        return False
    if file.suffix in TEXTS:
        return bool(TEMPLATES & set(file.parts))
    return file.name in NAMES or file.suffix in SUFFIXES


def serve_and_watch(
    listening: socket.socket, address: str, folders: Iterable[Path], apart: Collection[Path] = ()
) -> int:
    """Run the server as a child until told to stop; start it again whenever a watched file changes.

    Args:
        listening: The socket, which children inherit.
        address: Where it listens.
        folders: What is watched.
        apart: Folders in them that are not, because the project itself writes to them.

    Returns:
        The child's exit code if the first one could not start; else 0.
    """
    import watchfiles

    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    child: subprocess.Popen[bytes] | None = None
    reloaded = False
    try:
        changes = watchfiles.watch(
            *folders,
            # Before there is a child, whatever happens ends the first look: a log may be written to all the time.
            watch_filter=lambda change, path: child is None or is_watched(path, apart),
            stop_event=stop,
            rust_timeout=POLL_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        # The generator begins to watch when it is first asked: before a child reads a file, so that no later change is missed.
        next(changes, None)
        child = _start(listening, address, first=True)
        for changed in changes:
            if stop.is_set():
                break
            if changed:
                note(f"{_name(path for _, path in changed)} changed, starting again…")
                _stop(child)
                child = _start(listening, address, first=False)
                reloaded = True
            elif child.poll() is not None and not reloaded:
                return child.returncode or 0
        return 0
    finally:
        if child is not None:
            _stop(child)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(listening: socket.socket, address: str, *, first: bool) -> subprocess.Popen[bytes]:
    number = listening.fileno()
    environ = {**os.environ, SOCKET: str(number), FIRST: "1" if first else "0"}
    # The same command line again, but for the address: port 0 has become a real one.
    command = [sys.executable, *interpreter_options(), *program(), "runserver", address]
    return subprocess.Popen(command, env=environ, pass_fds=(number,))  # noqa: S603 - our own command line


def program() -> list[str]:
    """Return how this command line was started, after the interpreter."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name in ("covet.__main__", "covet"):
        return ["-m", "covet"]
    return [sys.argv[0]]


def interpreter_options() -> list[str]:
    """Return the options of the interpreter that a child gets too."""
    return ["-X", "dev"] if sys.flags.dev_mode else []


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        # A handler that blocks the loop cannot be asked twice.
        child.kill()
        child.wait()


def _name(paths: Iterable[str]) -> str:
    names = sorted({Path(path).name for path in paths})
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
