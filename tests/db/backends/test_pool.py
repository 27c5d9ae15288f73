"""The pool, on real connections: limits, order, time-outs, resets, closing, and what connecting says when it fails."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asyncpg import exceptions as pg
from msgspec.structs import replace

from covet.conf.service_url import PoolConfig, parse_database
from covet.db import transaction
from covet.db.backends.postgresql.driver import PostgreSQLDriver
from covet.db.backends.traces import leaves_no_trace
from covet.db.database import BoundedCache, Database
from covet.db.errors import (
    ConnectionFailed,
    ConnectionLost,
    DatabaseError,
    DataError,
    InterfaceError,
    LockTimeout,
    PoolTimeout,
    ProgrammingError,
)
from covet.exceptions import ImproperlyConfigured
from tests._environ import unmeasured
from tests.db._patience import waiting_at_most

if TYPE_CHECKING:
    pass

Scratch = "Callable[[str], Awaitable[str]]"


async def limited(scratch: Any, vendor: str, **limits: Any) -> Database:
    config = parse_database(await scratch(vendor))
    return Database("limited", replace(config, pool=PoolConfig(**limits)))


@pytest.mark.row("connections.pool")
async def test_a_full_pool_waits_and_then_names_the_setting(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=1)
    try:
        async with transaction.atomic(db):
            # Outside of this context, so it cannot join the block.
            async def write() -> None:
                async with transaction.atomic(db):
                    pass

            task = asyncio.get_running_loop().create_task(write(), context=contextvars.Context())
            words = "SQLite writes by one connection" if vendor == "sqlite" else "all 1 are in use"
            refused = pytest.raises(PoolTimeout, match=rf"{words}.*pool\.timeout_s in DATABASES\['limited'\]")
            with waiting_at_most(db, 0.2), refused:
                await task
        async with transaction.atomic(db):
            pass
    finally:
        await db.close()


@pytest.mark.row("connections.pool")
async def test_waiting_tasks_are_served_in_order(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=1)
    order: list[int] = []

    async def work(number: int) -> None:
        async with transaction.atomic(db):
            order.append(number)
            await asyncio.sleep(0)

    try:
        await asyncio.gather(*[work(number) for number in range(20)])
    finally:
        await db.close()

    assert order == list(range(20))


async def test_no_more_connections_than_allowed_and_the_warm_one_first(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=3)
    try:
        await asyncio.gather(*[db.fetch("SELECT 1") for _ in range(30)])
        pool = db._readers or db._writer
        assert pool is not None
        assert 1 <= pool.size <= 3
        last = pool.kept[-1]
        await db.fetch("SELECT 1")
        assert pool.kept[-1] is last
        assert pool.in_use == 0
    finally:
        await db.close()


async def test_cancelled_waiters_lose_nothing(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=2, timeout_s=60)
    try:
        for _ in range(30):
            tasks = [asyncio.create_task(db.fetch("SELECT 1")) for _ in range(12)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*[db.fetch("SELECT 1") for _ in range(10)])
        pool = db._readers or db._writer
        assert pool is not None
        assert pool.size <= 2
        async with asyncio.timeout(30):
            while pool.in_use:
                await asyncio.sleep(0.01)
    finally:
        await db.close()


async def test_what_a_statement_set_in_the_session_does_not_reach_the_next_user(scratch: Any, vendor: str) -> None:
    set_, read, before = {
        "postgresql": ("SET statement_timeout = '77s'", "SHOW statement_timeout", "0"),
        "mysql": ("SET @covet_x = 77", "SELECT @covet_x", None),
        "sqlite": ("PRAGMA busy_timeout = 77", "PRAGMA busy_timeout", 5000),
    }[vendor]
    db = await limited(scratch, vendor, max_size=1)
    try:
        await db.execute(set_)
        assert (await db.fetch(read))[0][0] == before
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("sql", "is_clean"),
    [
        ('SELECT "page"."template", "page"."temperature" FROM "page"', True),
        ('SELECT "temp" FROM "reading" WHERE "temporary" = ?', True),
        ("SELECT `temp` FROM `reading`", True),
        ("CREATE TABLE pages (id integer)", True),
        ("CREATE TEMP TABLE pages (id integer)", False),
        ("create local temporary table pages (id integer)", False),
        ("CREATE TABLE pg_temp.pages (id integer)", False),
        ('CREATE TABLE "temp"."pages" (id integer)', False),
        ("CREATE TABLE temp.pages (id integer)", False),
        ("SELECT 1 INTO TEMP pages", False),
        ("SELECT id INTO @covet_x FROM pages", False),
        ("SELECT @covet_x := 1", False),
        ("SELECT pg_advisory_lock_shared(1)", False),
        ("SELECT pg_try_advisory_lock(1)", False),
        ("SELECT set_config('a.b', 'c', false)", False),
        ("SELECT GET_LOCK('a', 1)", False),
        ("SELECT lo_create(0)", False),
        ("SELECT 1; SET a = 1", False),
        ("SET a = 1", False),
        ("-- why\n SELECT 1", True),
        ("PRAGMA foreign_keys", True),
        ("pragma main.table_info('page')", True),
        ("PRAGMA foreign_keys = OFF", False),
        ("PRAGMA cache_size(7)", False),
    ],
)
def test_what_a_statement_may_leave_in_the_session_is_read_from_its_text(sql: str, is_clean: bool) -> None:
    assert leaves_no_trace(sql) is is_clean


async def test_a_transaction_begun_by_hand_is_not_handed_on(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=1)
    try:
        await db.execute("CREATE TABLE things (id integer)")
        await db.execute("BEGIN")
        await db.execute("INSERT INTO things VALUES (1)")
        async with transaction.atomic(db):
            await db.execute("INSERT INTO things VALUES (2)")
        assert sorted(row[0] for row in await db.fetch("SELECT id FROM things")) == [1, 2]
    finally:
        await db.close()


@pytest.mark.row("connections.pool")
async def test_long_idle_connections_are_asked_first_and_old_ones_closed(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=2, max_idle_s=0.2, max_lifetime_s=60)
    try:
        await db.fetch("SELECT 1")
        pool = db._readers or db._writer
        assert pool is not None
        async with asyncio.timeout(30):
            while pool.size:
                await asyncio.sleep(0.05)
        assert (await db.fetch("SELECT 1"))[0][0] == 1
    finally:
        await db.close()


@pytest.mark.row("connections.pool")
async def test_a_connection_beyond_its_lifetime_is_replaced(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=1, max_lifetime_s=0.2)
    try:
        await db.fetch("SELECT 1")
        pool = db._readers or db._writer
        assert pool is not None
        first = next(iter(pool._all))
        async with asyncio.timeout(30):
            while first in pool._all:
                await db.fetch("SELECT 1")
                await asyncio.sleep(0.02)
        assert first.is_closed
    finally:
        await db.close()


async def test_closing_waits_for_running_statements_and_then_refuses(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=2)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with transaction.atomic(db):
            entered.set()
            await leave.wait()
            await db.fetch("SELECT 1")

    task = asyncio.create_task(work())
    await entered.wait()
    closing = asyncio.create_task(db.close(60))
    await asyncio.sleep(0.02)
    assert not closing.done()
    leave.set()
    await task
    await closing

    assert not db.is_open
    assert (await db.fetch("SELECT 1"))[0][0] == 1, "it opens itself again"
    await db.close()


async def test_closing_does_not_wait_longer_than_its_grace(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=2)
    entered = asyncio.Event()

    async def work() -> None:
        async with transaction.atomic(db):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    async with asyncio.timeout(30):
        await db.close(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("url", ["postgres://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@127.0.0.1:1/x"])
@pytest.mark.row("connections.errors")
async def test_a_refused_connection_says_where_and_what_to_do_and_never_the_password(url: str) -> None:
    db = Database("main", parse_database(url))

    with pytest.raises(ConnectionFailed) as caught:
        await db.fetch("SELECT 1")

    text = str(caught.value)
    assert "Nothing answers at 127.0.0.1:1" in text
    assert "'main'" in text
    assert "hunter2" not in text
    assert "hunter2" not in repr(db)


@pytest.mark.vendors("postgresql", "mysql")  # SQLite makes its file, and knows no users
@pytest.mark.row("connections.errors")
async def test_a_missing_database_and_a_wrong_password_are_told_apart(scratch: Any, vendor: str) -> None:
    config = parse_database(await scratch(vendor))

    with pytest.raises(ConnectionFailed, match=r"There is no database 'covet_nowhere'.*Create it") as missing:
        await Database("main", replace(config, name="covet_nowhere")).open()
    with pytest.raises(ConnectionFailed, match=r"refused user|could not be reached|There is no") as wrong:
        await Database("main", replace(config, user="covet_nobody", password="hunter2")).open()

    assert missing.value.code
    assert "hunter2" not in str(wrong.value)


async def test_a_sqlite_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"this is no database at all, but it is long enough to be looked at" * 20)

    with pytest.raises(ConnectionFailed, match="there is no folder"):
        await Database("main", parse_database(f"sqlite:///{tmp_path}/no/where.db")).open()
    with pytest.raises(ConnectionFailed, match="is no SQLite database"):
        await Database("main", parse_database(f"sqlite:///{junk}")).open()
    with pytest.raises(ConnectionFailed, match="is a folder"):
        await Database("main", parse_database(f"sqlite:///{tmp_path}")).open()


_READS_ALONE = """
import asyncio, os, sys
from covet.conf import settings
settings.configure(DATABASES={})
from covet.conf.service_url import parse_database
from covet.db.backends.sqlite.sharing import SharedReader
from covet.db.backends import blocks, direct, holders, session
from covet.db.database import Database
from covet.db.errors import ConnectionFailed

