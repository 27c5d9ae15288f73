"""``atomic``: commits, rollbacks, savepoints, errors, and what is said when it is used in a way that cannot work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import (
    CheckViolation,
    ForeignKeyViolation,
    TransactionManagementError,
    UniqueViolation,
)
from covet.db.sql.ddl import CheckDef, ColumnDef, ForeignKeyDef, IndexPart, TableDef, UniqueDef
from covet.db.sql.nodes import Binary, Bound, Column, ColumnType

if TYPE_CHECKING:
    from covet.db.database import Database

INTEGER = ColumnType("integer")
PARENT = TableDef("parent", (ColumnDef("id", INTEGER, primary_key=True),))
CHILD = TableDef(
    "child",
    (
        ColumnDef("id", INTEGER, primary_key=True),
        ColumnDef("n", INTEGER),
        ColumnDef("parent_id", INTEGER, null=True),
    ),
    foreign_keys=(ForeignKeyDef("child_parent_fk", ("parent_id",), "parent", ("id",)),),
    uniques=(UniqueDef("child_n_uniq", (IndexPart("n"),)),),
    checks=(CheckDef("child_n_positive", Binary(">", Column(None, "n"), Bound(0))),),
)


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        await editor.create_table(CHILD)
        await editor.create_table(PARENT)
    yield database


async def add(db: Database, number: int, parent: int | None = None) -> None:
    mark = db.dialect.placeholder
    await db.insert(
        f"INSERT INTO child (id, n, parent_id) VALUES ({mark(1)}, {mark(2)}, {mark(3)})", (number, number, parent)
    )


async def numbers(db: Database) -> list[int]:
    return sorted(row[0] for row in await db.fetch("SELECT id FROM child"))


@pytest.mark.row("transactions.atomic")
async def test_a_block_commits_as_a_whole(db: Database) -> None:
    async with transaction.atomic():
        assert db.in_atomic_block
        await add(db, 1)
        await add(db, 2)

    assert not db.in_atomic_block
    assert await numbers(db) == [1, 2]


@pytest.mark.row("transactions.atomic")
async def test_an_error_rolls_back_and_goes_on(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            await add(db, 1)
            raise ZeroDivisionError

    assert await numbers(db) == []


@pytest.mark.row("transactions.atomic")
async def test_a_nested_block_is_undone_alone(db: Database) -> None:
    async with transaction.atomic():
        await add(db, 1)
        with pytest.raises(UniqueViolation) as caught:
            async with transaction.atomic():
                await add(db, 2)
                await add(db, 1)
        assert caught.value.table == "child"
        await add(db, 3)

    assert await numbers(db) == [1, 3]


@pytest.mark.row("transactions.atomic")
async def test_an_inner_block_without_savepoint_takes_the_outer_one_with_it(db: Database) -> None:
    with pytest.raises(TransactionManagementError, match="has no savepoint"):
        async with transaction.atomic():
            await add(db, 1)
            with pytest.raises(ZeroDivisionError):
                async with transaction.atomic(savepoint=False):
                    raise ZeroDivisionError
            await add(db, 2)

    assert await numbers(db) == []


@pytest.mark.row("transactions.atomic")
async def test_the_decorator_runs_a_function_in_a_block(db: Database) -> None:
    @transaction.atomic
    async def work(fail: bool) -> str:
        await add(db, 2 if fail else 1)
        if fail:
            raise ZeroDivisionError
        return "done"

    assert await work(False) == "done"
    with pytest.raises(ZeroDivisionError):
        await work(True)

    assert await numbers(db) == [1]


def test_the_decorator_refuses_sync_functions() -> None:
    with pytest.raises(TypeError, match="Write `async def`"):

        @transaction.atomic
        def work() -> None: ...  # type: ignore[type-var]


@pytest.mark.row("transactions.atomic")
async def test_durable_must_be_outermost(db: Database) -> None:
    async with transaction.atomic(durable=True):
        with pytest.raises(TransactionManagementError, match=r"durable=True.*test_atomic\.py"):
            async with transaction.atomic(durable=True):
                pass


@pytest.mark.row("transactions.savepoints")
async def test_set_rollback_undoes_a_block_without_an_error(db: Database) -> None:
    async with transaction.atomic():
        await add(db, 1)
        assert not transaction.get_rollback()
        transaction.set_rollback(True)
        assert transaction.get_rollback()

    assert await numbers(db) == []
    with pytest.raises(TransactionManagementError, match="needs an open atomic block"):
        transaction.set_rollback(True)


async def test_an_error_caught_inside_the_block_is_told_at_its_end_on_postgresql(db: Database) -> None:
    """There every later statement fails; elsewhere the block goes on, as it does in Django."""

    async def work() -> None:
        async with transaction.atomic():
            await add(db, 1)
            with pytest.raises(UniqueViolation):
                await add(db, 1)
            await add(db, 2)

    if db.vendor == "postgresql":
        with pytest.raises(TransactionManagementError, match="an earlier statement failed"):
            await work()
        assert await numbers(db) == []
    else:
        await work()
        assert await numbers(db) == [1, 2]


async def test_what_stopped_a_block_is_told_in_whole_sentences(db: Database) -> None:
    async def told() -> str:
        with pytest.raises(TransactionManagementError) as caught:
            await numbers(db)
        # Its alias stands once, at the end, and brackets that are opened are closed.
        text = caught.value.message
        assert text.count("(") == text.count(")") and "default" not in text and ".." not in text and ".)" not in text
        return text.partition(": ")[2]

    with suppress(UniqueViolation):
        async with transaction.atomic():
            await add(db, 1)
            with pytest.raises(UniqueViolation) as unique:
                await add(db, 1)
            if db.vendor == "postgresql":
                reason = unique.value.message.rstrip(".")
                assert (await told()).startswith(f"an earlier statement failed ({reason}). Let the block end,")
            raise unique.value
    async with transaction.atomic():
        transaction.set_rollback(True)
        assert (await told()).startswith("set_rollback(True) was called. Let the block end, so that it rolls back,")
        transaction.set_rollback(False)
        assert await numbers(db) == []
    with suppress(ZeroDivisionError):
        async with transaction.atomic():
            with pytest.raises(ZeroDivisionError) as inner:
                async with transaction.atomic(savepoint=False):
                    raise ZeroDivisionError
            reason = "a block inside it that has no savepoint failed (it was rolled back after ZeroDivisionError). Let"
            assert (await told()).startswith(reason)
            raise inner.value


async def test_a_foreign_key_is_checked_at_the_commit_where_the_database_can(db: Database) -> None:
    with pytest.raises(ForeignKeyViolation):
        async with transaction.atomic():
            await add(db, 1, parent=7)

    assert await numbers(db) == []
    if db.features.defers_foreign_keys:
        async with transaction.atomic():
            await add(db, 1, parent=7)
            await db.execute("INSERT INTO parent (id) VALUES (7)")
        assert await numbers(db) == [1]


@pytest.mark.row("constraints.errors")
async def test_violations_carry_what_was_violated(db: Database) -> None:
    await add(db, 1)

    with pytest.raises(UniqueViolation) as unique:
        await db.execute("INSERT INTO child (id, n) VALUES (2, 1)")
    assert unique.value.columns == ("n",)
    assert unique.value.table == "child"
    with pytest.raises(UniqueViolation) as primary:
        await db.execute("INSERT INTO child (id, n) VALUES (1, 5)")
    assert primary.value.columns == ("id",)
    with pytest.raises(CheckViolation) as check:
        await db.execute("INSERT INTO child (id, n) VALUES (3, -1)")
    assert check.value.constraint == "child_n_positive"
    assert "INSERT INTO child" in str(check.value)
    assert "'default'" in str(check.value)


async def test_blocks_of_one_object_may_be_open_in_several_tasks(db: Database) -> None:
    block = transaction.atomic()

    async def work(number: int) -> None:
        async with block:
            await add(db, number)
            await asyncio.sleep(0)
            if number % 2:
                raise ZeroDivisionError

    results = await asyncio.gather(*[work(number) for number in range(1, 9)], return_exceptions=True)

    assert sum(isinstance(result, ZeroDivisionError) for result in results) == 4
    assert await numbers(db) == [2, 4, 6, 8]


async def test_three_levels_of_savepoints(db: Database) -> None:
    async with transaction.atomic():
        await add(db, 1)
        async with transaction.atomic():
            await add(db, 2)
            with pytest.raises(ZeroDivisionError):
                async with transaction.atomic():
                    await add(db, 3)
                    raise ZeroDivisionError
            await add(db, 4)

    assert await numbers(db) == [1, 2, 4]


async def test_execute_many_is_all_or_nothing(db: Database) -> None:
    mark = db.dialect.placeholder
    sql = f"INSERT INTO child (id, n) VALUES ({mark(1)}, {mark(2)})"

    told = [await db.execute_many(sql, [(1, 1), (2, 2)]), await db.execute_many(sql, [])]
    assert told == [None if db.vendor == "postgresql" else 2, 0]
    with pytest.raises(UniqueViolation):
        await db.execute_many(sql, [(3, 3), (1, 1)])

    assert await numbers(db) == [1, 2]


async def test_a_stream_gives_all_rows_in_chunks_and_leaves_room_for_other_statements(db: Database) -> None:
    mark = db.dialect.placeholder
    await db.execute_many(f"INSERT INTO child (id, n) VALUES ({mark(1)}, {mark(2)})", [(i, i) for i in range(1, 26)])

    alone = [len(chunk) async for chunk in db.stream("SELECT id FROM child ORDER BY id", (), 10)]
    inside: list[int] = []
    async with transaction.atomic():
        async for chunk in db.stream("SELECT id FROM child ORDER BY id", (), 10):
            inside += [row[0] for row in chunk]
            assert (await db.fetch("SELECT COUNT(*) FROM child"))[0][0] == 25

    assert alone == [10, 10, 5]
    assert inside == list(range(1, 26))


async def test_a_stream_that_is_left_early_leaves_the_database_usable(db: Database) -> None:
    mark = db.dialect.placeholder
    await db.execute_many(f"INSERT INTO child (id, n) VALUES ({mark(1)}, {mark(2)})", [(i, i) for i in range(1, 101)])

    for _ in range(15):
        stream = db.stream("SELECT id FROM child ORDER BY id", (), 10)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
    async with transaction.atomic():
        stream = db.stream("SELECT id FROM child ORDER BY id", (), 10)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await add(db, 101)

    assert len(await numbers(db)) == 101


async def test_two_vendors_at_once_have_transactions_of_their_own(db: Database, tmp_path: object) -> None:
    from covet.conf.service_url import parse_database
    from covet.db.database import Database as Plain

    other = Plain("other", parse_database(f"sqlite:///{tmp_path}/other.db"))
    try:
        async with other.schema_editor() as editor:
            await editor.create_table(PARENT)
            await editor.create_table(CHILD)

        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic(other):
                await add(other, 1)
                async with transaction.atomic(db):
                    await add(db, 1)
                raise ZeroDivisionError

        assert await numbers(db) == [1]
        assert await numbers(other) == []
    finally:
        await other.close()


async def test_a_column_may_change_its_type_between_two_reads_of_one_transaction(db: Database) -> None:
    """A migration reads a table, alters it, and reads it again: a prepared statement must not stand in the way."""
    new = TableDef(
        "child",
        (ColumnDef("id", INTEGER, primary_key=True), ColumnDef("n", ColumnType("bigint")), CHILD.columns[2]),
        foreign_keys=CHILD.foreign_keys,
        uniques=CHILD.uniques,
        checks=CHILD.checks,
    )
    await add(db, 1)

    async with db.schema_editor() as editor:
        assert (await db.fetch("SELECT id, n FROM child"))[0][1] == 1
        await editor.alter_table(CHILD, new, {})
        assert (await db.fetch("SELECT id, n FROM child"))[0][1] == 1


async def test_no_error_is_its_own_cause(db: Database) -> None:
    """Whoever follows ``__cause__`` must come to an end."""
    for use_block in (False, True):
        caught: list[BaseException] = []
        for sql in ("SELECT nothing FROM nowhere", "SELECT 1"):
            try:
                async with asyncio.timeout(60):
                    if use_block:
                        async with transaction.atomic():
                            task = asyncio.create_task(db.fetch(sql))
                            await asyncio.sleep(0)
                            task.cancel()
                            await task
                    else:
                        await db.fetch(sql)
            except (Exception, asyncio.CancelledError) as error:
                caught.append(error)
        for error in caught:
            seen: list[BaseException] = []
            current: BaseException | None = error
            while current is not None:
                assert all(current is not other for other in seen)
                seen.append(current)
                current = current.__cause__
