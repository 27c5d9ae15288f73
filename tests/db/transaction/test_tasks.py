"""Tasks and transactions: who joins, who waits, what cannot end, and what a cancellation leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf import override
from covet.db import connections, transaction
from covet.db.errors import DeadlockDetected, TransactionError, TransactionManagementError

if TYPE_CHECKING:
    from covet.db.backends.driver import Connection
    from covet.db.database import Database
    from tests.conftest import Scratch

SLOW = {
    "postgresql": "SELECT pg_sleep(30)",
    "mysql": "SELECT SLEEP(30)",
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000) SELECT COUNT(*) FROM c",
}


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE things (id integer PRIMARY KEY)")
    yield database


async def add(db: Database, number: int) -> None:
    await db.execute(f"INSERT INTO things VALUES ({db.dialect.placeholder(1)})", (number,))


async def numbers(db: Database) -> list[int]:
    return sorted(row[0] for row in await db.fetch("SELECT id FROM things"))


@pytest.mark.row("contract.scope")
async def test_tasks_started_inside_a_block_join_it_and_take_turns(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            await asyncio.gather(*[add(db, number) for number in range(20)])
            assert len(await numbers(db)) == 20
            raise ZeroDivisionError

    assert await numbers(db) == []


async def test_a_task_outside_the_block_does_not_see_it(db: Database) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction.atomic():
            await add(db, 1)
            inside.set()
            await leave.wait()

    task = asyncio.create_task(hold())
    await inside.wait()

    assert not db.in_atomic_block
    assert await numbers(db) == []
    leave.set()
    await task
    assert await numbers(db) == [1]


async def test_others_wait_until_a_nested_block_has_closed(db: Database) -> None:
    """A statement of a sibling must not land inside a savepoint that is then undone."""
    order: list[str] = []
    entered = asyncio.Event()

    async def nested() -> None:
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                await add(db, 1)
                entered.set()
                for _ in range(20):
                    await asyncio.sleep(0)
                order.append("undone")
                raise ZeroDivisionError

    async def sibling() -> None:
        await entered.wait()
        await add(db, 2)
        order.append("sibling")

    async with transaction.atomic():
        await asyncio.gather(nested(), sibling())

    assert order == ["undone", "sibling"]
    assert await numbers(db) == [2]


async def test_nested_blocks_of_siblings_open_one_after_the_other(db: Database) -> None:
    async def nested(number: int) -> None:
        async with transaction.atomic():
            await add(db, number)
            await asyncio.sleep(0)
            if number == 3:
                raise ZeroDivisionError

    async with transaction.atomic():
        results = await asyncio.gather(*[nested(number) for number in range(6)], return_exceptions=True)

    assert [type(result) for result in results].count(ZeroDivisionError) == 1
    assert await numbers(db) == [0, 1, 2, 4, 5]


async def test_after_the_block_has_ended_its_tasks_get_an_error_that_names_it(db: Database) -> None:
    gate = asyncio.Event()

    async def late() -> None:
        await gate.wait()
        await add(db, 1)

    async with transaction.atomic():
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
    gate.set()

    with pytest.raises(
        TransactionManagementError, match=r"opened at .*test_tasks\.py:\d+ has ended \(it was committed\)"
    ):
        await task
    assert await numbers(db) == []


@pytest.mark.parametrize("how", ["await", "gather", "wait", "shield", "wait_for", "group"])
async def test_a_wait_that_cannot_end_names_both_places(db: Database, how: str) -> None:
    """The task inside the nested block waits for one that waits for the block to close."""
    go = asyncio.Event()

    async def sibling() -> None:
        await go.wait()
        await add(db, 1)

    async def dead() -> None:
        async with transaction.atomic():
            if how == "group":
                async with transaction.atomic(), asyncio.TaskGroup() as group:
                    # Started from the outer block's context by way of the task below.
                    group.create_task(wrapper(task))
                    go.set()
                return
            async with transaction.atomic():
                go.set()
                if how == "await":
                    await task
                elif how == "gather":
                    await asyncio.gather(task)
                elif how == "wait":
                    await asyncio.wait([task])
                    await task
                elif how == "shield":
                    await asyncio.shield(task)
                else:
                    await asyncio.wait_for(task, 60)

    async def wrapper(inner: asyncio.Task[None]) -> None:
        await inner

    async with transaction.atomic():
        task = asyncio.create_task(sibling())
        with pytest.raises((TransactionError, ExceptionGroup)) as caught:
            await asyncio.wait_for(asyncio.create_task(dead()), 60)
        error = caught.value
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]  # type: ignore[assignment]
        assert "cannot end" in str(error)
        assert str(error).count("test_tasks.py:") >= 2


async def test_a_failed_block_ends_at_once_for_tasks_that_still_run(db: Database) -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def nested() -> None:
        async with transaction.atomic():
            await add(db, 1)
            started.set()
            await gate.wait()
            await add(db, 2)

    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            task = asyncio.create_task(nested())
            await started.wait()
            raise ZeroDivisionError
    gate.set()

    with pytest.raises(TransactionManagementError, match="rolled back after ZeroDivisionError"):
        await task
    assert await numbers(db) == []


async def test_who_queues_while_a_failed_block_waits_to_roll_back_is_told_that_it_has_ended(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again from time to time, and by then there is no open block at all."""
    monkeypatch.setattr("covet.db.backends.session._LOOK_AGAIN_S", 0.001)
    running: list[asyncio.Task[list[int]]] = []
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            block = db.open_block
            assert block is not None
            # A statement of another task that is still under way.
            block.transaction.busy = True
            running.append(asyncio.create_task(numbers(db)))
            await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_later(0.05, block.transaction.end_turn)
            raise ZeroDivisionError

    with pytest.raises(TransactionManagementError, match="has ended"):
        await running[0]
    assert await numbers(db) == []


