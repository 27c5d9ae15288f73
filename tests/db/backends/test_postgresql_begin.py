"""BEGIN leaves in front of the first statement, whatever that is, and never without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import uvloop

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.postgresql.opening import BEGIN, Opening
from covet.db.database import Database
from covet.db.errors import ConnectionLost, DatabaseError, DataError
from covet.db.observe import record_queries


class Wire:
    """A transport that notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def writelines(self, lines: list[bytes]) -> None:
        self.written.append(b"".join(lines))


class ClosedWire:
    """A transport whose methods cannot be put aside, as uvloop's."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def write(self) -> Any:
        return self._wire.write


@pytest.mark.parametrize("way", ["write", "writelines"])
def test_begin_leaves_in_one_packet_with_what_comes_first_and_with_nothing_else(way: str) -> None:
    wire = Wire()
    opening = Opening(wire)
    opening.begin()
    assert (wire.written, opening.waits) == ([], True)
    wire.write(memoryview(b"first")) if way == "write" else wire.writelines([memoryview(b"fi"), b"rst"])
    assert (wire.written, opening.waits) == ([BEGIN + b"first"], False)
    wire.write(b"second")
    wire.writelines([b"third"])
    assert wire.written[1:] == [b"second", b"third"]
    assert not opening.drop()


def test_a_begin_that_has_not_left_can_be_dropped() -> None:
    wire = Wire()
    opening = Opening(wire)
    opening.begin()
    assert opening.drop()
    assert not opening.drop()
    wire.write(b"first")
    assert wire.written == [b"first"]


def test_a_transport_that_cannot_be_watched_gets_begin_at_once() -> None:
    wire = Wire()
    opening = Opening(ClosedWire(wire))
    opening.begin()
    assert (wire.written, opening.waits, opening.is_unseen) == ([BEGIN], False, True)
    assert not opening.drop()
    assert not opening.is_unseen


class Proxy:
    """Stands between client and server, and can hold back what the server says, or the statement with a given text."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.connections = 0
        self.open = asyncio.Event()
        self.open.set()
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.watched = False
        self.held_back = b""
        self.may_pass = asyncio.Event()
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
                    if self.held_back and self.held_back in data:
                        await self.may_pass.wait()
                sink.write(data)
            sink.close()

        await asyncio.gather(
            pump(reader, their_writer, held=False), pump(their_reader, writer, held=True), return_exceptions=True
        )

    async def wait_for(self, text: bytes) -> None:
        """Wait until the client has sent this."""
        seen = b""
        async with asyncio.timeout(60):
            while text not in seen:
                seen += await self.sent.get()


@pytest.fixture
async def through(scratch: Any) -> AsyncIterator[tuple[Database, Proxy]]:
    parts = urlsplit(await scratch("postgresql"))
    proxy = Proxy(parts.hostname or "", parts.port or 5432)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    database = Database("default", parse_database(f"{url}?sslmode=disable&pool_max_size=1"))
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


async def test_a_cancellation_of_the_first_statement_leaves_nothing_behind(through: tuple[Database, Proxy]) -> None:
    database, proxy = through

    async def work() -> None:
        async with transaction.atomic(database):
            await database.execute("UPDATE begun SET n = 3 WHERE pg_sleep(600) IS NOT NULL")

    proxy.watched = True
    task = asyncio.ensure_future(work())
    await proxy.wait_for(b"pg_sleep")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [row] = await database.fetch("SELECT n FROM begun")
    assert tuple(row) == (1,)
    [connection] = database.writer_pool.kept
    assert not connection.in_transaction