async def main(path):
    if not os.geteuid():
        os.seteuid(65534)  # to root every folder can be written
    for options in ("mode=ro", "mode=ro&immutable=1"):
        db = Database("main", parse_database(f"sqlite:///{path}?{options}"))
        try:
            print(await db.fetch("SELECT n FROM item"))
        except ConnectionFailed as error:
            print(error)
        await db.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_file_in_wal_mode_in_a_folder_that_cannot_be_written_is_read_as_immutable() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # one that others may enter, as pytest's may not
        path = Path(folder) / "item.db"
        db = Database("main", parse_database(f"sqlite:///{path}"))
        await db.execute("CREATE TABLE item (n integer)")
        await db.execute("INSERT INTO item VALUES (7)")
        await db.close()
        path.chmod(0o444)
        Path(folder).chmod(0o555)

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _READS_ALONE, str(path)),
            env=unmeasured(),  # the user that it becomes may not write what coverage keeps
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        told = (await process.communicate())[0].decode().splitlines()
        Path(folder).chmod(0o755)

    assert len(told) == 2, told
    assert "WAL mode" in told[0] and "Add immutable=1 to mode=ro" in told[0]
    assert told[1] == "[(7,)]"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pg.InterfaceError("cannot perform operation: connection is closed"), "has been closed, by the server"),
        (pg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), "in the middle of"),
        (
            pg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
            "has ended the session",
        ),
        (pg.InternalClientError("got result for unknown protocol state 3."), "protocol state 3."),
    ],
)
def test_a_connection_that_asyncpg_has_lost_is_told_in_words(error: Exception, words: str) -> None:
    driver = PostgreSQLDriver(parse_database("postgres://ann@localhost/shop"), "main")

    found = driver.translate(error, "SELECT 1")

    assert isinstance(found, ConnectionLost)
    assert words in found.message and not found.message.endswith("..")


