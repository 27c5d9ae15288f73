"""Ports for servers that take a number and no socket."""

from __future__ import annotations

import contextlib
import random
import socket

# Below the ones that the system hands out: a port that was free for ``bind(0)`` is soon some connection's own.
FREE = range(10_000, 32_000)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, and that no connection takes by chance before it is used."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(FREE)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