@pytest.mark.parametrize("step", ["savepoint", "release"])
async def test_a_nested_block_whose_outer_one_fails_while_it_opens_or_closes_ends_with_it(
    db: Database, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its statements would run on a connection that is somebody else's by then."""
    asked, gate = asyncio.Event(), asyncio.Event()

    async def nested() -> None:
        async with transaction.atomic():
            await add(db, 1)

    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            block = db.open_block
            assert block is not None
            kind = type(block.transaction.connection)
            answer = getattr(kind, step)

            async def late(connection: Connection, name: str) -> None:
                asked.set()
                await gate.wait()
                await answer(connection, name)

            monkeypatch.setattr(kind, step, late)
            task = asyncio.create_task(nested())
            await asked.wait()
            asyncio.get_running_loop().call_later(0.02, gate.set)
            raise ZeroDivisionError

    with pytest.raises(TransactionManagementError, match="has ended"):
        await task
    assert await numbers(db) == []


@pytest.mark.row("contract.cancellation")
async def test_a_cancelled_statement_outside_a_block_leaves_no_bad_connection(db: Database) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await db.fetch(SLOW[db.vendor])
        assert await numbers(db) == []
    await asyncio.gather(*[add(db, number) for number in range(10)])

    assert len(await numbers(db)) == 10


@pytest.mark.row("transactions.atomic", "contract.cancellation")
async def test_a_cancelled_block_is_rolled_back(db: Database) -> None:
    async def work() -> None:
        async with transaction.atomic():
            await add(db, 1)
            await db.fetch(SLOW[db.vendor])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await work()

    assert await numbers(db) == []
    async with transaction.atomic():
        await add(db, 2)
    assert await numbers(db) == [2]


async def test_a_statement_cancelled_inside_a_block_breaks_it_until_the_savepoint(db: Database) -> None:
    async with transaction.atomic():
        await add(db, 1)
        try:
            async with asyncio.timeout(None) as limit, transaction.atomic():
                await add(db, 2)
                limit.reschedule(asyncio.get_running_loop().time() + 0.05)
                await db.fetch(SLOW[db.vendor])
        except TimeoutError:
            pass
        if db.vendor == "postgresql":
            await add(db, 3)
        else:
            # MySQL closes the connection with the statement, and SQLite undoes more than a savepoint: nothing is left to save.
            transaction.set_rollback(True)

    assert await numbers(db) == ([1, 3] if db.vendor == "postgresql" else [])


async def test_a_cancelled_task_of_a_block_that_goes_on_is_told_at_the_next_statement(db: Database) -> None:
    with pytest.raises(TransactionManagementError, match=r"stopped half-way|connection was lost"):
        async with transaction.atomic():
            task = asyncio.create_task(db.fetch(SLOW[db.vendor]))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await add(db, 1)

    assert await numbers(db) == []


async def test_cancelling_a_task_that_queues_for_its_turn_harms_nobody(db: Database) -> None:
    async with transaction.atomic():
        tasks = [asyncio.create_task(add(db, number)) for number in range(10)]
        await asyncio.sleep(0)
        for task in tasks[5:]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results[5:]] == [asyncio.CancelledError] * 5
    assert await numbers(db) == [0, 1, 2, 3, 4]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite has no server
async def test_a_killed_server_connection_is_replaced(db: Database) -> None:
    own, kill = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
    }[db.vendor]
    async with transaction.atomic():
        number = (await db.fetch(own))[0][0]
    killer = await db.driver.connect()
    await killer.fetch(kill.format(number), ())
    await killer.close()
    assert db._writer is not None
    async with asyncio.timeout(60):
        while not all(each.is_closed for each in db._writer.kept):
            await asyncio.sleep(0.01)

    assert await numbers(db) == []
    async with transaction.atomic():
        await add(db, 1)
    assert await numbers(db) == [1]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite has no server