@pytest.mark.parametrize("in_block", [False, True])
async def test_a_cancellation_that_overtakes_its_statement_is_sent_again(
    through: tuple[Database, Proxy], in_block: bool
) -> None:
    database, proxy = through
    sql = "UPDATE begun SET n = 4 WHERE pg_sleep(600) IS NOT NULL"

    async def work() -> None:
        if in_block:
            async with transaction.atomic(database):
                await database.execute(sql)
        else:
            await database.execute(sql)

    proxy.watched, proxy.held_back = True, b"pg_sleep"
    task = asyncio.ensure_future(work())
    await proxy.wait_for(b"pg_sleep")
    task.cancel()
    # The request to cancel, which has this number in it, comes to a session that is idle.
    await proxy.wait_for((80877102).to_bytes(4, "big"))
    for _ in range(10):
        await asyncio.sleep(0)
    proxy.may_pass.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The session goes on with what follows: the server has confirmed the end, and nobody had to cut the connection.
    await proxy.wait_for(b"ROLLBACK" if in_block else b"pg_advisory_unlock_all")
    [row] = await database.fetch("SELECT n FROM begun")
    assert tuple(row) == (1,)


async def test_an_empty_block_sends_nothing(through: tuple[Database, Proxy]) -> None:
    database, proxy = through
    proxy.watched = True
    async with transaction.atomic(database):
        pass
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic(database):
            raise ZeroDivisionError
    await database.fetch("SELECT 7")
    seen = b""
    while b"SELECT 7" not in seen:
        seen += await proxy.sent.get()
    assert b"BEGIN" not in seen


LOOPS: dict[str, Callable[[Any], Any]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}
FIRST: dict[str, Callable[[Database], Awaitable[Any]]] = {
    "fetch": lambda database: database.fetch("UPDATE begun SET n = n + 1 WHERE n < $1 RETURNING n", (9,)),
    "execute": lambda database: database.execute("UPDATE begun SET n = n + 1 WHERE n < $1", (9,)),
    "a simple query": lambda database: database.execute("UPDATE begun SET n = n + 1"),
    "several": lambda database: database.execute("UPDATE begun SET n = n + 1; SELECT 1"),
    "many": lambda database: database.execute_many("UPDATE begun SET n = n + $1", [(1,), (0,)]),
    "outcome": lambda database: database.outcome("UPDATE begun SET n = n + 1", ()),
    "read": lambda database: database.read("UPDATE begun SET n = n + 1 RETURNING n"),
    "a savepoint": lambda database: savepoint(database),
}


async def savepoint(database: Database) -> None:
    async with transaction.atomic(database):
        await database.execute("UPDATE begun SET n = n + 1")


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("loop", LOOPS)
async def test_whatever_comes_first_is_in_the_transaction(first: str, loop: str, scratch: Any) -> None:
    url = f"{await scratch('postgresql')}?pool_max_size=1"

    async def value(database: Database) -> int:
        [row] = await database.fetch("SELECT n FROM begun")
        return row[0]  # type: ignore[no-any-return]  # an integer column

    async def check() -> None:
        database = Database("default", parse_database(url))
        await database.execute("CREATE TABLE begun (n integer)")
        await database.execute("INSERT INTO begun VALUES (1)")
        for _ in range(2):  # unprepared, and prepared
            before = await value(database)
            async with transaction.atomic(database):
                await FIRST[first](database)
                transaction.set_rollback(True, database)
            assert await value(database) == before
            async with transaction.atomic(database):
                await FIRST[first](database)
            assert await value(database) == before + 1
        await database.execute("DROP TABLE begun")
        await database.close()

    await asyncio.to_thread(LOOPS[loop], check())


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_first_statement_that_never_left_leaves_no_transaction(loop: str, scratch: Any) -> None:
    url = f"{await scratch('postgresql')}?pool_max_size=1"

    async def check() -> None:
        database = Database("default", parse_database(url))
        for _ in range(2):
            await database.fetch("SELECT $1::integer", (1,))
            with pytest.raises(DataError):
                async with transaction.atomic(database):
                    await database.fetch("SELECT $1::integer", ("x",))
            await database.fetch("SELECT 1")
            [connection] = database.writer_pool.kept
            assert not connection.in_transaction
        with pytest.raises(DatabaseError, match="no_such"):
            async with transaction.atomic(database):
                await database.execute("SELECT no_such")
        await database.fetch("SELECT 1")
        assert not connection.in_transaction
        await database.close()

    await asyncio.to_thread(LOOPS[loop], check())


async def test_a_block_that_only_streams_is_a_transaction_too(through: tuple[Database, Proxy]) -> None:
    database, _ = through
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
