"""Reads of many tasks on one connection of SQLite: long ones do not hold up the others, cancelled ones do not harm them."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import aiosqlite.core
import pytest
from msgspec.structs import replace

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.direct import Gate, Prompt
from covet.db.backends.sqlite.worker import Worker
from covet.db.database import Database
from covet.db.errors import DatabaseError, PoolTimeout
from tests.db._patience import waiting_at_most

pytestmark = [pytest.mark.row("connections.pool"), pytest.mark.vendors("sqlite")]

ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000000) SELECT COUNT(*) FROM c"
)
ONE = "SELECT id FROM number WHERE id = ?"


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE number (id integer PRIMARY KEY)")
    await database.execute_many("INSERT INTO number VALUES (?)", [(number,) for number in range(100)])
    await database.fetch(ONE, (1,))
    yield database


def readers(db: Database) -> int:
    assert db._readers is not None
    return db._readers.size


async def one(db: Database, number: int) -> int:
    return int((await db.fetch(ONE, (number,)))[0][0])


async def test_many_tasks_read_by_one_connection_and_get_their_own_rows(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a machine with much to do a short read may look like a long one, and gets a connection of its own then.
    monkeypatch.setattr("covet.db.backends.sqlite.sharing._LONG_S", 600.0)
    assert await asyncio.gather(*[one(db, number % 100) for number in range(300)]) == [n % 100 for n in range(300)]
    assert readers(db) == 1
    assert db._readers is not None
    assert db._readers.in_use == 0


async def test_a_long_statement_does_not_hold_up_those_behind_it(db: Database) -> None:
    short = "SELECT COUNT(*) FROM number"
    await db.fetch(short)
    # As if it had been seen before: it takes the shared way, and the rest queues behind it.
    db._routes[ENDLESS] = db._routes[short]
    long = asyncio.create_task(db.fetch(ENDLESS))
    await asyncio.sleep(0)
    assert await asyncio.gather(*[one(db, number) for number in range(30)]) == list(range(30))
    assert await one(db, 7) == 7
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await one(db, 8) == 8
    assert readers(db) <= 4


async def test_a_cancelled_read_that_is_still_queued_keeps_no_connection_when_the_others_move(db: Database) -> None:
    db._routes[ENDLESS] = db._routes[ONE]
    long = asyncio.create_task(db.fetch(ENDLESS))
    await asyncio.sleep(0)
    cancelled, behind = asyncio.create_task(one(db, 1)), asyncio.create_task(one(db, 2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    shared: Any = db._shared
    # Nothing has been handed over so far: no turn of the loop was long enough.
    assert shared._lead.jobs == 2

    assert await behind == 2
    long.cancel()
    await asyncio.wait([long])

    assert db._readers is not None
    async with asyncio.timeout(60):
        while db._readers.in_use:
            await asyncio.sleep(0.001)
    assert readers(db) == 2


async def test_cancelled_reads_do_not_disturb_their_neighbours(db: Database) -> None:
    chance = random.Random(7)
    db._routes[ENDLESS] = db._routes[ONE]

    async def reader(number: int) -> int:
        for _ in range(20):
            assert await one(db, number) == number
        return number

    async def victim(number: int) -> None:
        task = asyncio.create_task(db.fetch(ENDLESS if number % 5 == 0 else ONE, () if number % 5 == 0 else (1,)))
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    numbers = list(range(40))
    async with asyncio.timeout(60):
        found = await asyncio.gather(*[reader(number) for number in numbers], *[victim(number) for number in numbers])
    assert found[:40] == numbers
    assert await one(db, 3) == 3


async def test_streams_and_shared_reads_leave_each_other_a_connection(db: Database) -> None:
    config = replace(db.config, pool=replace(db.config.pool, max_size=2, timeout_s=60.0))
    small = Database("default", config)
    await small.fetch(ONE, (1,))

    async def stream() -> int:
        return sum([len(rows) async for rows in small.stream("SELECT id FROM number", chunk_size=10)])

    async def reader() -> None:
        for number in range(50):
            assert await one(small, number) == number

    try:
        found = await asyncio.gather(*[stream() for _ in range(6)], *[reader() for _ in range(8)])
        assert found[:6] == [100] * 6
    finally:
        await small.close()


async def test_reads_wait_in_vain_together_and_then_go_on(db: Database) -> None:
    config = replace(db.config, pool=replace(db.config.pool, max_size=2))
    small = Database("default", config)
    await small.fetch(ONE, (1,))
    streams = [small.stream("SELECT id FROM number", chunk_size=1) for _ in range(2)]
    for each in streams:
        await anext(aiter(each))
    with waiting_at_most(small, 0.1):
        found = await asyncio.gather(*[one(small, 1) for _ in range(5)], return_exceptions=True)
    assert all(isinstance(error, PoolTimeout) for error in found)
    for each in streams:
        await each.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert await one(small, 1) == 1
    await small.close()


async def test_errors_belong_to_who_asked_and_writes_are_seen(db: Database) -> None:
    wrong = "SELECT id FROM number WHERE id = ? AND json_extract(?, '$') = 1"
    await db.fetch(wrong, (1, "1"))
    found = await asyncio.gather(
        *[db.fetch(wrong, (1, "{")) for _ in range(5)],
        *[one(db, number) for number in range(5)],
        return_exceptions=True,
    )
    assert all(isinstance(error, DatabaseError) for error in found[:5])
    assert found[5:] == [0, 1, 2, 3, 4]
    await db.execute("INSERT INTO number VALUES (1000)")
    assert await one(db, 1000) == 1000
    async with transaction.atomic():
        await db.execute("INSERT INTO number VALUES (1001)")
        assert await one(db, 1001) == 1001


async def test_closing_waits_for_shared_reads(db: Database) -> None:
    tasks = [asyncio.create_task(one(db, number)) for number in range(20)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*tasks) == list(range(20))
    assert await one(db, 5) == 5


async def test_an_answer_is_not_held_back_by_a_long_statement_behind_it(db: Database) -> None:
    short = "SELECT COUNT(*) FROM number"
    await db.fetch(short)
    db._routes[ENDLESS] = db._routes[short]
    # Read in the same breath: the first is answered while the endless one waits in the queue already.
    first = asyncio.create_task(db.fetch(short))
    long = asyncio.create_task(db.fetch(ENDLESS))
    async with asyncio.timeout(60):
        assert (await first)[0][0] == 100
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_an_answer_that_ends_a_task_by_force_does_not_take_the_others_with_it(db: Database) -> None:
    loop = asyncio.get_running_loop()
    assert db._readers is not None
    worker = db._readers.kept[0].worker  # type: ignore[attr-defined]  # a connection of SQLite
    gate = Gate(loop)
    first, second = Prompt(gate), Prompt(gate)
    raised: list[BaseException] = []

    def stop(future: object) -> None:
        raise SystemExit(3)

    first.add_done_callback(stop)
    worker._done.extend([(first, 1, None), (second, 2, None)])

    def take() -> None:
        try:
            worker.hand_over()
        except SystemExit as error:
            raised.append(error)

    loop.call_soon(take)
    assert await second == 2
    assert len(raised) == 1


async def test_the_thread_outlives_a_loop_that_was_closed(db: Database) -> None:
    queue: SimpleQueue[object] = SimpleQueue()
    gone = asyncio.new_event_loop()
    worker = Worker(queue, gone)
    gone.close()
    waiting: list[Any] = [Prompt(Gate(gone)), asyncio.Future(loop=gone)]
    for future in waiting:
        queue.put((future, lambda: 1))
    queue.put((None, lambda: aiosqlite.core._STOP_RUNNING_SENTINEL))
    thread = Thread(target=worker.run)
    thread.start()
    await asyncio.to_thread(thread.join, 60)
    assert not thread.is_alive()
    assert not worker._done


async def test_what_wakes_the_loop_is_closed_with_its_connection(db: Database) -> None:
    assert db._readers is not None
    worker = db._readers.kept[0].worker  # type: ignore[attr-defined]  # a connection of SQLite
    loop = asyncio.get_running_loop()
    wakes = worker._wakes
    assert wakes is not None
    assert (await db.fetch("SELECT 1"))[0][0] == 1
    await db.close()

    assert worker._wakes is None
    assert not loop.remove_reader(wakes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(wakes)


async def test_what_wakes_the_loop_is_closed_before_the_end_is_told(db: Database) -> None:
    """Who waited for the end may close the loop at once, and nothing would be closed in it any more."""
    loop = asyncio.new_event_loop()
    told: list[Any] = []
    loop.call_soon_threadsafe = lambda function, *_args, **_context: told.append(function)  # type: ignore[method-assign,assignment]
    queue: SimpleQueue[object] = SimpleQueue()
    worker = Worker(queue, loop)
    queue.put((loop.create_future(), lambda: aiosqlite.core._STOP_RUNNING_SENTINEL))
    worker.run()

    assert told == [worker._close, aiosqlite.core.set_result]
    assert worker._wakes is not None
    worker._close(worker._wakes)
    loop.close()


async def test_a_loop_inside_the_loop_may_take_the_answers_first(db: Database) -> None:
    """As in notebooks: what the outer one was woken for is gone when its turn comes."""
    assert db._readers is not None
    worker = db._readers.kept[0].worker  # type: ignore[attr-defined]  # a connection of SQLite
    worker.hand_over(worker._wakes)

    assert (await db.fetch("SELECT 1"))[0][0] == 1


async def test_loops_that_have_nothing_of_their_own_are_woken_in_the_usual_way(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "eventfd")
    database = Database("default", parse_database(f"sqlite:///{tmp_path / 'plain.sqlite3'}"))
    try:
        assert [row[0] for row in await database.fetch("SELECT 1 UNION SELECT 2")] == [1, 2]
        assert database._readers is not None
        assert database._readers.kept[0].worker._wakes is None  # type: ignore[attr-defined]  # a connection of SQLite
        found = await asyncio.gather(*[database.fetch(f"SELECT {number}") for number in range(20)])
        assert [rows[0][0] for rows in found] == list(range(20))
    finally:
        await database.close()
