"""COMMIT and ROLLBACK run to their end, and still cannot hang for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.db import transaction
from covet.db.backends.uncancelled import uncancelled
from covet.db.errors import ConnectionLost, DatabaseError, TransactionManagementError, UniqueViolation

if TYPE_CHECKING:
    from covet.db.backends.driver import Connection
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


class Gate:
    """A lock of PostgreSQL that each commit of the test waits for: it lasts until the test lets it end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def shut(cls, database: Database) -> Gate:
        """Shut one, and have the commits of what is inserted into ``things`` wait at it."""
        await database.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$"
        )
        # By its name it is called before the one that looks for equal numbers.
        await database.execute(
            'CREATE CONSTRAINT TRIGGER "A_slow" AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED '
            "FOR EACH ROW EXECUTE FUNCTION slow()"
        )
        gate = cls(await database.driver.connect())
        await gate._connection.fetch("SELECT pg_advisory_lock(1)", ())
        return gate

    async def until(self, *conditions: str) -> None:
        """Wait until one other connection to the database is in this state."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND " + " AND ".join(conditions)
        async with asyncio.timeout(60):
            while not (await self._connection.fetch(sql, ()))[0][0]:
                await asyncio.sleep(0.001)

    async def reached(self) -> None:
        """Wait until a commit stands at it."""
        await self.until("wait_event_type = 'Lock'", "wait_event = 'advisory'")

    async def open(self) -> None:
        """Let the commits end."""
        await self._connection.fetch("SELECT pg_advisory_unlock(1)", ())

    async def close(self) -> None:
        """Give its connection back, and the lock with it."""
        await self._connection.close()


@pytest.mark.vendors("postgresql")  # needs a commit that takes long: a deferred trigger of PostgreSQL
async def test_a_commit_that_is_cancelled_half_way_is_still_a_commit(database: Database) -> None:
    await database.execute("CREATE TABLE things (id integer)")
    gate = await Gate.shut(database)
    ran: list[str] = []

    async def work() -> None:
        async with transaction.atomic():
            await database.execute("INSERT INTO things VALUES (1)")
            transaction.on_commit(lambda: ran.append("hook"))

    try:
        working = asyncio.create_task(work())
        await gate.reached()
        working.cancel()
        await gate.open()
        with pytest.raises(asyncio.CancelledError):
            await working
    finally:
        await gate.close()

    assert len(await database.fetch("SELECT id FROM things")) == 1
    assert ran == ["hook"]
    async with transaction.atomic():
        assert len(await database.fetch("SELECT id FROM things")) == 1


@contextlib.asynccontextmanager
async def slow_commit(database: Database) -> AsyncIterator[tuple[Connection, Gate]]:
    """A connection in a transaction whose commit waits at the gate, and then finds two equal numbers."""
    await database.execute("CREATE TABLE things (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    gate = await Gate.shut(database)
    pool = database.writer_pool
    connection = await pool.acquire()
    try:
        await connection.begin()
        await connection.execute("INSERT INTO things VALUES ($1)", (1,))
        yield connection, gate
    finally:
        await gate.close()
        pool.release_after(connection, TimeoutError())


@pytest.mark.vendors("postgresql")  # needs a commit that takes long: a deferred trigger of PostgreSQL
async def test_a_commit_that_fails_says_so_though_it_was_cancelled(database: Database) -> None:
    async with slow_commit(database) as (connection, gate):
        await connection.execute("INSERT INTO things VALUES ($1)", (1,))
        commit = asyncio.ensure_future(connection.commit_uncancelled())
        await gate.reached()
        commit.cancel()
        await gate.open()
        with pytest.raises(Exception, match="duplicate key") as caught:
            await commit

    assert isinstance(database.driver.translate(caught.value, "COMMIT"), UniqueViolation)
    assert not await database.fetch("SELECT id FROM things")


@pytest.mark.vendors("postgresql")  # asyncpg waits for the end of a cancelled statement before it sends another
async def test_a_commit_that_was_cancelled_before_it_left_leaves_all_the_same(database: Database) -> None:
    async with slow_commit(database) as (connection, gate):
        # Its end takes a while: so the cancellation meets the commit where that waits for it.
        slow = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(60)", ()))
        await gate.until("wait_event = 'PgSleep'")
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        commit = asyncio.ensure_future(connection.commit_uncancelled())
        await asyncio.sleep(0)
        commit.cancel()
        # The cancelled statement has broken the transaction: the server says so to a COMMIT, and to nothing else.
        with pytest.raises(TransactionManagementError, match="COMMIT rolled the transaction back"):
            await commit
        assert not connection.in_transaction
    assert not await database.fetch("SELECT id FROM things")


@pytest.mark.vendors("postgresql")  # needs a commit that takes long: a deferred trigger of PostgreSQL
async def test_a_cancelled_commit_that_takes_too_long_is_ended_by_force(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covet.db.backends.uncancelled.SETTLE_S", 0.02)
    async with slow_commit(database) as (connection, gate):
        commit = asyncio.ensure_future(connection.commit_uncancelled())
        await gate.reached()
        commit.cancel()
        commit.cancel()
        # Cancelling a test that waits for it would not end it either.
        await asyncio.wait([commit], timeout=60)
        assert commit.done()
        with pytest.raises(Exception, match="connection") as caught:
            await commit
        assert isinstance(database.driver.translate(caught.value, "COMMIT"), ConnectionLost)


@pytest.mark.vendors("postgresql")  # the others drive the coroutine
async def test_a_cancelled_commit_that_ends_in_time_leaves_no_timer_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would cut the connection later, when that is somebody else's."""
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    made: list[tuple[Any, asyncio.TimerHandle]] = []

    def noted(delay: float, function: Any, *args: Any, **named: Any) -> asyncio.TimerHandle:
        handle = call_later(delay, function, *args, **named)
        made.append((function, handle))
        return handle

    async with slow_commit(database) as (connection, gate):
        commit = asyncio.ensure_future(connection.commit_uncancelled())
        await gate.reached()
        monkeypatch.setattr(loop, "call_later", noted)
        commit.cancel()
        await asyncio.sleep(0)
        commit.cancel()
        await gate.open()
        with pytest.raises(asyncio.CancelledError):
            await commit

        assert [handle.cancelled() for function, handle in made if function == connection.terminate] == [True]
        assert not connection.is_closed
    assert len(await database.fetch("SELECT id FROM things")) == 1


@pytest.mark.vendors("postgresql")  # the others drive the coroutine
async def test_a_commit_that_is_closed_from_outside_is_not_taken_for_one(database: Database) -> None:
    async with slow_commit(database) as (connection, gate):
        commit = asyncio.ensure_future(connection.commit_uncancelled())
        await gate.reached()
        steps: Any = commit.get_coro()
        with pytest.raises(ConnectionLost, match="nobody knows"):
            steps.throw(asyncio.CancelledError)
        assert connection.is_closed
        commit.cancel()
        await asyncio.wait([commit])


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
