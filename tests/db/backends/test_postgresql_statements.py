"""Statements that asyncpg has prepared and keeps are run past its own layers; what becomes of them when it forgets them, or when
the tables change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.postgresql import driver
from covet.db.database import Database
from covet.db.errors import DatabaseError, DataError, InterfaceError, QueryCanceled, SerializationFailure

ROW = "SELECT n, t FROM kept WHERE n = $1"
WRITE = "UPDATE kept SET n = n + $1"


@pytest.fixture
async def url(scratch: Any) -> str:
    return f"{await scratch('postgresql')}?pool_max_size=1"


@pytest.fixture
async def kept(url: str) -> AsyncIterator[Database]:
    database = Database("default", parse_database(url))
    await database.execute("CREATE TABLE kept (n integer, t text)")
    await database.execute("INSERT INTO kept VALUES (1, 'a')")
    yield database
    await database.execute("DROP TABLE IF EXISTS kept")
    await database.execute("DROP TYPE IF EXISTS kept_pair CASCADE")
    await database.close()


def only_connection(database: Database) -> Any:
    [connection] = database.writer_pool.kept
    return connection


async def test_rows_and_counts_are_the_same_the_first_time_and_later(kept: Database) -> None:
    for _ in range(3):
        assert [tuple(row) for row in await kept.fetch(ROW, (1,))] == [(1, "a")]
        assert await kept.fetch(ROW, (9,)) == []
        assert await kept.execute(WRITE, (0,)) == 1
        assert await kept.execute("DELETE FROM kept WHERE n = $1", (9,)) == 0
        async with transaction.atomic(kept):
            assert await kept.execute(WRITE, (0,)) == 1
        async with transaction.atomic(kept):
            assert [tuple(row) for row in await kept.fetch(ROW, (1,))] == [(1, "a")]
    assert set(only_connection(kept)._statements) == {ROW, WRITE, "DELETE FROM kept WHERE n = $1"}


async def test_a_statement_is_prepared_again_after_its_table_has_changed(kept: Database) -> None:
    for _ in range(2):
        await kept.fetch(ROW, (1,))
        await kept.execute(f"{WRITE} RETURNING *", (0,))
    await kept.execute("ALTER TABLE kept ALTER t TYPE varchar(5), ADD more integer")
    assert [tuple(row) for row in await kept.fetch(ROW, (1,))] == [(1, "a")]
    assert await kept.execute(f"{WRITE} RETURNING *", (0,)) == 1
    assert await kept.execute("DELETE FROM kept WHERE n = $1", (1,)) == 1


async def test_inside_a_transaction_a_changed_table_fails_the_statement_once(kept: Database) -> None:
    for _ in range(2):
        await kept.fetch(ROW, (1,))
    with pytest.raises(SerializationFailure, match=r"has changed, .* nothing of it .* @transaction\.retry\(\)"):
        async with transaction.atomic(kept):
            await kept.execute("ALTER TABLE kept ALTER t TYPE varchar(5)")
            await kept.fetch(ROW, (1,))
    async with transaction.atomic(kept):
        await kept.execute("ALTER TABLE kept ALTER t TYPE varchar(7)")
        assert len(await kept.fetch(ROW, (1,))) == 1


async def test_a_transaction_that_a_changed_table_has_ended_is_tried_again(kept: Database) -> None:
    """As a server under a migration meets it: the statement is kept, and another connection changes the table."""
    for _ in range(2):
        await kept.fetch(ROW, (1,))
    attempts: list[int] = []

    @transaction.retry(using=kept, backoff_s=0)
    async def run() -> int:
        attempts.append(len(attempts))
        await kept.execute(WRITE, (7,))
        if len(attempts) == 1:
            await kept.execute("ALTER TABLE kept ALTER t TYPE varchar(5)")
        return len(await kept.fetch(ROW, (8,)))

    assert await run() == 1
    assert attempts == [0, 1]
    assert len(await kept.fetch(ROW, (8,))) == 1


async def test_a_composite_type_that_has_changed_fails_once_and_is_learnt_anew(kept: Database) -> None:
    await kept.execute("CREATE TYPE kept_pair AS (a integer)")
    await kept.execute("ALTER TABLE kept ADD pair kept_pair")
    await kept.execute("UPDATE kept SET pair.a = 1")
    for _ in range(2):
        assert tuple((await kept.fetch("SELECT pair FROM kept"))[0][0]) == (1,)
    await kept.execute("ALTER TYPE kept_pair ADD ATTRIBUTE b integer")
    with pytest.raises(DatabaseError, match="composite type"):
        await kept.fetch("SELECT pair FROM kept")
    for _ in range(2):
        assert tuple((await kept.fetch("SELECT pair FROM kept"))[0][0]) == (1, None)


async def test_a_failure_while_types_are_learnt_anew_gives_the_connection_back(
    kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reload_schema_state(self: Any) -> None:
        raise asyncpg.exceptions.InterfaceError("The types cannot be read.")

    await kept.execute("CREATE TYPE kept_pair AS (a integer)")
    await kept.execute("ALTER TABLE kept ADD pair kept_pair")
    await kept.execute("UPDATE kept SET pair.a = 1")
    for _ in range(2):
        await kept.fetch("SELECT pair FROM kept")
    await kept.execute("ALTER TYPE kept_pair ADD ATTRIBUTE b integer")
    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "reload_schema_state", reload_schema_state)
        with pytest.raises(InterfaceError, match=r"The types cannot be read\.") as caught:
            await kept.fetch("SELECT pair FROM kept")

    assert caught.value.sql == "SELECT pair FROM kept"
    # The pool has this one connection.
    assert len(await kept.fetch(ROW, (1,))) == 1


async def test_a_statement_that_asyncpg_has_closed_is_prepared_again(url: str) -> None:
    database = Database("default", parse_database(f"{url}&statement_cache_size=1"))
    for number in (1, 2, 1, 2):
        assert (await database.fetch(f"SELECT {number} + $1::integer", (1,)))[0][0] == number + 1
    database.forget_statements()
    assert (await database.fetch("SELECT 2 + $1::integer", (1,)))[0][0] == 3
    await database.close()


async def test_without_asyncpgs_cache_nothing_is_kept(url: str) -> None:
    database = Database("default", parse_database(f"{url}&statement_cache_size=0"))
    for _ in range(3):
        assert (await database.fetch("SELECT $1::integer", (1,)))[0][0] == 1
    assert only_connection(database)._statements == {}
    await database.close()


async def test_texts_without_end_do_not_fill_the_memory(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_KEPT_STATEMENTS", 5)
    for number in range(20):
        await kept.fetch(f"SELECT {number} + $1::integer", (1,))
    assert len(only_connection(kept)._statements) <= 5


async def test_wrong_values_are_told_as_the_first_time(kept: Database) -> None:
    for _ in range(3):
        with pytest.raises(
            DataError, match=r"query argument \$1 \('str' object cannot be interpreted as an integer\)"
        ) as told:
            await kept.fetch(ROW, ("4929-secret",))
        assert "secret" not in str(told.value)
        with pytest.raises(InterfaceError, match="expects 1 argument"):
            await kept.execute(WRITE, (1, 2))
        await kept.fetch(ROW, (1,))
        await kept.execute(WRITE, (0,))


async def test_the_time_limit_of_statements_holds_for_kept_ones(url: str) -> None:
    database = Database("default", parse_database(f"{url}&command_timeout=1.5"))
    for _ in range(2):
        await database.fetch("SELECT pg_sleep($1)", (0.0,))
    with pytest.raises(QueryCanceled):
        await database.fetch("SELECT pg_sleep($1)", (30.0,))
    assert len(await database.fetch("SELECT pg_sleep($1)", (0.0,))) == 1
    await database.close()


async def test_a_dead_connection_is_noticed_before_a_kept_statement_is_sent(kept: Database) -> None:
    for _ in range(2):
        await kept.fetch(ROW, (1,))
    raw = only_connection(kept).raw
    raw._transport.abort()
    while not raw.is_closed():
        await asyncio.sleep(0)
    assert len(await kept.fetch(ROW, (1,))) == 1
