"""Both halves of ``decode_moment`` read the same ``datetime`` from PostgreSQL's bytes, over all the years that it can hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

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


READERS = {"python": twin.read_moment, "chosen": accel.read_moment}
texts = (
    st.datetimes().map(lambda moment: f"{moment.isoformat(' ', 'microseconds'):0>26}")
    | st.datetimes().map(str)
    | st.datetimes(timezones=st.just(UTC)).map(str)
    | st.from_regex(r"\d{4}-[01]\d-[0-3]\d [0-2]\d:[0-6]\d:[0-6]\d\.\d{6}", fullmatch=True)
    | st.text(max_size=27)
)


def read(half: str, value: object) -> datetime | None:
    try:
        return READERS[half](value)
    except ValueError:
        return None


@given(text=texts)
@example(text="2024-02-29 23:59:59.999999")
@example(text="2023-02-29 00:00:00.000000")
@example(text="1900-02-29 00:00:00.000000")
@example(text="2000-02-29 00:00:00.000000")
@example(text="0000-01-01 00:00:00.000000")
@example(text="2024-01-01T00:00:00.000000")
@example(text="2024-01-01 00:00:00,000000")
@example(text="2024-01-01 00:00:00.00000٣")
@example(text="2024-01-01 24:00:00.000000")
@example(text="2024-04-31 00:00:00.000000")
def test_both_halves_read_the_same_texts(text: str) -> None:
    assert read("chosen", text) == read("python", text)


@pytest.mark.parametrize("half", READERS)
@given(moment=st.datetimes())
def test_a_stored_text_is_its_moment_in_utc(half: str, moment: datetime) -> None:
    found = READERS[half](f"{moment:%Y}".rjust(4, "0") + f"{moment:-%m-%d %H:%M:%S.%f}")
    assert found == moment.replace(tzinfo=UTC)
    assert found.tzinfo is UTC
    assert type(found) is datetime


@pytest.mark.parametrize("half", READERS)
@pytest.mark.parametrize("value", [None, 1, b"2024-01-01 00:00:00.000000", "", "2024-01-01"], ids=repr)
def test_what_is_no_stored_text_is_refused(half: str, value: object) -> None:
    with pytest.raises(ValueError, match="no moment in the form that is stored"):
        READERS[half](value)


ZONES = {"python": twin.in_utc, "chosen": accel.in_utc}


@pytest.mark.parametrize("half", ZONES)
@given(moment=st.datetimes(), fold=st.sampled_from([0, 1]))
def test_a_moment_without_a_zone_gets_that_of_utc(half: str, moment: datetime, fold: int) -> None:
    found = ZONES[half](moment.replace(fold=fold))
    assert found == moment.replace(tzinfo=UTC, fold=fold)
    assert (found.tzinfo, found.fold, type(found)) == (UTC, fold, datetime)


class Later(datetime):
    """A moment of a project's own kind."""


@pytest.mark.parametrize("half", ZONES)
@pytest.mark.parametrize("value", [None, 1, "2024-01-01", date(2024, 1, 1), Later(2024, 1, 1)], ids=str)
def test_what_is_no_plain_moment_gets_no_zone(half: str, value: object) -> None:
    with pytest.raises(ValueError, match="no moment"):
        ZONES[half](value)


WRITERS = {"python": twin.encode_moment, "chosen": accel.encode_moment}


@pytest.mark.parametrize("half", WRITERS)
@given(moment=st.datetimes(), fold=st.sampled_from([0, 1]))
@example(moment=datetime(2000, 2, 29), fold=0)
@example(moment=datetime(1900, 2, 28, 23, 59, 59, 999_999), fold=0)
@example(moment=datetime(1, 1, 1, microsecond=1), fold=0)
@example(moment=datetime(9999, 12, 31, 23, 59, 59, 999_998), fold=0)
def test_a_moment_in_utc_is_written_as_it_is_read(half: str, moment: datetime, fold: int) -> None:
    moment = moment.replace(tzinfo=UTC, fold=fold)
    micros = (moment - EPOCH) // timedelta(microseconds=1)

    assert WRITERS[half](moment) == (None if micros in (FIRST, LAST) else packed(micros))


@pytest.mark.parametrize("half", WRITERS)
def test_every_day_of_eight_centuries_is_written_as_its_own(half: str) -> None:
    day = timedelta(days=1)
    moment = datetime(1600, 1, 1, 12, tzinfo=UTC)
    begin = (moment - EPOCH) // timedelta(microseconds=1)
    for number in range(800 * 366):
        assert WRITERS[half](moment) == packed(begin + number * 86_400_000_000)
        moment += day


@pytest.mark.parametrize("half", WRITERS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "2024-01-01",
        date(2024, 1, 1),
        datetime(2024, 1, 1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(0))),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        Later(2024, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
    ],
    ids=str,
)
def test_what_is_no_plain_moment_in_utc_is_left_to_others(half: str, value: object) -> None:
    found = WRITERS[half](value)
    # A zone of no offset is UTC to Python: ``timezone(timedelta(0))`` is that very object.
    is_utc = (
        type(value) is datetime
        and value.tzinfo is UTC
        and value.replace(tzinfo=None) not in (datetime.max, datetime.min)
    )
    assert (found is not None) is is_utc
