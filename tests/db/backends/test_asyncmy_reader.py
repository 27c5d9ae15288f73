"""asyncmy's answers whose columns are known from before: the same rows, errors and states as by asyncmy's own way."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncmy.connection
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf.service_url import parse_database
from covet.db.backends.mysql import asyncmy_reader
from covet.db.backends.mysql.asyncmy_reader import read_answer
from covet.db.database import Database
from covet.db.errors import DatabaseError
from tests.db.backends.test_mysql_reader import ROWS, answer, packets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MANY_KINDS = (
    "SELECT 1 AS n, 2.5e0 AS f, CAST('1.50' AS DECIMAL(6, 2)) AS d, 'é' AS t, NULL AS nothing, X'00FF' AS b, "
    "TIMESTAMP'2024-02-29 12:00:00.000001' AS m, DATE'2024-02-29' AS day, CAST('[1]' AS CHAR) AS j"
)


@pytest.fixture
async def maria(scratch: Any) -> AsyncIterator[Database]:
    url = (await scratch("mysql")).partition("?")[0]
    db = Database("maria", parse_database(f"{url}?driver=asyncmy&pool_max_size=1"))
    asyncmy_reader._layouts.clear()
    yield db
    await db.close()


async def test_values_are_the_same_when_the_columns_are_known(maria: Database) -> None:
    first = list(await maria.fetch(MANY_KINDS))
    known = len(asyncmy_reader._layouts)
    again = [list(await maria.fetch(MANY_KINDS)) for _ in range(3)]
    assert len(asyncmy_reader._layouts) == known
    assert again == [first] * 3
    moment = dt.datetime(2024, 2, 29, 12, 0, 0, 1)
    assert first == [(1, 2.5, Decimal("1.50"), "é", None, b"\x00\xff", moment, dt.date(2024, 2, 29), "[1]")]
    assert [type(value) for value in again[0][0]] == [type(value) for value in first[0]]


async def test_columns_that_changed_are_read_anew(maria: Database) -> None:
    await maria.execute("CREATE TABLE kept (value varchar(20))")
    await maria.execute("INSERT INTO kept VALUES ('7'), (NULL)")
    sql = "SELECT value FROM kept ORDER BY value DESC"
    for _ in range(2):
        assert list(await maria.fetch(sql)) == [("7",), (None,)]
    await maria.execute("ALTER TABLE kept MODIFY value int")
    for _ in range(2):
        assert list(await maria.fetch(sql)) == [(7,), (None,)]


async def test_answers_without_rows_and_without_columns(maria: Database) -> None:
    await maria.execute("CREATE TABLE none_yet (id int AUTO_INCREMENT PRIMARY KEY, value int)")
    for _ in range(3):
        assert list(await maria.fetch("SELECT id, value FROM none_yet")) == []
    for number in range(1, 4):
        assert await maria.insert("INSERT INTO none_yet (value) VALUES (%s)", (number,)) == ([], number)
    assert await maria.execute("UPDATE none_yet SET value = 5") == 3
    assert list(await maria.fetch("SELECT COUNT(*) FROM none_yet WHERE value = 5")) == [(3,)]


async def test_long_answers_and_long_values_arrive_whole(maria: Database) -> None:
    sql = "SELECT seq, REPEAT('x', seq % 500) FROM seq_1_to_5000"
    expected = [(number, "x" * (number % 500)) for number in range(1, 5001)]
    for _ in range(2):
        assert list(await maria.fetch(sql)) == expected
    for size in (255, 70_000, 5_000_000):
        for _ in range(2):
            assert list(await maria.fetch(f"SELECT REPEAT('y', {size}), 1")) == [("y" * size, 1)]


async def test_an_error_while_rows_are_on_the_way_leaves_the_connection_usable(maria: Database) -> None:
    wrong = "SELECT seq, IF(seq = 4000, (SELECT seq UNION SELECT 1), 1) FROM seq_1_to_5000"
    for _ in range(3):
        with pytest.raises(DatabaseError):
            await maria.fetch(wrong)
        assert list(await maria.fetch("SELECT 1, 'ok'")) == [(1, "ok")]


async def test_a_cancelled_answer_costs_the_connection_and_nothing_else(maria: Database) -> None:
    sql = "SELECT SLEEP(%s), 1"
    for _ in range(2):
        await maria.fetch(sql, (0,))
    task = asyncio.create_task(maria.fetch(sql, (30,)))
    while maria.writer_pool.in_use == 0:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(await maria.fetch(sql, (0,))) == [(0, 1)]


async def test_several_results_of_one_text_are_read_to_their_end(maria: Database) -> None:
    for _ in range(3):
        assert list(await maria.fetch("SELECT 1, 2; SELECT 3")) == [(1, 2)]
        assert list(await maria.fetch("SELECT 3")) == [(3,)]


def connection() -> Any:
    """A connection of asyncmy that has gone through its handshake."""
    library: Any = asyncmy.connection
    made = library.Connection(host="", user="", password="", database="")
    made._loop = asyncio.get_running_loop()
    made._proto = library._MySQLProtocol(made._loop)
    made._encoding = "utf8"
    made._next_seq_id = 1
    return made


def feed(raw: Any, data: bytes) -> None:
    view = raw._proto.get_buffer(len(data))
    view[: len(data)] = data
    view.release()
    raw._proto.buffer_updated(len(data))


async def read_in_pieces(data: bytes, size: int) -> Any:
    raw = connection()
    task = asyncio.ensure_future(read_answer(raw))
    for start in range(0, len(data), size):
        feed(raw, data[start : start + size])
        await asyncio.sleep(0)
    await asyncio.wait_for(task, 30)
    assert raw._proto.pos == raw._proto.length
    return raw._result


@given(ROWS, st.integers(1, 500))
def test_an_answer_in_pieces_is_the_same_known_or_not(rows: list[list[str | None]], size: int) -> None:
    async def read() -> None:
        data = answer(rows)
        for pieces in (len(data), len(data), size):
            result = await read_in_pieces(data, pieces)
            assert result.rows == tuple(map(tuple, rows))
            assert result.affected_rows == len(rows)
            assert not result.has_next

    asyncio.run(read())


async def test_what_is_no_answer_with_columns_is_left_to_asyncmy() -> None:
    done = packets(b"\x00\x03\x07\x02\x00\x00\x00")
    result = await read_in_pieces(done, len(done))
    assert (result.affected_rows, result.insert_id, result.rows) == (3, 7, None)
