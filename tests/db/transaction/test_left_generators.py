"""A block in an async generator that nobody reads to its end, and statements that are under way when their block is rolled back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import TransactionManagementError

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE item (n integer)")
    yield database


async def numbers(db: Database) -> list[int]:
    return [row[0] for row in await db.fetch("SELECT n FROM item ORDER BY n")]


async def rows(db: Database) -> AsyncGenerator[int, None]:
    async with transaction.atomic(db):
        await db.execute("INSERT INTO item VALUES (1)")
        yield 1
        yield 2


async def closed(db: Database) -> None:
    """Wait until the event loop has closed the generator that was left."""
    async with asyncio.timeout(60):
        while db.in_atomic_block:
            await asyncio.sleep(0.001)


async def test_who_leaves_a_generator_in_a_block_is_told_once_and_goes_on(db: Database) -> None:
    async for _ in rows(db):
        break
    await closed(db)

    with pytest.raises(TransactionManagementError, match=r"left before its end.*aclosing") as caught:
        await db.execute("INSERT INTO item VALUES (2)")
    assert str(caught.value).count("test_left_generators.py:") == 2
    await db.execute("INSERT INTO item VALUES (3)")
    async with transaction.atomic(db):
        await db.execute("INSERT INTO item VALUES (4)")
    assert await numbers(db) == [3, 4]


async def test_a_block_around_a_generator_that_was_left_goes_on(db: Database) -> None:
    async with transaction.atomic(db):
        outer = db.open_block
        async for _ in rows(db):
            break
        inner = db.open_block
        assert inner is not None and inner is not outer
        async with asyncio.timeout(60):
            while not inner.ended:
                await asyncio.sleep(0.001)
        with pytest.raises(TransactionManagementError, match="left before its end"):
            async with transaction.atomic(db):
                pass
        await db.execute("INSERT INTO item VALUES (2)")

    assert await numbers(db) == [2]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite's functions do not sleep
async def test_a_statement_that_ran_in_a_block_that_was_left_is_not_told_as_done(db: Database) -> None:
    sleep = "pg_sleep(0.2)" if db.vendor == "postgresql" else "SLEEP(0.2)"
    async for _ in rows(db):
        break

    with pytest.raises(TransactionManagementError, match="left before its end"):
        await db.execute(f"INSERT INTO item SELECT 2 FROM (SELECT {sleep}) AS slept")
    assert await numbers(db) == []


async def test_a_generator_that_is_closed_where_it_is_left_is_no_matter(db: Database) -> None:
    async with contextlib.aclosing(rows(db)) as found:
        async for _ in found:
            break

    await db.execute("INSERT INTO item VALUES (2)")
    assert await numbers(db) == [2]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite's functions do not sleep
async def test_a_statement_under_way_while_its_block_is_rolled_back_is_not_told_as_done(db: Database) -> None:
    sleep = "pg_sleep(0.3)" if db.vendor == "postgresql" else "SLEEP(0.3)"
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic(db):
            writes = asyncio.create_task(db.execute(f"INSERT INTO item SELECT 2 FROM (SELECT {sleep}) AS slept"))
            while not db.open_block.transaction.busy:  # type: ignore[union-attr]  # it is open
                await asyncio.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(TransactionManagementError, match=r"has ended \(it was rolled back after ZeroDivisionError\)"):
        await writes
    assert await numbers(db) == []
