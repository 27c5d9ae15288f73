"""A session keeps BEGIN and COMMIT prepared after its first commit, and does without where it cannot, or has lost them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.backends.postgresql.opening import BEGIN, BEGIN_AGAIN, NAMES, Opening
from covet.db.database import Database
from covet.db.errors import ConnectionLost, DatabaseError, DataError, TransactionManagementError

KEPT = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'covet%' ORDER BY name"
TOOK = "SELECT n FROM taken ORDER BY n"
LOOPS: dict[str, Callable[[Any], Any]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.fixture
async def url(scratch: Any) -> str:
    return f"{await scratch('postgresql')}?pool_max_size=1"


async def opened(url: str) -> Database:
    database = Database("default", parse_database(url))
    await database.execute("DROP TABLE IF EXISTS taken")
    await database.execute("CREATE TABLE taken (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    return database


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    found = await opened(url)
    yield found
    await found.close()


class Wire:
    """What a connection writes."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[bytes] = []
        [connection] = database.writer_pool.kept
        opening: Opening = connection._opening  # type: ignore[attr-defined]  # PostgreSQL's
        own = opening._own

        def write(data: Any) -> None:
            self.written.append(bytes(data))
            own(data)

        monkeypatch.setattr(opening, "_own", write)
        opening._transport.write = write

    def take(self) -> list[bytes]:
        found, self.written = self.written, []
        return found


async def take(database: Database, number: int) -> None:
    async with transaction.atomic(database):
        await database.execute("INSERT INTO taken VALUES ($1)", (number,))


async def taken(database: Database) -> list[int]:
    return [row[0] for row in await database.fetch(TOOK)]


async def names(database: Database) -> list[str]:
    return [row[0] for row in await database.fetch(KEPT)]


async def test_only_the_first_transaction_of_a_session_has_its_words_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.execute("INSERT INTO taken VALUES ($1)", (0,))
    wire = Wire(database, monkeypatch)
    await take(database, 1)
    begin, names_, commit = wire.take()
    assert begin.startswith(BEGIN)
    assert names_ == NAMES
    assert b"covet_commit" in commit
    for number in (2, 3):
        await take(database, number)
        begin, commit = wire.take()
        assert begin.startswith(BEGIN_AGAIN)
        assert b"covet_commit" in commit
        assert b"BEGIN" not in begin + commit
        assert b"COMMIT" not in begin + commit
    assert await taken(database) == [0, 1, 2, 3]


@pytest.mark.parametrize("loop", LOOPS)
async def test_kept_words_begin_commit_and_roll_back_as_others_do(loop: str, url: str) -> None:
    async def check() -> None:
        database = await opened(url)
        # A block that asks nothing proves nothing of the session, and spoils nothing.
        async with transaction.atomic(database):
            pass
        assert await names(database) == []
        for number in range(3):
            with pytest.raises(ZeroDivisionError):
                async with transaction.atomic(database):
                    await database.execute("INSERT INTO taken VALUES ($1)", (number,))
                    raise ZeroDivisionError
            await take(database, number)
            async with transaction.atomic(database):
                pass
            async with transaction.atomic(database):
                await database.execute("INSERT INTO taken VALUES ($1)", (number + 10,))
                transaction.set_rollback(True, database)
        assert await taken(database) == [0, 1, 2]
        assert await names(database) == ["covet_begin", "covet_commit"]
        async with transaction.atomic(database, isolation="serializable", read_only=True):
            [row] = await database.fetch("SHOW transaction_isolation")
        assert row[0] == "serializable"
        [connection] = database.writer_pool.kept
        assert not connection.in_transaction
        await database.close()

    await asyncio.to_thread(LOOPS[loop], check())


DROPS: dict[str, Callable[[Database, str], Awaitable[Any]]] = {
    "execute": lambda database, sql: database.execute(sql),
    "fetch": lambda database, sql: database.fetch(sql),
    "outcome": lambda database, sql: database.outcome(sql),
    "several": lambda database, sql: database.outcome(f"SELECT 1; {sql}"),
}


@pytest.mark.parametrize("way", DROPS)
async def test_statements_that_are_dropped_inside_a_transaction_do_not_keep_it_from_committing(
    way: str, database: Database
) -> None:
    for number in (1, 2):
        await take(database, number)
    async with transaction.atomic(database):
        await database.execute("INSERT INTO taken VALUES ($1)", (3,))
        await DROPS[way](database, "deallocate ALL")
        # Nor what asyncpg had prepared.
        await database.execute("INSERT INTO taken VALUES ($1)", (4,))
    for number in (5, 6):
        await take(database, number)
    assert await taken(database) == [1, 2, 3, 4, 5, 6]
    assert await names(database) == []


