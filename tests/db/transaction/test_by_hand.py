"""Savepoints and transactions by hand."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import DatabaseError, ProgrammingError, TransactionManagementError, UniqueViolation

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE entry (name varchar(20) PRIMARY KEY)")
    yield database
    if transaction_is_by_hand(database):
        await transaction.rollback()
        await transaction.set_autocommit(True)


def transaction_is_by_hand(db: Database) -> bool:
    return not transaction.get_autocommit() and not db.in_atomic_block


async def add(db: Database, *names: str) -> None:
    for name in names:
        await db.execute(f"INSERT INTO entry VALUES ('{name}')")


async def seen(db: Database) -> list[str]:
    return [row[0] for row in await db.fetch("SELECT name FROM entry ORDER BY name")]


async def elsewhere(db: Database) -> list[str]:
    """What another connection sees."""
    return await asyncio.create_task(seen(db), context=contextvars.Context())


savepoints = pytest.mark.row("transactions.savepoints")
manual = pytest.mark.row("transactions.manual")


@savepoints
async def test_a_block_that_is_to_be_rolled_back_stays_so_behind_a_rollback_to_a_savepoint(db: Database) -> None:
    async with transaction.atomic():
        await add(db, "a")
        sid = await transaction.savepoint()
        transaction.set_rollback(True)
        await transaction.savepoint_rollback(sid)
        assert transaction.get_rollback()

    assert await seen(db) == []


@savepoints
async def test_what_came_after_a_savepoint_is_undone_alone_and_it_can_be_used_again(db: Database) -> None:
    async with transaction.atomic():
        await add(db, "a")
        sid = await transaction.savepoint()
        for _ in range(2):
            await add(db, "b")
            await transaction.savepoint_rollback(sid)
        await add(db, "c")
        await transaction.savepoint_commit(sid)
        await add(db, "d")

    assert await seen(db) == ["a", "c", "d"]


@savepoints
async def test_a_block_goes_on_after_a_failed_statement_was_undone(db: Database) -> None:
    async with transaction.atomic():
        await add(db, "a")
        sid = await transaction.savepoint()
        with pytest.raises(UniqueViolation):
            await add(db, "b", "a")
        await transaction.savepoint_rollback(sid)
        await add(db, "c")

    assert await seen(db) == ["a", "c"]


@savepoints
async def test_hooks_given_since_a_savepoint_are_dropped_with_it(db: Database) -> None:
    ran: list[str] = []
    async with transaction.atomic():
        transaction.on_commit(lambda: ran.append("first"))
        sid = await transaction.savepoint()
        transaction.on_commit(lambda: ran.append("second"))
        await transaction.savepoint_rollback(sid)
        transaction.on_commit(lambda: ran.append("third"))

    assert ran == ["first", "third"]


@savepoints
async def test_rolling_back_to_an_outer_savepoint_ends_the_inner_one(db: Database) -> None:
    async with transaction.atomic():
        outer = await transaction.savepoint()
        inner = await transaction.savepoint()
        await transaction.savepoint_rollback(outer)
        with pytest.raises(TransactionManagementError, match="no such savepoint"):
            await transaction.savepoint_rollback(inner)
        with pytest.raises(TransactionManagementError, match="no such savepoint"):
            await transaction.savepoint_commit("x; DROP TABLE entry")
        transaction.clean_savepoints()
        with pytest.raises(TransactionManagementError, match="no such savepoint"):
            await transaction.savepoint_commit(outer)


@savepoints
async def test_savepoints_need_a_transaction(db: Database) -> None:
    with pytest.raises(TransactionManagementError, match=r"savepoint\(\) at .*test_by_hand.py"):
        await transaction.savepoint()
    with pytest.raises(TransactionManagementError, match="needs an open atomic block"):
        transaction.clean_savepoints()


@savepoints
async def test_savepoints_work_in_tests_on_a_pinned_connection(db: Database) -> None:
    async with db.pinned():
        async with transaction.atomic():
            sid = await transaction.savepoint()
            await add(db, "a")
            await transaction.savepoint_rollback(sid)
            await add(db, "b")
        assert await seen(db) == ["b"]


@savepoints
async def test_an_error_that_was_caught_still_rolls_the_marked_block_back(db: Database) -> None:
    with pytest.raises(TransactionManagementError, match="mark_for_rollback_on_error"):
        async with transaction.atomic():
            await add(db, "a")
            try:
                with transaction.mark_for_rollback_on_error():
                    raise ValueError
            except ValueError:
                pass
    assert await seen(db) == []

    with pytest.raises(ValueError, match="outside"), transaction.mark_for_rollback_on_error():
        raise ValueError("outside")
    with transaction.mark_for_rollback_on_error():
        await add(db, "b")
    assert await seen(db) == ["b"]


@manual
async def test_without_autocommit_work_is_seen_by_others_after_the_commit(db: Database) -> None:
    ran: list[str] = []
    await transaction.set_autocommit(False)
    assert not transaction.get_autocommit()
    assert not db.in_atomic_block
    await add(db, "a")
    transaction.on_commit(lambda: ran.append("committed"))
    assert await elsewhere(db) == []
    assert ran == []
    await transaction.commit()
    assert ran == ["committed"]
    assert await elsewhere(db) == ["a"]

    await add(db, "b")
    transaction.on_commit(lambda: ran.append("never"))
    await transaction.rollback()
    await add(db, "c")
    await transaction.commit()
    await transaction.set_autocommit(True)
    assert transaction.get_autocommit()
    await add(db, "d")
    assert await elsewhere(db) == ["a", "c", "d"]
    assert ran == ["committed"]
    assert db.writer_pool.in_use == 0


@manual
async def test_nothing_is_locked_between_a_commit_and_the_next_statement(db: Database) -> None:
    await transaction.set_autocommit(False)
    await transaction.commit()
    await transaction.rollback()
    await add(db, "a")
    await transaction.commit()
    if db.vendor != "sqlite":  # there the one writer is lent for as long as autocommit is off
        await asyncio.create_task(add(db, "b"), context=contextvars.Context())
        assert await seen(db) == ["a", "b"]
        await transaction.commit()
    await transaction.set_autocommit(True)


@manual
async def test_a_transaction_that_a_failed_statement_broke_is_rolled_back_by_hand(db: Database) -> None:
    await transaction.set_autocommit(False)
    await add(db, "a")
    with pytest.raises(ProgrammingError):
        await db.fetch("SELECT nothing FROM nowhere")
    if db.driver.features.error_breaks_transaction:
        with pytest.raises(TransactionManagementError):
            await transaction.commit()
    await transaction.rollback()
    await add(db, "b")
    sid = await transaction.savepoint()
    await add(db, "c")
    await transaction.savepoint_rollback(sid)
    await transaction.commit()
    await transaction.set_autocommit(True)
    assert await seen(db) == ["b"]


@manual
async def test_atomic_is_a_savepoint_while_autocommit_is_off(db: Database) -> None:
    await transaction.set_autocommit(False)
    await add(db, "a")
    with pytest.raises(UniqueViolation):
        async with transaction.atomic():
            await add(db, "b", "a")
    async with transaction.atomic():
        await add(db, "c")
    assert await elsewhere(db) == []
    await transaction.commit()
    await transaction.set_autocommit(True)
    assert await elsewhere(db) == ["a", "c"]


@manual
async def test_tasks_of_the_context_and_streams_are_part_of_it(db: Database) -> None:
    await transaction.set_autocommit(False)
    assert [rows async for rows in db.stream("SELECT name FROM entry")] == []
    await asyncio.gather(add(db, "a"), add(db, "b"))
    assert [len(rows) async for rows in db.stream("SELECT name FROM entry")] == [2]
    await transaction.rollback()
    await transaction.set_autocommit(True)
    assert await seen(db) == []


@manual
async def test_work_by_hand_is_refused_inside_atomic_and_on_a_pinned_connection(db: Database) -> None:
    async with transaction.atomic():
        assert not transaction.get_autocommit()
        for call in (transaction.commit, transaction.rollback):
            with pytest.raises(TransactionManagementError, match="commits or rolls back by itself"):
                await call()
        with pytest.raises(TransactionManagementError, match=r"the atomic block opened at .*test_by_hand\.py"):
            await transaction.set_autocommit(False)
    async with db.pinned():
        with pytest.raises(TransactionManagementError, match="that a test has pinned"):
            await transaction.set_autocommit(False)
    # With autocommit there is nothing to do.
    await transaction.commit()
    await transaction.rollback()
    await transaction.set_autocommit(True)


@manual
async def test_autocommit_does_not_come_back_over_open_work(db: Database) -> None:
    await transaction.set_autocommit(False)
    await transaction.set_autocommit(False)
    with pytest.raises(TransactionManagementError, match="needs an open atomic block"):
        transaction.set_rollback(True)
    await add(db, "a")
    with pytest.raises(TransactionManagementError, match="neither committed nor rolled back"):
        await transaction.set_autocommit(True)
    await transaction.rollback()
    await transaction.set_autocommit(True)


@manual
async def test_a_task_that_ends_without_turning_it_on_again_loses_its_open_work(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgetful() -> None:
        await transaction.set_autocommit(False)
        await add(db, "a")
        await transaction.commit()
        await add(db, "b")

    with caplog.at_level(logging.WARNING):
        await asyncio.create_task(forgetful())
    gc.collect()
    assert await elsewhere(db) == ["a"]
    await add(db, "c")
    assert "without set_autocommit(True)" in caplog.text
    assert "test_by_hand.py" in caplog.text


@manual
async def test_a_lost_connection_can_be_given_back(db: Database) -> None:
    await transaction.set_autocommit(False)
    await add(db, "a")
    frame = db._scope.get()
    assert frame is not None
    frame.transaction.connection.terminate()
    with pytest.raises(DatabaseError):
        await seen(db)
    await transaction.rollback()
    await transaction.set_autocommit(True)
    assert await seen(db) == []
