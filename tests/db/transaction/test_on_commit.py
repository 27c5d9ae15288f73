"""``on_commit``: what runs, when, in which order, and what is said when it is forgotten."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from covet.db import transaction
from covet.db.errors import TransactionManagementError

if TYPE_CHECKING:
    from covet.db.database import Database

ran: list[str] = []


@pytest.fixture(autouse=True)
def _empty() -> None:
    ran.clear()


async def mail() -> None:
    await asyncio.sleep(0)
    ran.append("mail")


@pytest.mark.row("transactions.on_commit")
async def test_functions_run_after_the_outermost_commit_in_order_before_atomic_returns(database: Database) -> None:
    async with transaction.atomic():
        await transaction.on_commit(mail)
        async with transaction.atomic():
            transaction.on_commit(lambda: ran.append("inner"))
        transaction.on_commit(lambda: ran.append(f"outer {database.in_atomic_block}"))
        assert ran == []

    assert ran == ["mail", "inner", "outer False"]


@pytest.mark.row("transactions.on_commit")
async def test_what_is_rolled_back_never_runs(database: Database) -> None:
    async with transaction.atomic():
        transaction.on_commit(lambda: ran.append("kept"))
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                transaction.on_commit(lambda: ran.append("lost"))
                raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            transaction.on_commit(lambda: ran.append("lost"))
            raise ZeroDivisionError

    assert ran == ["kept"]


async def test_outside_a_transaction_it_runs_at_once(database: Database) -> None:
    transaction.on_commit(lambda: ran.append("sync"))
    await transaction.on_commit(lambda: ran.append("awaited"))
    await transaction.on_commit(mail)

    assert ran == ["sync", "awaited", "mail"]


async def test_what_a_lambda_calls_runs_outside_a_transaction_as_inside(database: Database) -> None:
    """The documented ``on_commit(lambda: channel("x").publish(…))``: the lambda is sync, and what it calls is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await transaction.on_commit(lambda: mail())
        async with transaction.atomic():
            transaction.on_commit(lambda: mail())
        gc.collect()

    assert ran == ["mail", "mail"]


async def test_a_lambda_that_is_never_awaited_outside_is_a_warning_with_the_place(database: Database) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transaction.on_commit(lambda: mail())
        gc.collect()

    texts = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert any("test_on_commit.py:" in text and "lambda" in text for text in texts)
    assert ran == []


async def test_an_async_function_that_is_never_awaited_outside_is_a_warning_with_the_place(database: Database) -> None:
    # What another test has left is told now, and not as one of the warnings below.
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transaction.on_commit(mail)
        gc.collect()

    texts = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert len(texts) == 1
    assert "test_on_commit.py:" in texts[0]
    assert "mail" in texts[0]
    assert ran == []


async def test_inside_a_transaction_it_needs_no_await(database: Database) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with transaction.atomic():
            transaction.on_commit(mail)
        gc.collect()

    assert ran == ["mail"]


@pytest.mark.row("transactions.on_commit")
async def test_a_failing_function_is_told_after_the_commit_unless_it_is_robust(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await database.execute("CREATE TABLE things (id integer)")

    def fail() -> None:
        raise ZeroDivisionError

    async with transaction.atomic():
        await database.execute("INSERT INTO things VALUES (1)")
        transaction.on_commit(fail, robust=True)
        transaction.on_commit(lambda: ran.append("next"))
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            await database.execute("INSERT INTO things VALUES (2)")
            transaction.on_commit(fail)

    assert ran == ["next"]
    assert "An on_commit function failed" in caplog.text
    assert (await database.fetch("SELECT COUNT(*) FROM things"))[0][0] == 2


@pytest.mark.row("transactions.on_commit")
async def test_outside_a_transaction_too_an_error_of_a_robust_function_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def fail_later() -> None:
        raise ZeroDivisionError

    def told() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == "covet.db.transaction"]

    ways: list[Callable[[], Any]] = [fail, fail_later, lambda: fail_later()]
    for number, function in enumerate(ways, 1):
        await transaction.on_commit(function, robust=True)
        assert [record.message for record in told()] == ["An on_commit function failed"] * number
        last = told()[-1].exc_info
        assert last is not None and last[0] is ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            await transaction.on_commit(function)
    transaction.on_commit(fail, robust=True)
    assert len(told()) == 4


async def test_a_robust_function_lets_cancellation_pass(database: Database) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await transaction.on_commit(cancelled, robust=True)


async def test_a_function_may_open_a_transaction_of_its_own(database: Database) -> None:
    async def work() -> None:
        async with transaction.atomic(durable=True):
            transaction.on_commit(lambda: ran.append("second"))
        ran.append("first done")

    async with transaction.atomic():
        transaction.on_commit(work)

    assert ran == ["second", "first done"]


async def test_after_the_block_it_raises(database: Database) -> None:
    gate = asyncio.Event()

    async def late() -> None:
        await gate.wait()
        transaction.on_commit(mail)

    async with transaction.atomic():
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
    gate.set()

    with pytest.raises(TransactionManagementError, match="had ended"):
        await task


async def test_something_that_is_no_function_is_refused(database: Database) -> None:
    with pytest.raises(TypeError, match="takes a function"):
        transaction.on_commit(5)  # type: ignore[arg-type]


async def test_what_waited_for_a_commit_runs_although_the_task_was_cancelled_at_it(database: Database) -> None:
    """The rows are there; a mail about them that is never sent would be missed."""

    async def work() -> None:
        async with transaction.atomic():
            await database.fetch("SELECT 1")
            await transaction.on_commit(mail)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ran == ["mail"]
