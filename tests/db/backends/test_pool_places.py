"""Places in a pool: who gets the next one, whatever is cancelled, fails or is closed in that moment, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from covet.conf.service_url import PoolConfig, parse_database
from covet.db.backends.driver import Connection
from covet.db.backends.pool import Pool
from covet.db.backends.sqlite.driver import SQLiteDriver
from covet.db.errors import ConnectionFailed, InterfaceError

Make = Callable[..., Pool]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """``make(before, max_size=1)``: a pool of real connections; ``before`` is awaited before each is opened."""
    driver = SQLiteDriver(parse_database(f"sqlite:///{tmp_path}/x.db"), "x")
    made: list[Pool] = []

    def build(before: Callable[[], Any] | None = None, **limits: Any) -> Pool:
        async def connect() -> Connection:
            if before is not None:
                await before()
            return await driver.connect()

        made.append(Pool(connect, PoolConfig(timeout_s=30, **limits), alias="x"))
        return made[-1]

    yield build
    for pool in made:
        await pool.close(30)


async def begun(pool: Pool) -> asyncio.Task[Connection]:
    """Return a task that waits in the queue of a pool."""
    task = asyncio.create_task(pool.acquire())
    while not pool.waiting:
        await asyncio.sleep(0)
    return task


async def test_a_connection_given_to_a_task_that_is_cancelled_at_once_goes_to_the_next(make: Make) -> None:
    pool = make(max_size=1)
    lent = await pool.acquire()
    waits = await begun(pool)

    pool.release(lent)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits

    assert pool.in_use == 0
    assert await pool.acquire() is lent
    pool.release(lent)


async def test_leave_to_open_a_connection_is_passed_on_by_a_task_that_is_cancelled_at_once(make: Make) -> None:
    pool = make(max_size=1)
    lent = await pool.acquire()
    waits = await begun(pool)

    lent.terminate()
    pool.release_after(lent, ConnectionResetError())
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits

    assert pool.size == 0
    pool.release(await pool.acquire())


async def test_the_place_of_a_connection_that_cannot_be_opened_goes_to_who_waits_for_one(make: Make) -> None:
    fail = asyncio.Event()
    attempts = 0

    async def first_fails() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await fail.wait()
            raise ConnectionFailed("Nobody there.", alias="x")

    pool = make(first_fails, max_size=1)
    opens = asyncio.create_task(pool.acquire())
    waits = await begun(pool)
    fail.set()

    with pytest.raises(ConnectionFailed):
        await opens
    pool.release(await waits)
    assert attempts == 2


async def test_a_driver_that_gives_up_by_itself_is_not_told_as_a_full_pool(make: Make) -> None:
    async def gives_up() -> None:
        raise TimeoutError("The name was not found in time.")

    with pytest.raises(TimeoutError, match="The name was not found"):
        await make(gives_up).acquire()


async def test_a_connection_that_opens_behind_the_end_of_its_pool_is_closed(make: Make) -> None:
    go_on = asyncio.Event()
    pool = make(go_on.wait)
    opens = asyncio.create_task(pool.acquire())
    while not pool.size:
        await asyncio.sleep(0)

    await pool.close(0)
    go_on.set()

    with pytest.raises(InterfaceError, match="closed, or closing"):
        await opens
    assert pool.size == 0


async def test_a_pool_is_closed_in_the_turn_in_which_its_last_work_ends(make: Make) -> None:
    """From Python 3.12 on it went round for ever, and no time-out could end it: the loop had no turn."""
    pool = make()
    over = asyncio.get_running_loop().create_future()

    async def work() -> None:
        over.set_result(None)

    ended = pool.later(work())
    await over
    assert ended.done()
    assert pool._tasks, "the test is about the moment before it is taken out"

    await pool.close(30)

    assert not pool._tasks


async def test_a_dirty_connection_that_has_lived_long_enough_is_not_cleaned_but_closed(make: Make) -> None:
    pool = make(max_lifetime_s=60)
    old, young = await pool.acquire(), await pool.acquire()
    old.opened_at -= 61
    for connection in (old, young):
        connection.is_dirty = True
        pool.release(connection)
    await pool._end_tasks()

    assert old.is_closed and not young.is_closed
    assert pool.kept == [young]


async def test_of_idle_connections_as_many_are_kept_as_the_pool_is_to_have(make: Make) -> None:
    pool = make(min_size=2, max_size=5, max_idle_s=60)
    for connection in [await pool.acquire() for _ in range(5)]:
        pool.release(connection)

    pool._sweep()
    pool._sweep()
    for connection in pool._parked:
        connection.idle_since -= 61
    pool._sweep()
    await pool._end_tasks()

    assert pool.size == 2