async def test_sqlite_waits_for_another_process_and_then_says_locked(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "shared.db"
    db = Database("main", parse_database(f"sqlite:///{path}?busy_timeout=0.1"))
    await db.execute("CREATE TABLE things (id integer)")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LockTimeout, match="busy_timeout"):
            async with transaction.atomic(db):
                pass
        assert await db.fetch("SELECT * FROM things") == []
    finally:
        other.close()
        await db.close()


async def test_sqlite_in_memory_keeps_its_data_and_reads_while_it_writes() -> None:
    db = Database("main", parse_database("sqlite://:memory:"))
    try:
        await db.execute("CREATE TABLE things (id integer)")
        await asyncio.gather(*[db.execute("INSERT INTO things VALUES (?)", (number,)) for number in range(20)])
        await db.execute("PRAGMA cache_size = 100")
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await db.fetch(
                        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 1e9) SELECT COUNT(*) FROM c"
                    )
        assert len(await db.fetch("SELECT * FROM things")) == 20
    finally:
        await db.close()


async def test_sqlite_reads_are_not_held_up_by_a_long_write(tmp_path: Path) -> None:
    db = Database("main", parse_database(f"sqlite:///{tmp_path}/x.db"))
    try:
        await db.execute("CREATE TABLE things (id integer)")
        entered, leave = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with transaction.atomic(db):
                await db.execute("INSERT INTO things VALUES (1)")
                entered.set()
                await leave.wait()

        task = asyncio.create_task(write())
        await entered.wait()
        async with asyncio.timeout(30):
            assert await db.fetch("SELECT * FROM things") == []
        leave.set()
        await task
        assert len(await db.fetch("SELECT * FROM things")) == 1
    finally:
        await db.close()


@pytest.mark.row("connections.errors")
async def test_wrong_sql_and_wrong_values_name_the_statement(scratch: Any, vendor: str) -> None:
    db = await limited(scratch, vendor, max_size=2)
    try:
        await db.execute("CREATE TABLE things (id integer, at date)")
        with pytest.raises(ProgrammingError, match="SQL: SELECT nothing FROM nowhere"):
            await db.fetch("SELECT nothing FROM nowhere")
        if vendor != "sqlite":
            mark = db.dialect.placeholder(1)
            with pytest.raises(DataError) as caught:
                await db.execute(f"INSERT INTO things (id) VALUES ({mark})", (2**40,))
            assert str(2**40) not in caught.value.message
    finally:
        await db.close()


