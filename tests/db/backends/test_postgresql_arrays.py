"""``integer[]`` and ``bigint[]`` by our codecs are what they are by asyncpg's own: the same values, the same refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from covet import accel
from covet.conf.service_url import parse_database
from covet.db.backends.postgresql import arrays
from covet.db.database import Database

SQL = "SELECT $1::bigint[] AS a, $1::bigint[]::text AS b, $2::integer[] AS c, ARRAY[$1::bigint[], $1] AS d"
flat = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1) | st.booleans() | st.floats(-9, 9), max_size=5)


@pytest.fixture
async def pair(scratch: Any) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """A connection as asyncpg makes it, and one with our codecs, whichever half ``covet.accel`` has chosen."""
    url = await scratch("postgresql")
    theirs, ours = await asyncpg.connect(url), await asyncpg.connect(url)
    for oid, name, kind, width in arrays._ARRAYS:
        coders = partial(arrays._encode, kind, width), partial(arrays._decode, width)
        ours._protocol.get_settings().add_python_codec(oid, name, "pg_catalog", [], "scalar", *coders, "binary")
    yield theirs, ours
    await theirs.close()
    await ours.close()


async def answer(connection: asyncpg.Connection, value: Any) -> Any:
    try:
        return tuple(await connection.fetchrow(SQL, value, value))
    except (asyncpg.DataError, asyncpg.PostgresError) as error:
        return type(error), str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    value=flat
    | flat.map(tuple)
    | st.lists(flat, min_size=2, max_size=2)
    | st.lists(st.lists(flat, max_size=2), max_size=2)
)
@example(value=[])
@example(value=[[1, 2], [3, None]])
@example(value=[[[1], [2]], [[3], [4]]])
@example(value=[Decimal("2.5")])
async def test_arrays_go_and_come_as_by_asyncpg(pair: Any, value: Any) -> None:
    theirs, ours = pair
    expected, found = await answer(theirs, value), await answer(ours, value)
    if isinstance(expected[0], type):
        # What is odd about a list of lists is looked for in another order; asyncpg lets some of it go as far as the server.
        assert found[0] in (expected[0], asyncpg.DataError)
    else:
        assert found == expected


@pytest.mark.parametrize(
    "value",
    [5, "12", b"12", {1: 2}, ["x"], [1, object], [2**63], [(1, 2)], [[1], [2, 3]], [[1], 2], [[[[[[[1]]]]]]]],
    ids=lambda value: str(value)[:20],
)
async def test_what_is_no_array_of_integers_is_refused_in_asyncpgs_words(pair: Any, value: Any) -> None:
    theirs, ours = pair
    expected = await answer(theirs, value)
    assert expected[0] is asyncpg.DataError
    assert await answer(ours, value) == expected


async def test_connections_of_a_database_have_the_codecs_where_rust_is_at_hand(
    scratch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []

    def encode(values: Any, width: int) -> None:
        written.append(values)

    monkeypatch.setattr(accel, "encode_integers", encode)
    for active, expected in (("rust", [[1, 2]]), ("python", [])):
        monkeypatch.setattr(
            accel,
            "active",
            lambda active=active: dict.fromkeys(("encode_integers", "decode_moment", "encode_moment"), active),
        )
        database = Database("default", parse_database(await scratch("postgresql")))
        [row] = await database.fetch("SELECT $1::bigint[]", ([1, 2],))
        await database.close()
        assert row[0] == [1, 2]
        assert written == expected
        written.clear()
