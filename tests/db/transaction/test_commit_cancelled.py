"""COMMIT and ROLLBACK run to their end, and still cannot hang for ever."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.backends.uncancelled import uncancelled
from covet.db.errors import DatabaseError

if TYPE_CHECKING:
    from covet.db.database import Database


async def test_what_is_uncancelled_ends_first_and_then_the_cancellation_goes_on() -> None:
    gate = asyncio.Event()
    ended: list[str] = []

    async def commit() -> str:
        await gate.wait()
        await asyncio.sleep(0)
        ended.append("commit")
        return "done"

    task = asyncio.create_task(uncancelled(commit(), lambda: None))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["commit"]


async def test_its_result_and_its_error_come_through() -> None:
    async def good() -> int:
        await asyncio.sleep(0.001)
        return 7

    async def bad() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    assert await uncancelled(good(), lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        await uncancelled(bad(), lambda: None)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def rollback() -> None:
        await never

    with pytest.raises(ConnectionError):
        await uncancelled(rollback(), lambda: never.set_exception(ConnectionError()), limit_s=0.05)


@pytest.mark.vendors("postgresql")  # needs a commit that takes long: a deferred trigger of PostgreSQL
async def test_a_commit_that_is_cancelled_half_way_is_still_a_commit(database: Database) -> None:
    await database.execute("CREATE TABLE things (id integer)")
    await database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$"
    )
    await database.execute(
        "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    ran: list[str] = []

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit, transaction.atomic():
            await database.execute("INSERT INTO things VALUES (1)")
            transaction.on_commit(lambda: ran.append("hook"))
            # From here on nothing but the commit is waited for.
            limit.reschedule(asyncio.get_running_loop().time() + 0.05)

    assert len(await database.fetch("SELECT id FROM things")) == 1
    assert ran == ["hook"]
    async with transaction.atomic():
        assert len(await database.fetch("SELECT id FROM things")) == 1


async def test_a_hundred_cancellations_at_any_moment_leave_whole_transactions(database: Database) -> None:
    """Two rows each, or none; and the pool is as it was."""
    await database.execute("CREATE TABLE things (id integer, half integer)")
    mark = database.dialect.placeholder
    sql = f"INSERT INTO things VALUES ({mark(1)}, {mark(2)})"

    async def work(number: int) -> None:
        async with transaction.atomic():
            await database.execute(sql, (number, 1))
            async with transaction.atomic():
                await database.execute(sql, (number, 2))

    await work(0)
    for number in range(1, 100):
        task = asyncio.create_task(work(number))
        for _ in range(number % 33):
            await asyncio.sleep(0)
        if number % 3:
            await asyncio.sleep(0.0003 * (number % 7))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DatabaseError):
            await task

    counts = [row[1] for row in await database.fetch("SELECT id, COUNT(*) FROM things GROUP BY id")]
    assert set(counts) == {2}
    await work(1000)
    pool = database._writer
    assert pool is not None
    async with asyncio.timeout(60):
        while pool.in_use:
            await asyncio.sleep(0.01)
    assert pool.size <= pool.max_size
