"""One database and several event loops: a script that calls ``asyncio.run`` again and again, a thread beside the server."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.sqlite.driver import SQLiteConnection
from covet.db.database import Database
from covet.db.errors import TransactionManagementError

SCRIPT = """
import asyncio, sys, threading
from covet.conf import settings

settings.configure(DATABASES={"default": sys.argv[1]}, INSTALLED_APPS=[])
from covet.db import connections
from covet.db.errors import InterfaceError

db = connections["default"]
insert = f"INSERT INTO things (id) VALUES ({db.dialect.placeholder(1)})"
count = "SELECT count(*) FROM things"


def numbers(rows, alias, mode):
    return [row[0] for row in rows]


async def work(number):
    await db.insert(insert, (number,))
    await db.execute(insert, (-number,))
    (made,) = await db.fetch_made(count, (), numbers, None)
    assert made == (await db.fetch(count))[0][0]
    return made


# Each asyncio.run() has a loop of its own, and none of them closes anything.
asyncio.run(db.execute("CREATE TABLE things (id integer)"))
print([asyncio.run(work(number)) for number in (1, 2, 3)])


async def beside():
    print(await work(4))
    refused = []

    def run(statement):
        try:
            asyncio.run(statement)
        except InterfaceError as error:
            refused.append("is open in another event loop" in str(error))

    for statement in (db.fetch(count), db.insert(insert, (5,)), db.execute(insert, (5,)), db.fetch_made(count, (), numbers, None)):
        thread = threading.Thread(target=run, args=(statement,))
        thread.start()
        await asyncio.to_thread(thread.join)
    print(refused, (await db.fetch(count))[0][0])
    await db.close()


asyncio.run(beside())
"""


@pytest.mark.row("connections.pool")
async def test_known_statements_meet_the_connections_of_no_other_loop(vendor: str, scratch: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, await scratch(vendor)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)

    assert (ended.stdout, ended.stderr) == ("[2, 4, 6]\n8\n[True, True, True, True] 8\n", "")


async def in_a_block(database: Database) -> Any:
    async with transaction.atomic(using=database):
        return await database.fetch("SELECT 1")


async def in_chunks(database: Database) -> Any:
    return [chunk async for chunk in database.stream("SELECT 1")]


WORK: list[Callable[[Database], Coroutine[Any, Any, Any]]] = [
    lambda database: database.fetch("SELECT 1"),
    lambda database: database.execute("INSERT INTO things (id) VALUES (8)"),
    in_a_block,
    in_chunks,
]


@pytest.mark.parametrize("work", WORK, ids=["fetch", "execute", "atomic", "stream"])
@pytest.mark.parametrize("is_pinned", [False, True])
async def test_a_block_is_of_no_use_to_another_loop(vendor: str, scratch: Any, work: Any, is_pinned: bool) -> None:
    """``to_thread(asyncio.run, …)`` takes the block along, whose connection would give one loop the answers of the other."""
    database = Database("main", parse_database(await scratch(vendor)))
    await database.execute("CREATE TABLE things (id integer)")

    def run() -> Any:
        return asyncio.run(work(database))

    async with transaction.atomic(using=database) if not is_pinned else database.pinned():
        await database.execute("INSERT INTO things (id) VALUES (7)")
        with pytest.raises(
            TransactionManagementError, match=r"belongs to another event loop.*await the coroutine"
        ) as caught:
            await asyncio.to_thread(run)
        assert re.match(
            r"The atomic block opened at \S+:\d+ belongs .* in which .* runs a statement", str(caught.value)
        )
        assert [tuple(row) for row in await database.fetch("SELECT id + 0 FROM things")] == [(7,)]

    assert [tuple(row) for row in await database.fetch("SELECT id FROM things")] == ([] if is_pinned else [(7,)])
    await database.close()


class Guest(asyncio.SelectorEventLoop):
    """A loop that runs inside another program's, and keeps no note of its thread as asyncio's own do."""

    _thread_id = property(lambda self: None, lambda self, number: None)


def test_a_loop_that_does_not_say_in_which_thread_it_runs_keeps_its_connections(tmp_path: Path) -> None:
    database = Database("main", parse_database(f"sqlite:///{tmp_path}/x.sqlite3"))

    async def work() -> None:
        await database.execute("CREATE TABLE things (id integer)")
        pool = database.writer_pool
        async with transaction.atomic(using=database):
            await database.execute("INSERT INTO things (id) VALUES (7)")
            assert len(await database.fetch("SELECT id FROM things")) == 1
        assert len(await database.fetch("SELECT id FROM things")) == 1
        assert database.writer_pool is pool
        await database.close()

    loop = Guest()
    loop.run_until_complete(work())
    loop.close()


@pytest.mark.parametrize("behind", ["close", "open"])
def test_connections_of_a_loop_that_is_closed_are_cut_by_whoever_comes_next(behind: str, tmp_path: Path) -> None:
    """SQLite's have a thread each, which would run on for ever."""
    database = Database("main", parse_database(f"sqlite:///{tmp_path}/x.sqlite3"))

    async def work() -> list[Any]:
        await database.execute("CREATE TABLE things (id integer)")
        await database.fetch("SELECT 1")
        pools = filter(None, (database.writer_pool, database.spare_pool))
        return [connection for pool in pools for connection in pool.kept]

    left = asyncio.run(work())
    asyncio.run(getattr(database, behind)())

    assert len(left) == 2
    assert [connection.is_closed for connection in left] == [True, True]
    asyncio.run(database.close())


def test_a_connection_that_cannot_even_be_cut_is_told_and_hinders_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database("main", parse_database(f"sqlite:///{tmp_path}/x.sqlite3"))
    cut = SQLiteConnection.terminate

    def fails(connection: SQLiteConnection) -> None:
        cut(connection)
        raise RuntimeError("Event loop is closed")

    async def come_next() -> None:
        with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG, "covet.db.backends"):
            patch.setattr(SQLiteConnection, "terminate", fails)
            await database.open()
        assert (await database.fetch("SELECT 1"))[0][0] == 1
        await database.close()

    asyncio.run(database.execute("CREATE TABLE things (id integer)"))
    asyncio.run(come_next())

    (told,) = [record for record in caplog.records if "closed event loop" in record.getMessage()]
    assert told.exc_info is not None and "Event loop is closed" in str(told.exc_info[1])
