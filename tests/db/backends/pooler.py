"""A pooler in transaction mode, as PgBouncer is one: each transaction goes to the other of two server connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

__all__ = ["Pooler", "pooler"]


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return one message of the protocol, its kind and length included."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


class _Client:
    """One client and its two sessions."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.servers: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.turn = 0
        # Answers that are owed, whether a transaction is open, and whether the client is in the middle of a request.
        self.owed = 0
        self.is_idle = True
        self.is_asking = False

    async def pump(self, reader: asyncio.StreamReader) -> None:
        """Pass on what a server says."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                said = await _message(reader)
                if said[:1] == b"Z":
                    self.owed -= 1
                    self.is_idle = said[5:6] == b"I"
                self.writer.write(said)


class Pooler:
    """Serves clients; PostgreSQL must trust this machine, since it is logged in to as the client says.

    Attributes:
        switches: How often a client was handed to its other session.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.switches = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it leaves."""
        client = _Client(writer)
        pumps: list[asyncio.Task[None]] = []
        try:
            if await self._log_in(client, reader):
                pumps = [asyncio.create_task(client.pump(server[0])) for server in client.servers]
                while (asked := await _message(reader))[:1] != b"X":
                    await self._pass_on(client, asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for _, server in client.servers:
                server.close()
            await asyncio.gather(*pumps)
            writer.close()

    async def _log_in(self, client: _Client, reader: asyncio.StreamReader) -> bool:
        size = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(size, "big") - 4)
        if body[:4] == b"\x04\xd2\x16\x2f":  # SSLRequest: there is none
            client.writer.write(b"N")
            return await self._log_in(client, reader)
        if body[:4] == b"\x04\xd2\x16\x2e":  # CancelRequest
            return False
        for number in range(2):
            server = await asyncio.open_connection(*self._target)
            client.servers.append(server)
            server[1].write(size + body)
            said = b""
            while said[:1] not in (b"Z", b"E"):
                said = await _message(server[0])
                if number == 0:
                    client.writer.write(said)
        return True

    async def _pass_on(self, client: _Client, asked: bytes) -> None:
        if client.owed == 0 and client.is_idle and not client.is_asking:
            client.turn = 1 - client.turn
            self.switches += 1
        client.is_asking = asked[:1] not in (b"Q", b"S")
        client.owed += not client.is_asking
        client.servers[client.turn][1].write(asked)


@contextlib.asynccontextmanager
async def pooler(host: str, port: int) -> AsyncIterator[tuple[Pooler, int]]:
    """A running pooler and its port."""
    found = Pooler(host, port)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    try:
        yield found, server.sockets[0].getsockname()[1]
    finally:
        server.close()
