"""What a block leaves in its session, and what the next user of the connection finds of it: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from covet.conf.service_url import PoolConfig, parse_database
from covet.db import transaction
from covet.db.backends.traces import ends_with_transaction, no_reset_undoes, outlives_transaction
from covet.db.database import Database
from covet.db.errors import OperationalError

_SET = {
    "postgresql": ("SET statement_timeout = '77s'", "SHOW statement_timeout"),
    "mysql": ("SET @covet_x = 77", "SELECT @covet_x"),
    "sqlite": ("PRAGMA busy_timeout = 77", "PRAGMA busy_timeout"),
}


@pytest.fixture
async def db(vendor: str, scratch: Any) -> AsyncIterator[Database]:
    """A database whose pool has one connection: whoever comes next gets the same."""
    config = parse_database(await scratch(vendor))
    opened = Database("single", replace(config, pool=PoolConfig(max_size=1, timeout_s=30)))
    yield opened
    await opened.close()


async def test_what_a_block_set_in_the_session_does_not_reach_the_next_user(db: Database, vendor: str) -> None:
    set_, read = _SET[vendor]
    before = await db.fetch(read)

    async with transaction.atomic(db):
        await db.execute(set_)
        assert await db.fetch(read) != before

    assert await db.fetch(read) == before
    async with transaction.atomic(db):
        assert await db.fetch(read) == before


@pytest.mark.vendors("postgresql", "mysql")
async def test_a_lock_of_the_session_goes_with_the_block_that_took_it(db: Database, vendor: str) -> None:
    take = "SELECT pg_try_advisory_lock(77)" if vendor == "postgresql" else "SELECT GET_LOCK('covet_traces', 0)"
    other = Database("other", db.config)
    try:
        async with transaction.atomic(db):
            assert (await db.fetch(take))[0][0]
            assert not (await other.fetch(take))[0][0]
        await db.fetch("SELECT 1")  # on the same connection, so that it has been reset

        assert (await other.fetch(take))[0][0]
    finally:
        await other.close()


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize("way", ["atomic", "savepoint", "alone", "stream", "by hand", "pinned"])
async def test_who_the_session_is_does_not_reach_the_next_user(db: Database, way: str) -> None:
    async def who() -> Any:
        return (await db.fetch("SELECT current_user"))[0][0]

    me = await who()
    become = "SET ROLE pg_read_all_data"
    if way == "alone":
        await db.execute(become)
    elif way == "stream":
        async for _ in db.stream("SELECT set_config('role', 'pg_read_all_data', false)"):
            pass
    elif way == "by hand":
        await transaction.set_autocommit(False, db)
        await db.execute(become)
        await transaction.commit(db)
        assert await who() == "pg_read_all_data"
        await transaction.rollback(db)
        await transaction.set_autocommit(True, db)
    elif way == "pinned":
        async with db.pinned():
            await db.execute(become)
            assert await who() == "pg_read_all_data"
    else:
        async with transaction.atomic(db):
            async with transaction.atomic(db, savepoint=way == "savepoint"):
                await db.execute(become)
            assert await who() == "pg_read_all_data"

    assert await who() == me


@pytest.mark.vendors("postgresql")
async def test_what_ends_with_the_transaction_costs_no_reset(db: Database) -> None:
    await db.fetch("SELECT 1")
    (connection,) = db.writer_pool.kept
    async with transaction.atomic(db):
        await db.execute("SET LOCAL statement_timeout = 5000")
        await db.execute("SET CONSTRAINTS ALL DEFERRED")
        await db.fetch("SELECT set_config('covet.tenant', $1, true)", ("a",))
        await db.execute("CREATE TEMP TABLE passing (n integer) ON COMMIT DROP")
        await db.execute("SAVEPOINT mine")
        await db.execute("RELEASE SAVEPOINT mine")
        assert not connection.is_dirty

    assert (await db.fetch("SHOW statement_timeout"))[0][0] == "0"


@pytest.mark.vendors("postgresql")
async def test_a_session_that_holds_a_prepared_statement_is_closed(db: Database) -> None:
    for _ in range(2):
        async with transaction.atomic(db):
            await db.execute("PREPARE mine AS SELECT 1")
    await db.execute("PREPARE mine AS SELECT 1")

    assert await db.fetch("SELECT name FROM pg_prepared_statements WHERE name = 'mine'") == []


async def test_a_block_that_only_reads_and_is_cancelled_as_it_opens_lets_others_write() -> None:
    """In memory there is one connection for all, which the block forbids to write."""
    db = Database("memory", parse_database("sqlite://:memory:"))
    await db.execute("CREATE TABLE item (n integer)")

    async def read() -> None:
        async with transaction.atomic(db, read_only=True):
            await db.fetch("SELECT 1")

    for turns in range(40):
        task = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await db.execute("INSERT INTO item VALUES (1)")
    assert (await db.fetch("SELECT count(*) FROM item")) == [(40,)]

    await db.execute("PRAGMA query_only = ON")
    await db.execute("INSERT INTO item VALUES (1)")
    with pytest.raises(OperationalError, match="readonly"):
        async with transaction.atomic(db, read_only=True):
            await db.execute("INSERT INTO item VALUES (1)")
    await db.close()


@pytest.mark.parametrize(
    ("sql", "outlives", "ends"),
    [
        ("SET statement_timeout = 5", True, False),
        ("-- why\nSET ROLE ann", True, False),
        ("SELECT 1; SET ROLE ann", True, False),
        ("SET LOCAL ROLE ann", False, True),
        ("SET LOCAL ROLE ann; SET ROLE bob", True, False),
        ("SET CONSTRAINTS ALL DEFERRED;", False, True),
        ("SELECT set_config('a.b', $1, true)", False, True),
        ("SELECT set_config('a.b', current_setting('c.d', true), true), 1", False, True),
        ("SELECT set_config('a.b', coalesce(lower(concat(trim($1), '')), 'c'), true)", False, True),
        ("SELECT set_config(setting_name => 'a.b', new_value => $1, is_local => true)", False, True),
        ("SELECT set_config('a.b', 'c', false)", True, False),
        ("SELECT set_config('a.b', 'c', true), set_config('d.e', 'f', $1)", True, False),
        ("CREATE TEMP TABLE t (n integer)", True, False),
        ("CREATE TEMPORARY TABLE t (n integer) ON COMMIT DROP", True, True),
        ("SELECT 1 INTO TEMP t", True, False),
        ("CREATE TEMP TABLE t (n integer) ON COMMIT DROP; INSERT INTO t VALUES (1);", True, True),
        ("CREATE TEMP TABLE t (n integer) ON COMMIT DROP; SET ROLE ann", True, False),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", True, False),
        ("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED", False, True),
        ("SELECT 1; COMMIT", False, False),
        ("INSERT INTO temp VALUES (1)", False, False),
        ("MERGE INTO temp USING t ON true WHEN MATCHED THEN DELETE", False, False),
        ("INSERT INTO temperatures VALUES (1); DELETE FROM t", False, True),
        ("CREATE TABLE pg_temp.t (n integer)", True, False),
        ("DECLARE c CURSOR FOR SELECT 1", False, True),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", True, False),
        ("SELECT pg_advisory_lock(1)", True, False),
        ("SELECT pg_advisory_xact_lock(1)", False, True),
        ("INSERT INTO t VALUES ('a; SET ROLE ann')", False, True),
        ("CREATE FUNCTION f() RETURNS void AS $x$ BEGIN; SET ROLE ann; END $x$ LANGUAGE plpgsql", False, True),
        ("DO $$ BEGIN PERFORM 1; END $$", False, False),
        ("PREPARE p AS SELECT 1", True, False),
        ("SAVEPOINT a", False, True),
        ("ROLLBACK TO SAVEPOINT a", False, True),
        ("LOCK TABLE t", False, True),
    ],
)
def test_what_outlives_its_transaction_is_read_from_the_text(sql: str, outlives: bool, ends: bool) -> None:
    assert (outlives_transaction(sql), ends_with_transaction(sql)) == (outlives, ends)


@pytest.mark.parametrize(
    ("sql", "stays"),
    [
        ("PREPARE p AS SELECT 1", True),
        ("SELECT 1; prepare p AS SELECT 1", True),
        ("LOAD 'auto_explain'", True),
        ("PREPARE TRANSACTION 'x'", False),
        ("SELECT 'PREPARE'", False),
        ("SET ROLE ann", False),
    ],
)
def test_what_only_closing_takes_away_is_read_from_the_text(sql: str, stays: bool) -> None:
    assert no_reset_undoes(sql) is stays