async def test_one_database_serves_one_loop_after_another(tmp_path: Path) -> None:
    """A command that runs twice in one process has a loop each time; the first has closed its pool or is gone."""
    db = Database("main", parse_database(f"sqlite:///{tmp_path}/x.db"))

    def run() -> None:
        async def work() -> None:
            assert (await db.fetch("SELECT 1"))[0][0] == 1
            await db.close()

        asyncio.run(work())

    await asyncio.to_thread(run)
    await asyncio.to_thread(run)
    assert (await db.fetch("SELECT 1"))[0][0] == 1

    def intrude() -> None:
        async def work() -> None:
            with pytest.raises(InterfaceError, match="another event loop"):
                await db.open()

        asyncio.run(work())

    await asyncio.to_thread(intrude)
    await db.close()


async def test_many_first_statements_open_the_pool_once_in_each_loop(tmp_path: Path) -> None:
    """What makes the others wait belongs to a loop, and the next loop has to have its own."""
    db = Database("main", parse_database(f"sqlite:///{tmp_path}/x.db"))

    def run() -> None:
        async def work() -> None:
            found = await asyncio.gather(*[db.fetch("SELECT 1") for _ in range(5)])
            assert [rows[0][0] for rows in found] == [1] * 5
            await db.close()

        asyncio.run(work())

    await asyncio.to_thread(run)
    await asyncio.to_thread(run)


@pytest.mark.row("connections.handler")
def test_an_unknown_alias_is_suggested() -> None:
    from covet.db import connections

    with pytest.raises(ImproperlyConfigured, match="Did you mean 'default'"):
        connections["defualt"]


@pytest.mark.row("connections.handler")
def test_the_databases_of_all_aliases_are_given_as_django_gives_them() -> None:
    from covet.conf import override
    from covet.db import connections

    with override(DATABASES={"default": "sqlite:///one.sqlite3", "other": "postgres://ann@host/two"}):
        other = connections["other"]
        assert connections.all(initialized_only=True) == [other]
        found = connections.all()

    assert [(one.alias, one.settings_dict["NAME"]) for one in found] == [("default", "one.sqlite3"), ("other", "two")]
    assert found[1] is other


@pytest.mark.row("compiler.cache")
def test_the_statement_cache_is_bounded() -> None:
    cache: BoundedCache[int, int] = BoundedCache(3)
    for number in range(10):
        cache[number] = number

    assert list(cache) == [7, 8, 9]


@pytest.mark.row("connections.setup", "connections.settings")
async def test_options_of_the_url_reach_the_driver(scratch: Any, vendor: str) -> None:
    url, sql, expected = {
        "postgresql": ("?sslmode=prefer&application_name=shop&statement_cache_size=7", "SHOW application_name", "shop"),
        "mysql": ("?sql_mode=ANSI&isolation_level=serializable", "SELECT @@transaction_isolation", "SERIALIZABLE"),
        "sqlite": ("?cache_size=77&synchronous=FULL", "PRAGMA synchronous", 2),
    }[vendor]
    if vendor == "mysql":
        sql = "SELECT @@tx_isolation"
    db = Database("main", parse_database(f"{(await scratch(vendor)).partition('?')[0]}{url}"))
    try:
        assert (await db.fetch(sql))[0][0] == expected
    finally:
        await db.close()


async def test_a_read_only_sqlite_file_reads_and_refuses_to_write(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    db = Database("main", parse_database(f"sqlite:///{path}"))
    await db.execute("CREATE TABLE things (id integer)")
    await db.close()
    db = Database("main", parse_database(f"sqlite:///{path}?mode=ro"))
    try:
        assert await db.fetch("SELECT * FROM things") == []
        async with transaction.atomic(db):
            assert await db.fetch("WITH t AS (SELECT * FROM things) SELECT * FROM t") == []
        with pytest.raises(DatabaseError):
            await db.execute("INSERT INTO things VALUES (1)")
    finally:
        await db.close()


@pytest.mark.vendors("mysql")
@pytest.mark.row("connections.pool")
async def test_our_half_of_a_socket_is_closed_when_the_server_has_closed_its_own(scratch: Any, vendor: str) -> None:
    """A server that restarts says good-bye to all connections; those that nobody tries are forgotten with the first."""
    db = await limited(scratch, vendor, max_size=4)
    try:
        await db.fetch("SELECT 1")
        pool = db.writer_pool
        for held in [await pool.acquire() for _ in range(3)]:
            pool.release(held)
        raws = [connection.raw for connection in pool.kept]  # type: ignore[attr-defined]  # aiomysql's
        assert len(raws) == 3
        for raw in raws:
            # What the server does.
            raw._reader.feed_eof()

        assert await db.fetch("SELECT 1") == [(1,)]
        assert [raw for raw in raws if raw._writer is not None] == []
    finally:
        await db.close()
