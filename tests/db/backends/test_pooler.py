"""Behind a pooler in transaction mode: each transaction may meet another session, and nothing may rest on one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf.service_url import parse_database
from covet.db import connections, transaction
from covet.db.database import Database
from covet.db.errors import DatabaseError, NotSupportedError
from covet.db.migrations.lock import migration_lock
from covet.exceptions import ImproperlyConfigured
from tests.db.backends.pooler import Pooler, pooler

if TYPE_CHECKING:
    from tests.conftest import Scratch

pytestmark = [pytest.mark.row("connections.pool"), pytest.mark.vendors("postgresql")]


@pytest.fixture
async def pooled(database: Database) -> AsyncIterator[tuple[Pooler, Any]]:
    """A pooler before the scratch database, and what makes databases that go through it."""
    config = database.config
    await database.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    await database.execute("CREATE TABLE visit (id serial PRIMARY KEY, who varchar(20) UNIQUE, mood mood)")
    made: list[Database] = []

    def through(port: int, **options: Any) -> Database:
        url = f"postgres://{config.user}:{config.password}@127.0.0.1:{port}/{config.name}"
        opened = Database("default", parse_database({"url": url, "options": options, "pool": {"max_size": 1}}))
        made.append(opened)
        return opened

    async with pooler(config.host, config.port or 5432) as (server, port):
        yield server, lambda **options: through(port, **options)
        for one in made:
            await one.close()


async def work(db: Database) -> None:
    """A little of everything, each more than once."""
    for number in range(4):
        await db.execute("INSERT INTO visit (who, mood) VALUES ($1, $2)", (f"w{number}", "glad"))
        assert len(await db.fetch("SELECT who FROM visit WHERE mood = $1", ("glad",))) == number + 1
    for _ in range(3):
        assert [len(rows) async for rows in db.stream("SELECT id FROM visit", chunk_size=3)] == [3, 1]
    for number in range(2):
        async with transaction.atomic(db):
            await db.execute_many("INSERT INTO visit (who) VALUES ($1)", [(f"m{number}{i}",) for i in range(3)])
            async with transaction.atomic(db):
                await db.execute("UPDATE visit SET mood = 'sad' WHERE who = $1", (f"m{number}0",))
            assert sum([len(rows) async for rows in db.stream("SELECT id FROM visit")]) == 7 + 3 * number
    await db.execute_many("INSERT INTO visit (who) VALUES ($1)", [("x",), ("y",)])
    assert (await db.read("SELECT who, mood FROM visit WHERE id = $1", (-1,)))[0] == ["who", "mood"]
    async with db.cursor() as cursor:
        await cursor.execute("SELECT count(*) FROM visit WHERE mood = %s", ["sad"])
        assert await cursor.fetchone() == (2,)


async def test_with_the_option_everything_works_whichever_session_is_met(pooled: tuple[Pooler, Any]) -> None:
    server, through = pooled
    await work(through(pgbouncer=True))
    assert server.switches > 10


async def test_without_the_option_prepared_statements_are_missed(pooled: tuple[Pooler, Any]) -> None:
    _, through = pooled
    with pytest.raises(DatabaseError, match="repared statement"):
        await work(through())


async def test_after_a_failure_the_connection_is_used_again(pooled: tuple[Pooler, Any]) -> None:
    _, through = pooled
    db = through(pgbouncer="true")
    for _ in range(3):
        with pytest.raises(DatabaseError):
            await db.fetch("SELECT nothing FROM visit")
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic(db):
                await db.execute("INSERT INTO visit (who) VALUES ('gone')")
                raise ZeroDivisionError
        assert not await db.fetch("SELECT id FROM visit")


@pytest.mark.parametrize(
    "sql",
    [
        "SET statement_timeout = 5",
        "LISTEN news",
        "SELECT pg_advisory_lock(1)",
        "CREATE TEMP TABLE t (id integer)",
        "PREPARE p AS SELECT 1",
        "SELECT set_config('a.b', 'c', false)",
    ],
)
async def test_what_changes_a_session_is_refused(pooled: tuple[Pooler, Any], sql: str) -> None:
    _, through = pooled
    db = through(pgbouncer=True)

    with pytest.raises(NotSupportedError, match="pgbouncer=true"):
        await db.execute(sql)
    with pytest.raises(NotSupportedError, match="pgbouncer=true"):
        await anext(db.stream(sql))
    async with transaction.atomic(db):
        with pytest.raises(NotSupportedError, match="pgbouncer=true"):
            await db.execute(sql)
        with pytest.raises(NotSupportedError, match="pgbouncer=true"):
            await anext(db.stream(sql))
        # It was not sent, so the block goes on.
        await db.execute("INSERT INTO visit (who) VALUES ('on')")
    assert len(await db.fetch("SELECT id FROM visit")) == 1


async def test_what_holds_for_a_transaction_is_allowed(pooled: tuple[Pooler, Any]) -> None:
    _, through = pooled
    db = through(pgbouncer=True)
    async with transaction.atomic(db):
        await db.execute("SET LOCAL statement_timeout = 5000")
        assert (await db.fetch("SHOW statement_timeout"))[0][0] == "5s"
        await db.fetch("SELECT pg_advisory_xact_lock(1)")
        await db.fetch("SELECT set_config('covet.tenant', 'a', true)")
        await db.execute("CREATE TEMP TABLE passing (n integer) ON COMMIT DROP")
    assert (await db.fetch("SHOW statement_timeout"))[0][0] == "0"


async def test_one_process_migrates_at_a_time_all_the_same(pooled: tuple[Pooler, Any], database: Database) -> None:
    _, through = pooled
    waited = asyncio.Event()
    order: list[str] = []

    async def second() -> None:
        async with migration_lock(database, waited.set):
            order.append("second")

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, migration_lock(through(pgbouncer=True)):
        tasks.create_task(second())
        await waited.wait()
        order.append("first")
    assert order == ["first", "second"]


@pytest.mark.parametrize("option", ["role", "isolation_level"])
async def test_options_of_a_session_are_refused_with_it(pooled: tuple[Pooler, Any], option: str) -> None:
    _, through = pooled
    with pytest.raises(ImproperlyConfigured, match="cannot keep"):
        through(pgbouncer=True, **{option: "serializable"})


async def test_the_alias_may_be_the_default_one(pooled: tuple[Pooler, Any], scratch: Scratch) -> None:
    _, through = pooled
    with connections.using({"default": through(pgbouncer=True)}):
        async with transaction.atomic():
            await connections["default"].execute("INSERT INTO visit (who) VALUES ('z')")
        assert len(await connections["default"].fetch("SELECT id FROM visit")) == 1
