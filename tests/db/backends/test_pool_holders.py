"""What ``PoolTimeout`` says in development: who holds the connections, and where."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import re
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from covet.conf import override
from covet.conf.service_url import PoolConfig, parse_database
from covet.db import transaction
from covet.db.database import Database
from covet.db.errors import PoolTimeout
from tests.db._patience import waiting_at_most

_SLOW = {
    "postgresql": "SELECT pg_sleep(20)",
    "mysql": "SELECT SLEEP(20)",
}


@pytest.fixture
async def small(scratch: Any, vendor: str) -> AsyncIterator[Database]:
    """A database of two connections."""
    config = parse_database(await scratch(vendor))
    db = Database("small", replace(config, pool=PoolConfig(max_size=2)))
    yield db
    await db.close()


def alone(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Start a task that stands in no block of the test's."""
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


async def refused(db: Database) -> str:
    async def ask() -> None:
        async with transaction.atomic(db):
            pass

    with waiting_at_most(db, 0.2), pytest.raises(PoolTimeout) as caught:
        await alone(ask(), "asker")
    return str(caught.value)


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.row("connections.pool")
async def test_a_full_pool_names_the_blocks_that_hold_it(small: Database, vendor: str) -> None:
    count = 1 if vendor == "sqlite" else 2
    inside = asyncio.Semaphore(0)

    async def hold() -> None:
        async with transaction.atomic(small):
            inside.release()
            await asyncio.Event().wait()

    line = inspect.getsourcelines(hold)[1] + 1
    tasks = [alone(hold(), f"holder-{number}") for number in range(count)]
    for _ in tasks:
        await inside.acquire()

    with override(DEBUG=True):
        message = await refused(small)
    with override(DEBUG=False):
        quiet = await refused(small)
    await end(*tasks)

    for task in tasks:
        here = re.escape(__file__)
        words = rf"task '{task.get_name()}' in the atomic block opened at {here}:{line}, now at {here}:{line + 2}"
        assert re.search(words, message), message
    assert "DATABASES['small']" in message
    assert "holder" not in quiet and "Held now" not in quiet
    async with transaction.atomic(small):
        pass


@pytest.mark.row("connections.pool")
async def test_a_full_pool_names_streams_that_nobody_reads_to_the_end(small: Database) -> None:
    inside = asyncio.Semaphore(0)

    async def read() -> None:
        async for _ in small.stream("SELECT 1 UNION ALL SELECT 2", (), 1):
            inside.release()
            await asyncio.Event().wait()

    tasks = [alone(read(), f"reader-{number}") for number in range(2)]
    for _ in tasks:
        await inside.acquire()
    with override(DEBUG=True), waiting_at_most(small, 0.2), pytest.raises(PoolTimeout) as caught:
        await alone(small.fetch("SELECT 3"), "asker")
    await end(*tasks)

    for task in tasks:
        assert f"task '{task.get_name()}' streams rows at {__file__}:" in str(caught.value)
    assert [tuple(row) for row in await small.fetch("SELECT 3")] == [(3,)]


@pytest.mark.row("connections.pool")
@pytest.mark.vendors("postgresql", "mysql")
async def test_a_full_pool_names_statements_that_run_long(small: Database, vendor: str) -> None:
    async def ask() -> None:
        await small.fetch(_SLOW[vendor])

    line = inspect.getsourcelines(ask)[1] + 1
    tasks = [alone(ask(), f"sleeper-{number}") for number in range(2)]
    async with asyncio.timeout(60):
        while small._writer is None or small._writer.in_use < 2:
            await asyncio.sleep(0.01)
    with override(DEBUG=True):
        message = await refused(small)
    await end(*tasks)

    for task in tasks:
        assert f"task '{task.get_name()}' runs a statement, now at {__file__}:{line}" in message, message


async def test_a_block_whose_task_has_ended_is_named_as_such(small: Database, vendor: str) -> None:
    blocks = []

    async def leave_open() -> None:
        block = transaction.atomic(small)
        await block.__aenter__()
        blocks.append((block, contextvars.copy_context()))

    for number in range(1 if vendor == "sqlite" else 2):
        await alone(leave_open(), f"gone-{number}")
    with override(DEBUG=True):
        message = await refused(small)
    for block, context in blocks:
        await asyncio.get_running_loop().create_task(block.__aexit__(None, None, None), context=context)

    assert "task 'gone-0' in the atomic block" in message and "and has ended" in message
