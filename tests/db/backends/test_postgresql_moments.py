"""``timestamptz`` by our codec is what it is by asyncpg's own: the same values there and back, the same refusals."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet import accel
from covet.conf.service_url import parse_database
from covet.db.backends.postgresql.moments import _encode, use_native_moments
from covet.db.database import Database

SQL = "SELECT $1::timestamptz, $1::timestamptz::text, $2::timestamptz[], tstzrange($1, NULL)"
ENDS = [
    dt.datetime.max,
    dt.datetime.min,
    dt.datetime.max.replace(tzinfo=dt.UTC),
    dt.datetime.min.replace(tzinfo=dt.UTC),
]
moments = (
    st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.timezones())
    | st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: dt.timezone(dt.timedelta(minutes=m))))
    | st.dates()
    | st.sampled_from(ENDS)
)


@pytest.fixture
async def pair(scratch: Any) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """A connection as asyncpg makes it, and one with our codec, whichever half ``covet.accel`` has chosen."""
    url = await scratch("postgresql")
    theirs, ours = await asyncpg.connect(url), await asyncpg.connect(url)
    ours._protocol.get_settings().add_python_codec(
        1184, "timestamptz", "pg_catalog", [], "scalar", _encode, accel.decode_moment, "binary"
    )
    yield theirs, ours
    await theirs.close()
    await ours.close()


async def answer(connection: asyncpg.Connection, value: Any) -> Any:
    try:
        return tuple(await connection.fetchrow(SQL, value, [value, None]))
    except (asyncpg.DataError, OverflowError) as error:
        return type(error), str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=moments)
async def test_moments_and_dates_go_and_come_as_by_asyncpg(pair: Any, value: Any) -> None:
    theirs, ours = pair
    assert await answer(ours, value) == await answer(theirs, value)


@pytest.mark.parametrize("value", ["2024-01-01", 1, dt.time(1), b""], ids=repr)
async def test_what_is_no_moment_is_refused_in_asyncpgs_words(pair: Any, value: Any) -> None:
    theirs, ours = pair
    assert await answer(ours, value) == await answer(theirs, value)
    assert (await answer(ours, value))[0] is asyncpg.DataError


async def test_connections_of_a_database_have_the_codec_where_rust_is_at_hand(
    scratch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which half runs makes no difference that could be seen, but for this."""
    decoded: list[bytes] = []
    encoded: list[object] = []
    kept = accel.encode_moment

    def encode(value: object) -> bytes | None:
        encoded.append(value)
        return kept(value)

    def decode(data: bytes) -> dt.datetime:
        decoded.append(data)
        return dt.datetime.now(dt.UTC)

    for active, count in (("rust", 1), ("python", 0)):
        monkeypatch.setattr(
            accel,
            "active",
            lambda active=active: {"decode_moment": active, "encode_moment": active, "encode_integers": "python"},
        )
        monkeypatch.setattr(accel, "encode_moment", encode)
        monkeypatch.setattr(accel, "decode_moment", decode)
        database = Database("default", parse_database(await scratch("postgresql")))
        moments = [dt.datetime(2024, 2, 29, tzinfo=dt.UTC), dt.datetime.max, dt.date(2024, 2, 29)]
        told = [(await database.fetch("SELECT $1::timestamptz::text", (one,)))[0][0] for one in moments]
        assert told[:2] == ["2024-02-29 00:00:00+00", "infinity"]
        await database.fetch("SELECT now()")
        await database.close()
        assert (len(decoded), encoded) == (count, moments * count)
        decoded.clear()
        encoded.clear()


def test_a_connection_without_the_native_half_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "active", lambda: {"decode_moment": "python"})
    use_native_moments(None)