async def test_a_stream_begins_although_all_kept_connections_have_died(db: Database) -> None:
    """As after a restart of the server: what has died in the pool is no error of whoever comes next."""
    own, kill = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
    }[db.vendor]
    together = asyncio.Event()

    async def met() -> Any:
        async with transaction.atomic():
            found = (await db.fetch(own))[0][0]
            if db.writer_pool.in_use == 3:
                together.set()
            await together.wait()
        return found

    numbers_of = await asyncio.gather(*[asyncio.create_task(met(), context=contextvars.Context()) for _ in range(3)])
    killer = await db.driver.connect()
    for number in numbers_of:
        await killer.fetch(kill.format(number), ())
    await killer.close()
    async with asyncio.timeout(60):
        while not all(each.is_closed for each in db.writer_pool.kept):
            await asyncio.sleep(0.01)

    for _ in range(2):
        assert [len(chunk) async for chunk in db.stream("SELECT 1")] == [1]
    assert db.writer_pool.size == 1


@pytest.mark.vendors("postgresql", "mysql")  # SQLite has no server
async def test_a_connection_killed_inside_a_block_is_told_and_the_next_block_works(db: Database) -> None:
    own, kill = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
    }[db.vendor]
    from covet.db.errors import DatabaseError

    with pytest.raises(DatabaseError):
        async with transaction.atomic():
            await add(db, 1)
            number = (await db.fetch(own))[0][0]
            killer = await db.driver.connect()
            await killer.fetch(kill.format(number), ())
            await killer.close()
            await add(db, 2)

    async with transaction.atomic():
        await add(db, 3)
    assert await numbers(db) == [3]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite has one writer
async def test_the_victim_of_a_deadlock_is_undone_as_a_whole(db: Database) -> None:
    """Even when the block catches the error: nothing of it may be committed afterwards."""
    await add(db, 1)
    await add(db, 2)
    await db.execute("CREATE TABLE log (who integer)")
    met = asyncio.Barrier(2)
    mark = db.dialect.placeholder(1)

    async def work(first: int, second: int) -> str:
        async with transaction.atomic():
            await db.execute(f"INSERT INTO log VALUES ({mark})", (first,))
            await db.fetch(f"SELECT id FROM things WHERE id = {mark} FOR UPDATE", (first,))
            await met.wait()
            try:
                async with transaction.atomic():
                    await db.fetch(f"SELECT id FROM things WHERE id = {mark} FOR UPDATE", (second,))
            except DeadlockDetected:
                if db.vendor == "mysql":
                    with pytest.raises(TransactionManagementError, match="victim of a deadlock"):
                        await db.execute("INSERT INTO log VALUES (99)")
                raise
        return "done"

    results = await asyncio.gather(work(1, 2), work(2, 1), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["DeadlockDetected", "str"]
    assert len(await db.fetch("SELECT who FROM log")) == 1


async def test_a_database_that_was_closed_meanwhile_opens_anew_for_known_statements(db: Database) -> None:
    running = [asyncio.create_task(db.fetch("SELECT 1")) for _ in range(30)]
    await asyncio.sleep(0)
    await db.close()
    await asyncio.gather(*running, return_exceptions=True)

    for _ in range(3):
        assert (await db.fetch("SELECT 1"))[0][0] == 1


async def test_blocks_of_two_databases_that_wait_for_each_other_are_told(scratch: Scratch) -> None:
    """Each task is inside a nested block of one database, and wants to run a statement in the other."""
    with override(DATABASES={"default": await scratch("postgresql"), "other": await scratch("mysql")}):
        inside = {"default": asyncio.Event(), "other": asyncio.Event()}

        async def cross(mine: str, theirs: str) -> str:
            async with transaction.atomic(using=mine):
                inside[mine].set()
                await inside[theirs].wait()
                await connections[theirs].fetch("SELECT 1")
            return "done"

        async with transaction.atomic(), transaction.atomic(using="other"):
            async with asyncio.timeout(60):
                results = await asyncio.gather(
                    cross("default", "other"), cross("other", "default"), return_exceptions=True
                )
        await connections["default"].close()
        await connections["other"].close()

    # One of them is told, and lets the other go on.
    refused = [result for result in results if isinstance(result, TransactionError)]
    assert len(refused) == 1
    assert "cannot end" in str(refused[0])
    assert str(refused[0]).count("test_tasks.py:") == 2
    assert results.count("done") == 1
