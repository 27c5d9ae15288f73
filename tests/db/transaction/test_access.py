"""Transactions with modes of their own, and functions that are tried again after a conflict."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import (
    DatabaseError,
    DeadlockDetected,
    NotSupportedError,
    SerializationFailure,
    TransactionManagementError,
)

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL)")
    await database.execute("INSERT INTO account VALUES (1, 10), (2, 10)")
    yield database


async def balances(db: Database) -> list[int]:
    return [row[0] for row in await db.fetch("SELECT balance FROM account ORDER BY id")]


@pytest.mark.row("transactions.isolation")
async def test_a_read_only_block_refuses_to_write_and_leaves_the_connection_as_it_was(db: Database) -> None:
    for _ in range(2):
        with pytest.raises(DatabaseError):
            async with transaction.atomic(read_only=True):
                assert await balances(db) == [10, 10]
                await db.execute("UPDATE account SET balance = 0")
        assert await balances(db) == [10, 10]

    await db.execute("UPDATE account SET balance = 5 WHERE id = 1")
    assert await balances(db) == [5, 10]


async def growth(db: Database) -> int:
    """How much the first balance seems to grow when somebody else commits one more."""
    before = (await balances(db))[0]
    await asyncio.create_task(add_one(db), context=contextvars.Context())
    return (await balances(db))[0] - before


async def add_one(db: Database) -> None:
    await db.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")


@pytest.mark.vendors("postgresql", "mysql")
@pytest.mark.row("transactions.isolation")
async def test_the_level_holds_for_its_own_transaction_alone(db: Database) -> None:
    for _ in range(2):
        async with transaction.atomic(isolation="repeatable read", read_only=True):
            assert await growth(db) == 0
        async with transaction.atomic():
            assert await growth(db) == 1

    @transaction.atomic(isolation="repeatable read")
    async def decorated() -> int:
        return await growth(db)

    assert await decorated() == 0


@pytest.mark.vendors("sqlite")
async def test_sqlite_takes_every_level_since_it_is_serializable(db: Database) -> None:
    async with transaction.atomic(isolation="serializable"):
        await add_one(db)
    assert await balances(db) == [11, 10]


@pytest.mark.vendors("postgresql")
async def test_a_deferrable_block_reads(db: Database) -> None:
    async with transaction.atomic(isolation="serializable", read_only=True, deferrable=True):
        assert (await db.fetch("SHOW transaction_deferrable"))[0][0] == "on"


@pytest.mark.vendors("sqlite", "mysql")
async def test_deferrable_is_refused_where_it_means_nothing(db: Database) -> None:
    with pytest.raises(NotSupportedError, match="PostgreSQL"):
        async with transaction.atomic(deferrable=True):
            pass


async def test_modes_are_refused_inside_another_block_and_the_outer_one_goes_on(db: Database) -> None:
    async with transaction.atomic():
        with pytest.raises(TransactionManagementError, match="must be the outermost"):
            async with transaction.atomic(isolation="serializable"):
                pass
        await db.execute("UPDATE account SET balance = 1 WHERE id = 1")
    assert await balances(db) == [1, 10]


def test_an_unknown_level_and_functions_that_are_not_async_are_refused() -> None:
    with pytest.raises(ValueError, match="no isolation level"):
        transaction.atomic(isolation="serializable; DROP TABLE account")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="attempts"):
        transaction.retry(attempts=0)
    with pytest.raises(TypeError, match="async"):
        transaction.retry()(len)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="async"):
        transaction.atomic(read_only=True)(len)  # type: ignore[arg-type]


@pytest.mark.row("transactions.retry")
async def test_a_conflict_is_tried_again_and_hooks_of_the_lost_attempt_do_not_run(db: Database) -> None:
    ran: list[int] = []
    attempts = 0

    @transaction.retry(attempts=3, backoff_s=0)
    async def work() -> int:
        nonlocal attempts
        attempts += 1
        number = attempts
        transaction.on_commit(lambda: ran.append(number))
        await db.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
        if number < 3:
            raise DeadlockDetected("lost")
        return number

    assert await work() == 3
    assert ran == [3]
    assert await balances(db) == [11, 10]


@pytest.mark.row("transactions.retry")
async def test_the_last_conflict_and_other_errors_are_raised(db: Database) -> None:
    attempts: list[type[Exception]] = []

    @transaction.retry(attempts=2, backoff_s=0)
    async def work(kind: type[Exception]) -> None:
        attempts.append(kind)
        raise kind("no")

    with pytest.raises(SerializationFailure):
        await work(SerializationFailure)
    with pytest.raises(ZeroDivisionError):
        await work(ZeroDivisionError)
    assert attempts == [SerializationFailure, SerializationFailure, ZeroDivisionError]


@pytest.mark.row("transactions.retry")
async def test_a_conflict_in_a_group_of_tasks_is_tried_again_unless_there_is_more_in_it(db: Database) -> None:
    attempts: list[bool] = []

    async def fail(error: Exception) -> None:
        raise error

    @transaction.retry(attempts=2, backoff_s=0)
    async def work(*errors: Exception, heals: bool = True) -> str:
        attempts.append(heals)
        if len(attempts) % 2 or not heals:
            async with asyncio.TaskGroup() as tasks:
                for error in errors:
                    tasks.create_task(fail(error))
        return "done"

    assert await work(DeadlockDetected("lost"), TransactionManagementError("broken")) == "done"
    assert len(attempts) == 2
    for errors in ((SerializationFailure("lost"), ZeroDivisionError()), (TransactionManagementError("broken"),)):
        attempts.clear()
        with pytest.raises(ExceptionGroup):
            await work(*errors)
        assert len(attempts) == 1
    attempts.clear()
    with pytest.raises(ExceptionGroup):
        await work(SerializationFailure("lost"), heals=False)
    assert len(attempts) == 2


@pytest.mark.row("transactions.retry")
@pytest.mark.vendors("postgresql")
async def test_two_whose_tasks_change_a_row_that_both_have_read_succeed_in_the_end(db: Database) -> None:
    both = asyncio.Barrier(2)
    tries = 0

    @transaction.retry(attempts=5, isolation="repeatable read")
    async def add() -> None:
        nonlocal tries
        tries += 1
        await balances(db)
        if tries <= 2:
            await both.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(db.execute("UPDATE account SET balance = balance + 1 WHERE id = 1"))

    await asyncio.gather(add(), add())
    assert tries > 2
    assert sorted(await balances(db)) == [10, 12]


@pytest.mark.row("transactions.retry")
async def test_retry_is_refused_inside_a_block(db: Database) -> None:
    @transaction.retry()
    async def work() -> None:
        raise AssertionError("never reached")

    async with transaction.atomic():
        with pytest.raises(TransactionManagementError, match="outermost"):
            await work()


@pytest.mark.vendors("postgresql")
async def test_two_that_read_and_write_crosswise_both_succeed_in_the_end(db: Database) -> None:
    both = asyncio.Barrier(2)
    tries = 0

    @transaction.retry(attempts=5, isolation="serializable")
    async def move(to: int) -> None:
        nonlocal tries
        tries += 1
        total = sum(await balances(db))
        if tries <= 2:
            await both.wait()
        await db.execute("UPDATE account SET balance = $1 WHERE id = $2", (total, to))

    await asyncio.gather(move(1), move(2))
    assert tries > 2
    assert sorted(await balances(db)) in ([20, 30], [30, 50])
