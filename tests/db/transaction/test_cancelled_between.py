"""What comes between two statements of ours, a cancellation or a lost server: no turn, connection or error is lost by it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from covet.conf.service_url import PoolConfig, parse_database
from covet.db import transaction
from covet.db.backends.driver import Connection
from covet.db.backends.session import Transaction
from covet.db.database import Database
from covet.db.errors import UniqueViolation

if TYPE_CHECKING:
    from covet.db.errors import DatabaseError


@pytest.fixture
async def db(vendor: str, scratch: Any) -> AsyncIterator[Database]:
    """A database whose pool has one connection, so that one which is lost is missed."""
    config = parse_database(await scratch(vendor))
    opened = Database("single", replace(config, pool=PoolConfig(max_size=1, timeout_s=30)))
    await opened.execute("CREATE TABLE item (id integer PRIMARY KEY, n integer)")
    await opened.execute("INSERT INTO item VALUES (1, 1), (2, 2), (3, 3)")
    yield opened
    await opened.close()


@pytest.mark.vendors("mysql")
async def test_a_server_that_goes_while_columns_are_looked_up_does_not_hide_the_violation(db: Database) -> None:
    complete = db.driver.complete

    async def cut_first(error: DatabaseError, connection: Connection) -> None:
        connection.terminate()
        await complete(error, connection)

    db.driver.complete = cut_first  # type: ignore[method-assign]

    with pytest.raises(UniqueViolation):
        await db.execute("INSERT INTO item VALUES (1, 1)")
    assert await db.fetch("SELECT n FROM item WHERE id = 3") == [(3,)]


async def test_a_stream_that_waits_for_its_turn_to_close_passes_the_turn_on_when_cancelled(db: Database) -> None:
    """Another task of the block has its statement out, and the turn comes in the very moment of the cancellation."""
    async with transaction.atomic(db):
        running = db.current_block().transaction  # type: ignore[attr-defined]  # a frame
        await running.wait_until_idle()
        waits = asyncio.create_task(running.wait_until_idle())
        await asyncio.sleep(0)
        running.end_turn()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits

        has_turn, running.busy = running.busy, False
    assert not has_turn


async def test_a_cancelled_wait_for_the_turn_to_close_leaves_the_queue(db: Database) -> None:
    async with transaction.atomic(db):
        running = db.current_block().transaction  # type: ignore[attr-defined]  # a frame
        await running.wait_until_idle()
        waits = asyncio.create_task(running.wait_until_idle())
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert not running._queue
        running.end_turn()


@pytest.mark.vendors("postgresql", "sqlite")
@pytest.mark.parametrize("reads_all", [False, True])
async def test_a_table_can_be_changed_once_a_stream_in_the_same_block_is_over(db: Database, reads_all: bool) -> None:
    async with transaction.atomic(db):
        stream = db.stream("SELECT n FROM item ORDER BY id", (), 2)
        read = [row[0] for row in await anext(stream)]
        if reads_all:
            read += [row[0] async for chunk in stream for row in chunk]
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

        await db.execute("DROP TABLE item")

    assert read == ([1, 2, 3] if reads_all else [1, 2])


async def test_a_read_only_block_that_is_cancelled_at_its_end_gives_its_connection_back() -> None:
    """Of a database in memory there is one connection, which the block has switched to reading."""
    db = Database("single", parse_database("sqlite://:memory:"))
    try:
        await db.execute("CREATE TABLE item (id integer)")

        async def read() -> None:
            async with transaction.atomic(db, read_only=True):
                await db.fetch("SELECT * FROM item")
                task = asyncio.current_task()
                assert task is not None
                task.cancel()

        reader = asyncio.create_task(read(), context=contextvars.Context())
        with pytest.raises(asyncio.CancelledError):
            await reader

        async with asyncio.timeout(30):
            await db.execute("INSERT INTO item VALUES (1)")
        assert await db.fetch("SELECT id FROM item") == [(1,)]
    finally:
        await db.close()


async def test_who_waits_to_roll_back_and_is_cancelled_as_the_transaction_ends_is_cancelled(database: Database) -> None:
    await database.execute("CREATE TABLE things (id integer)")
    pool = database.writer_pool
    one = Transaction(await pool.acquire(), pool, database)
    one.busy = True
    waiting = asyncio.ensure_future(one.wait_until_idle())
    await asyncio.sleep(0)
    waiting.cancel()
    one.wake_all()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pool.release(one.connection)
