"""The answer reader of MariaDB and MySQL: answers in pieces, very long values, errors on the way, many columns."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pymysql.err
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf.service_url import parse_database
from covet.db.backends.mysql.reader import FastConnection
from covet.db.database import Database
from covet.db.errors import DatabaseError, DataError
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT_COLUMN = 253
UTF8 = 45


@pytest.fixture(params=["aiomysql", "asyncmy"])
async def maria(request: pytest.FixtureRequest, scratch: Any) -> AsyncIterator[Database]:
    """On either library."""
    db = Database("maria", parse_database(f"{bare(await scratch('mysql'))}?driver={request.param}"))
    yield db
    await db.close()


def bare(url: str) -> str:
    """The address without its options."""
    return url.partition("?")[0]


async def values(db: Database, sql: str, args: Any = ()) -> list[Any]:
    return list(await db.fetch(sql, args))


def lenenc(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + struct.pack("<H", size) + value
    if size < 1 << 24:
        return b"\xfd" + struct.pack("<I", size)[:3] + value
    return b"\xfe" + struct.pack("<Q", size) + value


def packets(*payloads: bytes) -> bytes:
    out = b""
    number = 1
    for payload in payloads:
        while True:
            part, payload = payload[:0xFFFFFF], payload[0xFFFFFF:]
            out += struct.pack("<I", len(part))[:3] + bytes([number % 256]) + part
            number += 1
            if len(part) < 0xFFFFFF:
                break
    return out


def answer(rows: list[list[str | None]]) -> bytes:
    count = len(rows[0])
    column = b"".join(lenenc(part) for part in (b"def", b"", b"", b"", b"c", b"c"))
    column += b"\x0c" + struct.pack("<HIBHB", UTF8, 1000, TEXT_COLUMN, 0, 0) + b"\x00\x00"
    end = b"\xfe\x00\x00\x02\x00"
    body = [b"".join(b"\xfb" if item is None else lenenc(item.encode()) for item in row) for row in rows]
    return packets(bytes([count]), *[column] * count, end, *body, end)


def connection(reader: asyncio.StreamReader) -> Any:
    made = FastConnection.__new__(FastConnection)
    made._reader = reader
    made._writer = None
    made._encoding = "utf8"
    made._next_seq_id = 1
    made._close_reason = None
    return made


async def read_in_pieces(data: bytes, size: int) -> Any:
    reader = asyncio.StreamReader()
    task = asyncio.ensure_future(connection(reader).read_answer())
    for start in range(0, len(data), size):
        reader.feed_data(data[start : start + size])
        await asyncio.sleep(0)
    return await asyncio.wait_for(task, 30)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
ROWS = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.lists(st.none() | TEXT, min_size=count, max_size=count), min_size=1, max_size=6)
)


@given(ROWS, st.integers(1, 500))
def test_an_answer_may_arrive_in_any_pieces(rows: list[list[str | None]], size: int) -> None:
    found = asyncio.run(read_in_pieces(answer(rows), size))

    assert found.rows == [tuple(row) for row in rows]


@pytest.mark.parametrize("length", [250, 251, 65_535, 65_536, 0xFFFFFF - 4, 0xFFFFFF, 0xFFFFFF + 10])
async def test_values_of_every_size_are_read(length: int) -> None:
    """Beyond 16 MiB a row goes on in a second packet."""
    text = "x" * length

    found = await read_in_pieces(answer([[text, "after"], [None, "next"]]), 1 << 22)

    assert [(len(a) if a else a, b) for a, b in found.rows] == [(length, "after"), (None, "next")]


async def test_a_broken_connection_is_an_error_not_a_wait() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(answer([["a"]])[:20])
    reader.feed_eof()

    with pytest.raises(pymysql.err.OperationalError, match="Lost connection"):
        await connection(reader).read_answer()


async def test_an_error_in_the_middle_of_the_rows_is_told(maria: Database) -> None:
    with pytest.raises(DatabaseError):
        await maria.fetch(
            "SET STATEMENT max_statement_time = 0.1 FOR "
            "SELECT a.seq, SLEEP(0.001) FROM seq_1_to_10000 a, seq_1_to_10000 b"
        )

    assert await values(maria, "SELECT 1") == [(1,)]


async def test_many_columns_and_an_empty_answer(maria: Database) -> None:
    columns = ", ".join(f"{number} AS c{number}" for number in range(300))

    assert await values(maria, f"SELECT {columns}") == [tuple(range(300))]
    assert await values(maria, "SELECT 1 FROM DUAL WHERE FALSE") == []


async def test_half_a_surrogate_and_a_wrong_number_of_values_are_named(maria: Database) -> None:
    with pytest.raises(DataError, match="half a surrogate"):
        await maria.fetch("SELECT %s", ("\ud800",))
    with pytest.raises(DatabaseError, match="do not fit"):
        await maria.fetch("SELECT %s, %s", (1,))
    assert await values(maria, "SELECT '100%'") == [("100%",)]


async def test_text_is_escaped_whatever_the_sql_mode(scratch: Any) -> None:
    url = bare(await scratch("mysql"))
    for mode in ("STRICT_TRANS_TABLES", "NO_BACKSLASH_ESCAPES"):
        db = Database("maria", parse_database(f"{url}?sql_mode={mode}"))
        for text in ("it's", "back\\slash", "\\' OR 1=1 -- ", 'dou"ble', "nul\x00", "%s", "\n"):
            assert await values(db, "SELECT %s", (text,)) == [(text,)], mode
        await db.close()


async def test_an_unknown_library_is_refused(scratch: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="Known: aiomysql, asyncmy"):
        Database("maria", parse_database(f"{bare(await scratch('mysql'))}?driver=mysqldb"))


async def test_every_type_arrives_as_python_knows_it(maria: Database) -> None:
    sql = (
        "SELECT CAST(1 AS SIGNED), 1.50, 2e0, 'ä', X'00ff', NULL, CAST('2024-02-29' AS DATE), "
        "CAST('2024-02-29 23:59:59.5' AS DATETIME(6)), CAST('13:14:15.25' AS TIME(6)), CAST('' AS CHAR), b'1'"
    )

    found = (await values(maria, sql))[0]

    assert found == (
        1, Decimal("1.50"), 2.0, "ä", b"\x00\xff", None, dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 59, 500_000),
        dt.timedelta(hours=13, minutes=14, seconds=15, microseconds=250_000), "", b"\x01",
    )  # fmt: skip
