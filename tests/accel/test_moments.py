"""Both halves of ``decode_moment`` read the same ``datetime`` from PostgreSQL's bytes, over all the years that it can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covet import accel
from covet.accel.twins import moments as twin

HALVES = {"python": twin.decode_moment, "chosen": accel.decode_moment}
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def packed(micros: int) -> bytes:
    return micros.to_bytes(8, "big", signed=True)


@pytest.mark.parametrize("half", HALVES)
@given(micros=st.integers(FIRST, LAST))
@example(micros=FIRST)
@example(micros=LAST)
@example(micros=-1)
@example(micros=59 * 86_400_000_000)  # the leap day of a year that four hundred divides
@example(micros=(59 + 365 * 100 + 25) * 86_400_000_000)  # none where only a hundred does
def test_a_moment_is_so_many_microseconds_after_the_year_2000(half: str, micros: int) -> None:
    found = HALVES[half](packed(micros))

    assert found == EPOCH + timedelta(microseconds=micros)
    assert found.tzinfo is UTC
    assert found.fold == 0
    assert type(found) is datetime


@pytest.mark.parametrize("half", HALVES)
def test_every_day_of_eight_centuries_is_its_own(half: str) -> None:
    day = timedelta(days=1)
    expected = datetime(1600, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    begin = (expected - EPOCH) // timedelta(microseconds=1)
    for number in range(800 * 366):
        assert HALVES[half](packed(begin + number * 86_400_000_000)) == expected
        expected += day


@pytest.mark.parametrize("half", HALVES)
def test_the_infinities_are_the_ends_of_datetime_without_a_zone(half: str) -> None:
    assert HALVES[half](packed(2**63 - 1)) == datetime.max
    assert HALVES[half](packed(-(2**63))) == datetime.min


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("micros", [FIRST - 1, LAST + 1, 2**63 - 2, 1 - 2**63])
def test_years_beyond_datetime_overflow(half: str, micros: int) -> None:
    with pytest.raises(OverflowError, match="date value out of range"):
        HALVES[half](packed(micros))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789"], ids=len)
def test_another_number_of_bytes_is_refused(half: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=f"a moment has 8 bytes, not {len(data)}"):
        HALVES[half](data)
