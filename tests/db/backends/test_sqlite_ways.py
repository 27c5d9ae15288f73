"""How SQLite is used: WAL, a busy time-out, foreign keys, one writer that begins IMMEDIATE, readers beside it, one hop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from covet.conf.service_url import PoolConfig, parse_database
from covet.db import transaction
from covet.db.backends.sqlite.driver import SQLiteConnection
from covet.db.database import Database
from covet.db.errors import DatabaseError, ForeignKeyViolation, OperationalError, PoolTimeout
from tests.db._patience import waiting_at_most

pytestmark = pytest.mark.row("connections.setup", on="sqlite")


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Database, Database]]:
    """One file, opened twice, as two processes would."""
    config = parse_database(f"sqlite:///{tmp_path / 'shared.sqlite3'}")
    databases = Database("first", config), Database("second", config)
    await databases[0].execute("CREATE TABLE counter (n integer)")
    await databases[0].execute("INSERT INTO counter VALUES (0)")
    yield databases
    for one in databases:
        await one.close()


async def test_sessions_are_set_up_for_many_users(two: tuple[Database, Database]) -> None:
    db, _ = two
    for frame in ("reader", "writer"):
        asked = []
        for name in ("journal_mode", "foreign_keys", "busy_timeout"):
            if frame == "reader":
                asked.append((await db.fetch(f"PRAGMA {name}"))[0][0])
            else:
                async with transaction.atomic(db):
                    asked.append((await db.fetch(f"PRAGMA {name}"))[0][0])
        mode, keys, wait_ms = asked
        assert (mode, keys) == ("wal", 1)
        assert wait_ms > 0
    await db.execute("CREATE TABLE owner (id integer PRIMARY KEY)")
    await db.execute("CREATE TABLE pet (owner_id integer REFERENCES owner (id))")
    with pytest.raises(ForeignKeyViolation):
        await db.execute("INSERT INTO pet VALUES (5)")


async def test_transactions_that_read_and_then_write_lose_no_update(two: tuple[Database, Database]) -> None:
    async def count(db: Database) -> None:
        for _ in range(15):
            async with transaction.atomic(db):
                ((number,),) = await db.fetch("SELECT n FROM counter")
                await asyncio.sleep(0)
                await db.execute("UPDATE counter SET n = ?", (number + 1,))

    await asyncio.gather(*[count(db) for db in two for _ in range(2)])

    assert await two[0].fetch("SELECT n FROM counter") == [(60,)]


async def test_a_transaction_takes_the_write_lock_when_it_begins(two: tuple[Database, Database]) -> None:
    first, second = two
    begun: list[str] = []

    async def other() -> None:
        async with transaction.atomic(second):
            begun.append("second")

    async with transaction.atomic(first):
        waiting = asyncio.create_task(other())
        for _ in range(20):
            await first.fetch("SELECT n FROM counter")
        assert begun == []
    await waiting
    assert begun == ["second"]


async def test_there_is_one_writer_and_readers_go_on_beside_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.sqlite3'}"
    db = Database("only", parse_database(url))
    await db.execute("CREATE TABLE note (n integer)")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with transaction.atomic(db):
            await db.execute("INSERT INTO note VALUES (1)")
            entered.set()
            await leave.wait()

    writer = asyncio.create_task(write())
    await entered.wait()
    # What is not committed yet is not seen, and nobody who reads waits for it.
    assert [await asyncio.gather(*[db.fetch("SELECT n FROM note") for _ in range(8)])] == [[[]] * 8]
    with waiting_at_most(db, 0.2), pytest.raises(PoolTimeout, match="SQLite writes by one connection at a time"):
        await db.execute("INSERT INTO note VALUES (2)")
    leave.set()
    await writer
    assert await db.fetch("SELECT n FROM note") == [(1,)]
    await db.close()


async def test_readers_read_at_the_same_time(tmp_path: Path) -> None:
    db = Database("many", parse_database(f"sqlite:///{tmp_path / 'many.sqlite3'}"))
    await db.fetch("SELECT 1")
    slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 200000) SELECT count(*) FROM c"
    assert await asyncio.gather(*[db.fetch(slow) for _ in range(3)]) == [[(200000,)]] * 3

    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    tasks = [asyncio.create_task(db.fetch(endless)) for _ in range(2)]
    assert db._readers is not None
    async with asyncio.timeout(60):
        while db._readers.in_use < 2:
            await asyncio.sleep(0)
        assert await db.fetch(slow) == [(200000,)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await db.close()


async def test_a_statement_that_is_cancelled_before_it_begins_does_not_run_to_its_end(
    two: tuple[Database, Database],
) -> None:
    connection = await two[0].driver.connect()
    assert isinstance(connection, SQLiteConnection)
    gate = threading.Event()
    try:
        earlier = asyncio.create_task(connection._hop(lambda raw: gate.wait()))
        endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
        waiting = asyncio.create_task(connection.fetch(endless, ()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        gate.set()
        await earlier
        async with asyncio.timeout(30):
            await connection.settle()
        assert await connection.fetch("SELECT 1", ()) == [(1,)]
    finally:
        connection.terminate()


async def test_what_was_opened_for_a_task_that_was_cancelled_is_closed(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own thread, and not by whatever collects it: Python 3.13 warns of that."""
    opened: list[sqlite3.Connection] = []
    threads: list[threading.Thread] = []
    begun, gate = threading.Event(), threading.Event()
    connect = sqlite3.connect

    def slow(*args: Any, **named: Any) -> sqlite3.Connection:
        threads.append(threading.current_thread())
        begun.set()
        gate.wait()
        opened.append(connect(*args, **named))
        return opened[0]

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", slow)
        task = asyncio.create_task(two[0].driver.connect())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.wait({task})
        gate.set()
        await asyncio.to_thread(threads[0].join)
    assert task.cancelled()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


