"""Functions around statements, and the log of statements that DEBUG keeps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf import override
from covet.db import connection, reset_queries, transaction
from covet.db.backends import listening
from covet.db.errors import ProgrammingError
from covet.db.observe import fresh_log, record_queries
from covet.test import CaptureQueriesContext

if TYPE_CHECKING:
    from covet.db.database import Database


class Refused(Exception):
    pass


async def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise Refused(sql)


def noting(seen: list[Any], name: str) -> Any:
    async def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((name, sql, many, context["connection"].alias))
        return await execute(sql, params, many, context)

    return note


@pytest.mark.row("connections.execute_wrapper")
async def test_wrappers_nest_and_the_first_is_outermost(database: Database) -> None:
    seen: list[Any] = []
    with connection.execute_wrapper(noting(seen, "outer")), connection.execute_wrapper(noting(seen, "inner")):
        assert [tuple(row) for row in await database.fetch("SELECT 1")] == [(1,)]
        async with transaction.atomic():
            await database.fetch("SELECT 2")
        await asyncio.gather(database.fetch("SELECT 3"))
    await database.fetch("SELECT 4")

    assert [entry[:2] for entry in seen] == [
        (name, sql) for sql in ("SELECT 1", "SELECT 2", "SELECT 3") for name in ("outer", "inner")
    ]
    assert seen[0][2:] == (False, "default")


@pytest.mark.row("connections.execute_wrapper")
async def test_a_wrapper_may_refuse_a_statement_or_change_it(database: Database) -> None:
    await database.execute("CREATE TABLE note (id integer)")
    await database.execute("INSERT INTO note VALUES (1), (2)")
    with record_queries() as ran, connection.execute_wrapper(refuse):
        with pytest.raises(Refused):
            await database.execute("DELETE FROM note")
        with pytest.raises(Refused):
            async for _ in database.stream("SELECT id FROM note"):
                pass
    assert ran == []

    async def one(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return await execute("SELECT id FROM note WHERE id = 1", params, many, context)

    with record_queries() as ran, connection.execute_wrapper(one):
        assert len(await database.fetch("SELECT id FROM note")) == 1
        assert [len(rows) async for rows in database.stream("SELECT id FROM note")] == [1]
    assert {record.sql for record in ran} == {"SELECT id FROM note WHERE id = 1"}
    assert all("test_wrappers.py" in record.where for record in ran)


@pytest.mark.row("connections.execute_wrapper")
async def test_a_wrapper_sees_the_error_and_the_lists_of_values(database: Database) -> None:
    seen: list[Any] = []

    async def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        try:
            return await execute(sql, params, many, context)
        except ProgrammingError as error:
            seen.append(error)
            raise
        finally:
            seen.append((many, params))

    await database.execute("CREATE TABLE note (id integer)")
    with database.execute_wrapper(look):
        with pytest.raises(ProgrammingError):
            await database.fetch("SELECT nothing FROM note")
        async with database.cursor() as cursor:
            await cursor.executemany("INSERT INTO note VALUES (%s)", [[1], [2]])
    assert isinstance(seen[0], ProgrammingError)
    assert seen[2] == (True, [[1], [2]])
    with pytest.raises(TypeError, match="takes an async function"), database.execute_wrapper(None):  # type: ignore[arg-type]
        pass


@pytest.fixture
def debugging() -> Iterator[None]:
    with override(DEBUG=True), fresh_log():
        yield


@pytest.mark.row("connections.query_log")
async def test_with_debug_statements_are_logged_and_kept(
    database: Database, debugging: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "covet.db.backends"):
        await database.fetch("SELECT 1")
        async with transaction.atomic():
            await asyncio.gather(database.fetch("SELECT 2"), database.fetch("SELECT 3"))
    assert [query["sql"] for query in connection.queries] == ["SELECT 1", "SELECT 2", "SELECT 3"]
    assert float(connection.queries[0]["time"]) >= 0
    with pytest.raises(KeyError):
        connection.queries[0]["values"]
    # The pool says what it does by the same logger.
    first = next(record for record in caplog.records if "SELECT" in record.getMessage())
    assert first.getMessage().endswith("SELECT 1; args=(); alias=default")
    assert first.duration >= 0  # type: ignore[attr-defined]

    reset_queries()
    assert connection.queries == []


@pytest.mark.row("connections.query_log")
async def test_the_log_is_one_for_a_request_and_its_tasks(database: Database, debugging: None) -> None:
    async def request(number: int) -> list[str]:
        with fresh_log():
            await asyncio.gather(database.fetch(f"SELECT {number}"), database.fetch(f"SELECT {number + 1}"))
            return sorted(query.sql for query in connection.queries)

    first, second = await asyncio.gather(request(10), request(20))
    assert first == ["SELECT 10", "SELECT 11"]
    assert second == ["SELECT 20", "SELECT 21"]
    assert connection.queries == []


@pytest.mark.row("connections.query_log")
async def test_without_debug_nothing_is_kept(database: Database) -> None:
    with fresh_log():
        await database.fetch("SELECT 1")
        assert connection.queries == []
    assert listening.watch.get == listening.recorders.get


@pytest.mark.row("connections.query_log")
async def test_a_full_log_says_so(database: Database, debugging: None) -> None:
    record = listening.QueryRecord("default", "SELECT 1", (), 0.0, "")
    listening.log_of("default").extend([record] * (listening.LOG_LIMIT + 5))
    with pytest.warns(RuntimeWarning, match="the last 9000"):
        assert len(connection.queries) == 9000


@pytest.mark.row("connections.query_log")
async def test_captured_statements_are_read_inside_the_block_and_after_it(database: Database) -> None:
    with CaptureQueriesContext(connection) as captured:
        await database.fetch("SELECT 1")
        assert len(captured) == 1
        await database.fetch("SELECT 2")
    await database.fetch("SELECT 3")

    assert [query["sql"] for query in captured] == ["SELECT 1", "SELECT 2"]
    assert captured[1].sql == "SELECT 2"
    assert len(CaptureQueriesContext()) == 0
