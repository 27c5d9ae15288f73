"""Client and server on a core each: otherwise their ratio hangs on where the operating system happens to put them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil


@contextmanager
def apart(url: str) -> Iterator[None]:
    """Keep this process on the last core, and the server behind ``url``, with what it starts meanwhile, on the first one.

    A server that is not found (on another machine, or of somebody else) stays where it is, and so does this process where
    there is one core only.
    """
    cores = sorted(os.sched_getaffinity(0))
    server = _listener(urlsplit(url).port)
    if server is None or len(cores) == 1:
        print(f"  {urlsplit(url).scheme}: not held apart from its client")
        yield
        return
    try:
        _hold(server, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        yield
    finally:
        os.sched_setaffinity(0, cores)
        _hold(server, set(cores))


def _listener(port: int | None) -> psutil.Process | None:
    """The process that listens on a port; of several (a server and its children) the first one."""
    pids = sorted(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
    )
    return psutil.Process(pids[0]) if pids else None


def _hold(server: psutil.Process, cores: set[int]) -> None:
    """Put a server's processes and threads on these cores; those that they start later inherit it."""
    for process in (server, *server.children(recursive=True)):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)
