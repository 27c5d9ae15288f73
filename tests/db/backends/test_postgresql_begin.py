"""BEGIN is sent without waiting for its answer: the answer never reaches asyncpg, however it arrives, and a cancellation
waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.postgresql.opening import Opening
from covet.db.database import Database
from covet.db.errors import ConnectionLost
from covet.db.observe import record_queries

ANSWER = b"C\x00\x00\x00\nBEGIN\x00Z\x00\x00\x00\x05T"
STATEMENT = b"2\x00\x00\x00\x04D\x00\x00\x00\x06\x00\x00"


class Wire:
    """A transport and a protocol that note what happens to them."""

    def __init__(self) -> None:
        self.protocol: Any = self
        self.read: list[bytes] = []
        self.events: list[str] = []

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.events.append(f"write {data!r}")

    def abort(self) -> None:
        self.events.append("abort")

    def data_received(self, data: bytes) -> None:
        self.read.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.events.append("lost")


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    Opening(wire, wire, lambda: wire.events.append("begun")).send(b"BEGIN")
    assert wire.events == ["write b'Q\\x00\\x00\\x00\\nBEGIN\\x00'"]
    return wire


@pytest.mark.parametrize("cut", range(1, len(ANSWER + STATEMENT)))
def test_the_answer_is_taken_out_wherever_it_is_cut(wire: Wire, cut: int) -> None:
    stream = ANSWER + STATEMENT
    wire.protocol.data_received(stream[:cut])
    wire.protocol.data_received(stream[cut:])
    assert wire.events[1:] == ["begun"]
    assert b"".join(wire.read) == STATEMENT
    assert wire.protocol is wire


def test_what_the_server_says_aside_is_passed_on(wire: Wire) -> None:
    aside = b"S\x00\x00\x00\x08a\x00b\x00"
    wire.protocol.data_received(aside + ANSWER + STATEMENT)
    assert b"".join(wire.read) == aside + STATEMENT


def test_a_begin_that_fails_ends_the_connection(wire: Wire) -> None:
    wire.protocol.data_received(b"E\x00\x00\x00\x05\x00Z\x00\x00\x00\x05I")
    assert wire.events[1:] == ["begun", "abort"]
    assert wire.read == []


def test_a_connection_that_is_lost_meanwhile_is_told(wire: Wire) -> None:
    wire.protocol.connection_lost(None)
    assert wire.events[1:] == ["begun", "lost"]


class Proxy:
    """Stands between client and server, and can hold back what the server says."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.connections = 0
        self.open = asyncio.Event()
        self.open.set()
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.watched = False
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        their_reader, their_writer = await asyncio.open_connection(*self.target)
        self.writers += [writer, their_writer]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, held: bool) -> None:
            while data := await source.read(65536):
                if held:
                    await self.open.wait()
                elif self.watched:
                    self.sent.put_nowait(data)
                sink.write(data)
            sink.close()

        await asyncio.gather(
            pump(reader, their_writer, held=False), pump(their_reader, writer, held=True), return_exceptions=True
        )

    async def wait_for(self, text: bytes) -> None:
        """Wait until the client has sent this."""
        seen = b""
        async with asyncio.timeout(20):
            while text not in seen:
                seen += await self.sent.get()


@pytest.fixture
async def through(scratch: Any) -> AsyncIterator[tuple[Database, Proxy]]:
    parts = urlsplit(await scratch("postgresql"))
    proxy = Proxy(parts.hostname or "", parts.port or 5432)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    database = Database("default", parse_database(f"{url}?sslmode=disable&pool.max_size=1"))
    await database.execute("CREATE TABLE begun (n integer)")
    await database.execute("INSERT INTO begun VALUES (1)")
    yield database, proxy
    proxy.open.set()
    await database.close()
    server.close()
    for writer in proxy.writers:
        writer.close()


async def test_the_first_statement_leaves_before_begin_is_answered(through: tuple[Database, Proxy]) -> None:
    database, proxy = through

    async def work() -> Any:
        async with transaction.atomic(database):
            await database.execute("UPDATE begun SET n = 2")
            return await database.fetch("SELECT n, now() = statement_timestamp() FROM begun")

    proxy.watched = True
    proxy.open.clear()
    task = asyncio.ensure_future(work())
    await proxy.wait_for(b"UPDATE begun")
    proxy.open.set()
    [row] = await task
    # The transaction began before this statement: both stood in one block.
    assert tuple(row) == (2, False)


async def test_a_cancellation_waits_for_the_answer_to_begin(through: tuple[Database, Proxy]) -> None:
    database, proxy = through

    async def work() -> None:
        async with transaction.atomic(database):
            await database.execute("UPDATE begun SET n = 3 WHERE pg_sleep(30) IS NOT NULL")

    proxy.watched = True
    proxy.open.clear()
    task = asyncio.ensure_future(work())
    await proxy.wait_for(b"pg_sleep")
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert proxy.connections == 1  # asking the server to cancel takes a connection of its own
    proxy.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    [row] = await database.fetch("SELECT n FROM begun")
    assert row[0] == 1


async def test_an_empty_block_and_one_that_only_streams_are_transactions_too(through: tuple[Database, Proxy]) -> None:
    database, _ = through
    async with transaction.atomic(database):
        pass
    async with transaction.atomic(database):
        rows = [row[0] async for chunk in database.stream("SELECT n FROM begun") for row in chunk]
    assert rows == [1]
    with record_queries():
        async with transaction.atomic(database):
            await database.execute_many("INSERT INTO begun VALUES ($1)", [(7,), (8,)])
            transaction.set_rollback(True, database)
    assert len(await database.fetch("SELECT n FROM begun")) == 1


async def test_a_server_that_hangs_up_instead_of_answering_is_a_lost_connection(
    through: tuple[Database, Proxy],
) -> None:
    database, proxy = through
    proxy.watched = True
    proxy.open.clear()

    async def work() -> None:
        async with transaction.atomic(database):
            await database.execute("UPDATE begun SET n = 4")

    task = asyncio.ensure_future(work())
    await proxy.wait_for(b"UPDATE begun")
    for writer in proxy.writers:
        writer.close()
    with pytest.raises(ConnectionLost):
        await task
