"""A nested block that waits for its sibling in a way that leaves no trace: the wait ends in an error, work does not."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest

from covet.db import connections, transaction
from covet.db.database import Database
from covet.db.errors import TransactionError
from tests.db._patience import waiting_at_most

pytestmark = pytest.mark.row("transactions.atomic")

SLOW = {
    "postgresql": "SELECT pg_sleep(0.9)",
    "mysql": "SELECT SLEEP(0.9)",
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 4000000) SELECT count(*) FROM c",
}


@pytest.fixture
async def impatient(database: Database) -> AsyncIterator[Database]:
    """A database whose waits end after 0.3 s, with its connections open."""
    opened = Database("default", database.config)
    with connections.using({"default": opened}):
        async with transaction.atomic():
            await opened.fetch("SELECT 1")
        await opened.fetch("SELECT 1")
        with waiting_at_most(opened, 0.3):
            yield opened
    await opened.close()


async def test_a_block_that_waits_for_an_event_of_its_sibling_is_named(impatient: Database) -> None:
    done = asyncio.Event()

    async def sibling() -> None:
        try:
            await impatient.fetch("SELECT 1")
        finally:
            done.set()

    async with transaction.atomic():
        around = contextvars.copy_context()
        async with transaction.atomic():
            task = asyncio.create_task(sibling(), context=around)
            await done.wait()
        with pytest.raises(
            TransactionError, match=r"waits for the nested atomic block opened at .*test_endless\.py"
        ) as caught:
            await task

    assert "for an event, a queue or a lock" in str(caught.value)
    assert str(caught.value).count("test_endless.py") == 2


async def test_a_block_that_works_may_take_its_time(impatient: Database) -> None:
    async with transaction.atomic():
        around = contextvars.copy_context()
        async with transaction.atomic():
            task = asyncio.create_task(one(impatient), context=around)
            await impatient.fetch(SLOW[impatient.vendor])
        assert await task == 1


async def one(database: Database) -> int:
    return int((await database.fetch("SELECT 1"))[0][0])