async def test_a_reader_cannot_write(two: tuple[Database, Database]) -> None:
    reader = await two[0].driver.connect(read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.execute("INSERT INTO counter VALUES (1)", ())
    await reader.close()


async def test_a_statement_crosses_to_the_thread_once(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    db, _ = two
    for sql in ("SELECT n FROM counter", "UPDATE counter SET n = ?", "INSERT INTO counter VALUES (?)"):
        await db.fetch(sql) if sql[0] == "S" else await db.execute(sql, (1,))
    hops: list[Any] = []
    hop = SQLiteConnection._hop

    async def counted(self: SQLiteConnection, function: Any, *args: Any) -> Any:
        hops.append(function)
        return await hop(self, function, *args)

    monkeypatch.setattr(SQLiteConnection, "_hop", counted)

    await db.execute("UPDATE counter SET n = ?", (2,))
    assert len(hops) == 1
    await db.insert("INSERT INTO counter VALUES (?)", (3,))
    assert len(hops) == 2
    await db.execute_many("INSERT INTO counter VALUES (?)", [(4,), (5,)])
    assert len(hops) == 3
    async with transaction.atomic(db):
        await db.fetch("SELECT n FROM counter")
        await db.execute("UPDATE counter SET n = ?", (6,))
    assert len(hops) == 7  # BEGIN, both statements, COMMIT


_NUMBERS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {}) SELECT x FROM c"


@pytest.mark.parametrize("where", ["file", "memory"])
async def test_a_cancelled_block_with_a_stream_lets_go_of_the_write_lock(tmp_path: Path, where: str) -> None:
    """An interrupted connection does nothing more, not even ROLLBACK, as long as rows are being read; a closed one keeps its locks."""
    url = f"sqlite:///{tmp_path / 'read.db'}?busy_timeout=0" if where == "file" else "sqlite://:memory:"
    db = Database("main", parse_database(url))
    await db.execute("CREATE TABLE item (n integer)")
    kept: list[Any] = []
    running = asyncio.Event()

    async def work() -> None:
        async with transaction.atomic(db):
            await db.execute("INSERT INTO item VALUES (1)")
            rows = db.stream(_NUMBERS.format(1000), (), 10)
            kept.append(rows)
            await anext(rows)
            running.set()
            await db.fetch(_NUMBERS.format(10**9))

    task = asyncio.create_task(work())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert kept
    await db.execute("INSERT INTO item VALUES (2)")
    assert await db.fetch("SELECT n FROM item") == [(2,)]
    await db.close()


async def test_a_connection_that_is_closed_while_rows_are_read_keeps_no_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'read.db'}?busy_timeout=0"
    config = replace(parse_database(url), pool=PoolConfig(max_size=1, timeout_s=5))
    kept: list[Any] = []

    async def read(db: Database) -> None:
        frame = db.open_block
        assert frame is not None
        rows = frame.transaction.connection.stream(_NUMBERS.format(1000), (), 10)
        kept.append(rows)
        await anext(rows)

    for way in ("terminate", "close"):
        db = Database("main", config)
        await db.execute("CREATE TABLE IF NOT EXISTS item (n integer)")
        with pytest.raises(DatabaseError):
            async with transaction.atomic(db):
                await db.execute("INSERT INTO item VALUES (1)")
                await read(db)
                connection = db.open_block.transaction.connection  # type: ignore[union-attr]  # it is open
                if way == "close":
                    await connection.close()
                else:
                    connection.terminate()
                    await asyncio.to_thread(connection.thread._thread.join)  # type: ignore[attr-defined]  # SQLite's
                await db.execute("INSERT INTO item VALUES (1)")
        await db.execute("INSERT INTO item VALUES (2)")
        await db.close()
    assert len(kept) == 2


async def test_rows_that_were_being_read_are_gone_with_a_rollback_by_hand(tmp_path: Path) -> None:
    db = Database("main", parse_database(f"sqlite:///{tmp_path / 'read.db'}"))
    await transaction.set_autocommit(False, db)
    rows = db.stream(_NUMBERS.format(1000), (), 10)
    assert len(await anext(rows)) == 10

    await transaction.rollback(db)

    with pytest.raises(OperationalError, match="has been rolled back"):
        await anext(rows)
    await transaction.rollback(db)
    await transaction.set_autocommit(True, db)
    await db.close()
