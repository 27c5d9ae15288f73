"""A test's pinned connection: every task shares it, ``atomic`` is a savepoint, failures stay alone, nothing remains."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import DatabaseError, ForeignKeyViolation, InterfaceError, UniqueViolation
from covet.db.sql.ddl import ColumnDef, ForeignKeyDef, TableDef
from covet.db.sql.nodes import ColumnType
from tests.db.transaction.test_tasks import SLOW

if TYPE_CHECKING:
    from covet.db.database import Database

INTEGER = ColumnType("integer")


@pytest.fixture
async def db(database: Database) -> Database:
    async with database.schema_editor() as editor:
        await editor.create_table(TableDef("owner", (ColumnDef("id", INTEGER, primary_key=True),)))
        await editor.create_table(
            TableDef(
                "things",
                (ColumnDef("id", INTEGER, primary_key=True), ColumnDef("owner_id", INTEGER, null=True)),
                foreign_keys=(ForeignKeyDef("things_owner_fk", ("owner_id",), "owner", ("id",)),),
            )
        )
    return database


async def add(db: Database, number: int, owner: int | None = None) -> None:
    mark = db.dialect.placeholder
    await db.execute(f"INSERT INTO things (id, owner_id) VALUES ({mark(1)}, {mark(2)})", (number, owner))


async def numbers(db: Database) -> list[int]:
    return sorted(row[0] for row in await db.fetch("SELECT id FROM things"))


async def test_everything_is_undone_at_the_end(db: Database) -> None:
    async with db.pinned():
        await add(db, 1)
        async with transaction.atomic():
            await add(db, 2)
        assert await numbers(db) == [1, 2]

    assert await numbers(db) == []


async def test_tasks_of_other_contexts_share_the_connection(db: Database) -> None:
    """A live server's task was not started by the test, and still sees its rows."""
    async with db.pinned():
        await add(db, 1)
        other = asyncio.get_running_loop().create_task(numbers(db), context=contextvars.Context())
        assert await other == [1]
        await asyncio.gather(*[add(db, number) for number in range(2, 12)])
        assert len(await numbers(db)) == 11


async def test_a_failing_statement_outside_a_block_is_undone_alone(db: Database) -> None:
    """As without a transaction: a handler that answers 409 must not spoil the rest of the test."""
    async with db.pinned():
        await add(db, 1)
        for _ in range(2):
            with pytest.raises(UniqueViolation):
                await add(db, 1)
        assert await numbers(db) == [1]
        await add(db, 2)
        with pytest.raises(UniqueViolation):
            async with transaction.atomic():
                await add(db, 3)
                await add(db, 2)
        assert await numbers(db) == [1, 2]


async def test_foreign_keys_are_checked_where_a_real_commit_would(db: Database) -> None:
    async with db.pinned():
        with pytest.raises(ForeignKeyViolation):
            await add(db, 1, owner=7)
        with pytest.raises(ForeignKeyViolation):
            async with transaction.atomic():
                await add(db, 1, owner=7)
        assert await numbers(db) == []
        if db.features.defers_foreign_keys:
            async with transaction.atomic():
                await add(db, 1, owner=7)
                await db.execute("INSERT INTO owner (id) VALUES (7)")
            assert await numbers(db) == [1]


async def test_on_commit_runs_at_the_end_of_the_outermost_block_of_the_code_under_test(db: Database) -> None:
    ran: list[str] = []
    async with db.pinned():
        async with transaction.atomic(durable=True):
            async with transaction.atomic():
                transaction.on_commit(lambda: ran.append("a"))
            assert ran == []
        assert ran == ["a"]
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                transaction.on_commit(lambda: ran.append("b"))
                raise ZeroDivisionError
        transaction.on_commit(lambda: ran.append("c"))

    assert ran == ["a", "c"]


async def test_a_statement_of_another_task_does_not_wait_for_a_block(db: Database) -> None:
    """A test may hold a block while it waits for its live server."""
    async with db.pinned(), transaction.atomic():
        await add(db, 1)
        other = asyncio.get_running_loop().create_task(add(db, 2), context=contextvars.Context())
        await other
        with pytest.raises(UniqueViolation):
            await asyncio.get_running_loop().create_task(add(db, 2), context=contextvars.Context())
        assert await numbers(db) == [1, 2]


async def test_blocks_of_other_tasks_take_turns(db: Database) -> None:
    async def work(number: int) -> None:
        async with transaction.atomic():
            await add(db, number)
            await asyncio.sleep(0)
            if number % 2:
                raise ZeroDivisionError

    async with db.pinned():
        tasks = [
            asyncio.get_running_loop().create_task(work(number), context=contextvars.Context()) for number in range(6)
        ]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await numbers(db) == [0, 2, 4]


async def test_a_block_after_the_pin_is_a_real_one(db: Database) -> None:
    async with db.pinned():
        await add(db, 1)
    async with transaction.atomic():
        await add(db, 2)

    assert await numbers(db) == [2]
    with pytest.raises(InterfaceError, match="pinned already"):
        async with db.pinned(), db.pinned():
            pass


async def test_truncate_empties_tables_that_refer_to_each_other_and_counts_anew(database: Database) -> None:
    bigint = ColumnType("bigint")
    async with database.schema_editor() as editor:
        await editor.create_table(
            TableDef("a", (ColumnDef("id", bigint, primary_key=True, identity=True), ColumnDef("n", INTEGER)))
        )
        await editor.create_table(
            TableDef(
                "b",
                (ColumnDef("id", bigint, primary_key=True, identity=True), ColumnDef("a_id", bigint)),
                foreign_keys=(ForeignKeyDef("b_a_fk", ("a_id",), "a", ("id",)),),
            )
        )
    await database.execute("INSERT INTO a (n) VALUES (1)")
    await database.execute("INSERT INTO b (a_id) VALUES (1)")

    await database.truncate(["a", "b"])
    await database.execute("INSERT INTO a (n) VALUES (5)")

    assert (await database.fetch("SELECT id FROM a"))[0][0] == 1
    assert await database.fetch("SELECT id FROM b") in ([], ())
    with pytest.raises(ForeignKeyViolation):
        await database.execute("INSERT INTO b (a_id) VALUES (99)")


async def test_a_statement_that_was_stopped_half_way_says_what_the_test_is_to_ask_for(db: Database) -> None:
    """As when a client leaves a streamed answer, whose statement is cancelled on the one connection that there is."""
    async with db.pinned():
        task = asyncio.create_task(db.fetch(SLOW[db.vendor]))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(DatabaseError) as caught:
            await numbers(db)

    assert "on the connection that a test has pinned: its statement was stopped half-way" in str(caught.value)
    assert "@pytest.mark.db(transaction=True)" in str(caught.value)