@pytest.mark.parametrize("way", ["execute", "outcome"])
async def test_a_text_that_fails_after_it_has_dropped_them_spoils_no_transaction(way: str, database: Database) -> None:
    for number in (1, 2):
        await take(database, number)
    with pytest.raises(DataError, match="Division by zero"):
        # What DEALLOCATE does no rollback undoes.
        await DROPS[way](database, "DEALLOCATE ALL; SELECT 1 / 0")
    for number in (3, 4):
        await take(database, number)
    assert await taken(database) == [1, 2, 3, 4]


async def test_a_table_whose_name_is_the_word_keeps_what_is_prepared(database: Database) -> None:
    await database.execute('CREATE TABLE IF NOT EXISTS "discard" ("deallocate" integer)')
    for number in (1, 2):
        await take(database, number)
    await database.fetch('SELECT "discard"."deallocate" FROM "discard"')
    assert await names(database) == ["covet_begin", "covet_commit"]
    [connection] = database.writer_pool.kept
    assert connection._opening.message == BEGIN_AGAIN  # type: ignore[attr-defined]  # PostgreSQL's


@pytest.mark.parametrize("way", ["execute", "fetch", "outcome"])
async def test_a_session_that_was_discarded_goes_on(way: str, database: Database) -> None:
    for number in (1, 2):
        await take(database, number)
    [connection] = database.writer_pool.kept
    await DROPS[way](database, "DISCARD ALL")
    for number in (3, 4):
        await take(database, number)
    assert await taken(database) == [1, 2, 3, 4]
    assert database.writer_pool.kept == [connection]


@pytest.mark.parametrize("when", ["at BEGIN", "at COMMIT"])
async def test_a_function_that_drops_them_costs_one_transaction_and_its_connection(
    when: str, database: Database
) -> None:
    # In a text that does not show what it does.
    await database.execute(
        "CREATE OR REPLACE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEAL' || 'LOCATE ALL'; END $$"
    )
    for number in (1, 2):
        await take(database, number)
    [connection] = database.writer_pool.kept
    if when == "at BEGIN":
        await database.fetch("SELECT forget()")
    with pytest.raises(ConnectionLost, match="Nothing of the transaction has taken effect"):
        async with transaction.atomic(database):
            await database.execute("INSERT INTO taken VALUES ($1)", (3,))
            await database.fetch("SELECT forget()")
    assert connection.is_closed
    for number in (4, 5):
        await take(database, number)
    assert await taken(database) == [1, 2, 4, 5]


@pytest.mark.parametrize("option", ["pgbouncer=true", "statement_cache_size=0"])
async def test_nothing_is_kept_where_statements_must_not_outlive_their_transaction(option: str, url: str) -> None:
    database = await opened(f"{url}&{option}")
    for number in (1, 2, 3):
        await take(database, number)
    assert await taken(database) == [1, 2, 3]
    assert await names(database) == []
    await database.close()


async def test_a_first_commit_that_fails_leaves_later_ones_as_they_are(database: Database) -> None:
    await database.execute("INSERT INTO taken VALUES (1)")
    for number in (1, 2, 3):
        if number == 1:
            with pytest.raises(DatabaseError, match="uplicate key"):
                await take(database, number)
        else:
            await take(database, number)
    assert await taken(database) == [1, 2, 3]


@pytest.mark.parametrize("times", [0, 2])
async def test_a_commit_that_the_server_turns_into_a_rollback_says_so(times: int, database: Database) -> None:
    for number in range(times):
        await take(database, number)
    pool = database.writer_pool
    connection = await pool.acquire()
    await connection.begin()
    with pytest.raises(Exception, match="no_such"):
        await connection.fetch("SELECT no_such", ())
    with pytest.raises(Exception, match=r"rolled the transaction back|aborted") as caught:
        await connection.commit_uncancelled()
    found = database.driver.translate(caught.value, "COMMIT") or caught.value
    assert isinstance(found, TransactionManagementError)
    await connection.rollback()
    pool.release(connection)
    for number in (7, 8):
        await take(database, number)
    assert (await taken(database))[-2:] == [7, 8]
