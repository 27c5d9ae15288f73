"""Range fields: values there and back, look-ups, ends, validation; the Range object."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.db.errors import NotSupportedError
from covet.db.models import F, Value
from covet.exceptions import ValidationError
from covet.postgres.fields import DateTimeRangeField, DecimalRangeField, IntegerRangeField, Range
from covet.postgres.functions import IntegerRangeOf
from covet.postgres.ranges import RangeBoundary
from covet.test import assert_queries
from tests.postgres.models import Booking

if TYPE_CHECKING:
    from covet.db.database import Database

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


async def rooms(**conditions: Any) -> list[int]:
    return [booking.room async for booking in Booking.objects.filter(**conditions).order_by("room")]


@pytest.fixture
async def bookings(pg: Database) -> None:
    await Booking.objects.create(room=1, span=Range(1, 5), days=(dt.date(2024, 1, 1), dt.date(2024, 1, 8)))
    await Booking.objects.create(room=2, span=Range(5, 10), days=(None, dt.date(2024, 1, 3)))
    await Booking.objects.create(room=3, span=Range(20, None))
    await Booking.objects.create(room=4, span=Range(empty=True))
    await Booking.objects.create(room=5)


@pytest.mark.row("postgres.ranges", on="postgresql")
async def test_ranges_come_back_as_they_were_saved(pg: Database) -> None:
    made = await Booking.objects.create(
        span=Range(1, 5, "[]"),
        wide=Range(2**40, None),
        price=(Decimal("1.50"), Decimal("2.25")),
        days=Range(dt.date(2024, 1, 1), dt.date(2024, 2, 1)),
        hours=Range(NOON, NOON + dt.timedelta(hours=2), "(]"),
    )
    found = await Booking.objects.get(pk=made.pk)
    assert found.span == Range(1, 6)
    assert found.wide == Range(2**40, None)
    assert found.price == Range(Decimal("1.50"), Decimal("2.25"), "[]")
    assert found.days == Range(dt.date(2024, 1, 1), dt.date(2024, 2, 1))
    assert found.hours == Range(NOON, NOON + dt.timedelta(hours=2), "(]")


@pytest.mark.row("postgres.range_lookups", on="postgresql")
async def test_a_range_holds_a_column_of_another_size(bookings: None) -> None:
    await Booking.objects.filter(room=1).update(wide=Range(1, 3))

    assert await rooms(span__contains=F("room")) == [1]
    assert await rooms(wide__contains=F("room")) == [1]
    assert await rooms(span__contains=F("span"), span__isempty=False) == [1, 2, 3]
    assert await rooms(span__contains=Value(7)) == [2]


@pytest.mark.row("postgres.range_lookups", on="postgresql")
async def test_look_ups_of_ranges(bookings: None) -> None:
    assert await rooms(span__contains=4) == [1]
    assert await rooms(span__contains=Range(6, 8)) == [2]
    assert await rooms(span__contains=(6, 8)) == [2]
    assert await rooms(span__contained_by=Range(0, 12)) == [1, 2, 4]
    assert await rooms(span__overlap=Range(4, 6)) == [1, 2]
    assert await rooms(span__fully_lt=Range(5, 6)) == [1]
    assert await rooms(span__fully_gt=Range(0, 5)) == [2, 3]
    assert await rooms(span__not_lt=Range(5, 6)) == [2, 3]
    assert await rooms(span__not_gt=Range(5, 10)) == [1, 2]
    assert await rooms(span__adjacent_to=Range(10, 20)) == [2, 3]
    assert await rooms(span=Range(1, 5)) == [1]
    assert await rooms(span__in=[Range(1, 5), (5, 10)]) == [1, 2]
    assert await rooms(days__contains=dt.date(2024, 1, 2)) == [1, 2]


@pytest.mark.row("postgres.range_lookups", on="postgresql")
async def test_ends_and_what_can_be_asked_of_them(bookings: None) -> None:
    assert await rooms(span__startswith=5) == [2]
    assert await rooms(span__endswith__lte=10) == [1, 2]
    assert await rooms(span__isempty=True) == [4]
    assert await rooms(span__upper_inf=True) == [3]
    assert await rooms(days__lower_inf=True) == [2]
    assert await rooms(span__lower_inc=True) == [1, 2, 3]
    assert await rooms(span__upper_inc=True) == []
    assert await rooms(days__startswith__year=2024) == [1]
    rows = Booking.objects.filter(span__isempty=False).order_by("span__startswith").values_list("span__endswith")
    assert await rows == [(5,), (10,), (None,)]


@pytest.mark.row("postgres.range_lookups", on="postgresql")
async def test_a_plain_value_lies_in_a_range(bookings: None) -> None:
    assert await rooms(room__contained_by=Range(2, 4)) == [2, 3]
    assert await rooms(room__contained_by=(None, 2)) == [1]


@pytest.mark.row("postgres.ranges", on="postgresql")
async def test_a_date_in_a_range_of_moments_is_its_first_moment(pg: Database) -> None:
    await Booking.objects.create(room=1, hours=Range(NOON - dt.timedelta(days=1), NOON))
    assert await rooms(hours__contains=dt.date(2024, 5, 1)) == [1]
    assert await rooms(hours__contains=dt.date(2024, 5, 2)) == []


@pytest.mark.row("postgres.ranges", on="postgresql")
async def test_a_range_is_made_of_two_columns(bookings: None) -> None:
    made = IntegerRangeOf("room", "room", RangeBoundary(inclusive_upper=True))
    found = await Booking.objects.annotate(made=made).order_by("room").values_list("made", flat=True)[:2]
    assert found == [Range(1, 2), Range(2, 3)]


ends = st.none() | st.integers(-(2**31) + 1, 2**31 - 2)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lower=ends, upper=ends, bounds=st.sampled_from(["[]", "[)", "(]", "()"]))
async def test_any_range_of_decimals_comes_back(pg: Database, lower: Any, upper: Any, bounds: str) -> None:
    if lower is not None and upper is not None and lower > upper:
        lower, upper = upper, lower
    value = Range(*(None if end is None else Decimal(end) for end in (lower, upper)), bounds)
    made = await Booking.objects.create(price=value)
    assert (await Booking.objects.get(pk=made.pk, price=value)).price == value


def test_a_range_knows_its_values_and_is_a_value_itself() -> None:
    span = Range(1, 5)
    assert 1 in span and 4 in span and 5 not in span and 0 not in span and None not in span
    assert 5 in Range(1, 5, "(]") and 1 not in Range(1, 5, "(]")
    assert 7 in Range(1, None) and -7 in Range(None, 1) and 1 not in Range(empty=True)
    assert span == Range(1, 5) and span != Range(1, 5, "[]") and span != 3
    assert hash(span) == hash(Range(1, 5)) and bool(span) and not Range(3, 3)
    assert Range(3, 3).isempty and not Range(3, 3, "[]").isempty
    assert Range(None, 5, "[]").lower_inf and not Range(None, 5, "[]").lower_inc
    assert Range(1, None).upper_inf and not Range(empty=True).upper_inf
    assert copy.copy(span) == pickle.loads(pickle.dumps(span)) == span
    assert pickle.loads(pickle.dumps(Range(empty=True))) == Range(empty=True)
    assert str(span) == "[1, 5)" and str(Range(empty=True)) == "empty"
    assert repr(span) == "Range(1, 5, '[)')" and repr(Range(empty=True)) == "Range(empty=True)"
    with pytest.raises(AttributeError, match="never changes"):
        span.lower = 3
    with pytest.raises(AttributeError, match="never changes"):
        del span.lower
    with pytest.raises(ValueError, match="bounds"):
        Range(1, 2, "][")
    with pytest.raises(ValueError, match="beyond"):
        Range(3, 2)


def test_ranges_are_read_from_texts_and_pairs() -> None:
    field = DateTimeRangeField(default_bounds="[]")
    field.set_attributes_from_name("hours")
    read = field.to_python('["2024-05-01T12:00:00Z", null]')
    assert read == Range(NOON, None, "[]")
    whole = IntegerRangeField()
    assert whole.to_python('{"lower": "1", "upper": 5, "bounds": "[]"}') == Range(1, 5, "[]")
    assert whole.to_python({"empty": True}) == Range(empty=True)
    assert whole.to_python(None) is None
    for wrong in ("nope", 3, {"low": 1}, {"bounds": "x"}, [1, 2, 3], ["a", 2], {"lower": 5, "upper": 1}):
        with pytest.raises(ValidationError):
            whole.to_python(wrong)


def test_ranges_are_written_as_texts_that_are_read_again() -> None:
    field = Booking._meta.get_field("hours")
    for value in (Range(NOON, None), Range(empty=True)):
        assert field.to_python(field.value_to_string(Booking(hours=value))) == value
    assert field.value_to_string(Booking()) == ""


async def test_full_clean_checks_both_ends(pg: Database) -> None:
    with pytest.raises(ValidationError) as caught:
        await Booking(room=1, span=Range(1, 2**40)).full_clean()
    assert set(caught.value.message_dict) == {"span"}


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="default_bounds"):
        DecimalRangeField(default_bounds="x")
    with pytest.raises(ValueError, match="two ends"):
        IntegerRangeField().to_range((1, 2, 3))
    assert DecimalRangeField(default_bounds="[]").deconstruct()[3] == {"default_bounds": "[]"}
    field = IntegerRangeField(default=[1, 2])
    field.set_attributes_from_name("span")
    assert [message.id for message in field.check()] == ["postgres.E003"]


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_have_no_ranges(database: Database) -> None:
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        await Booking.objects.filter(span__contains=3)
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        await Booking.objects.filter(room__contained_by=Range(2, 4))


async def test_a_filter_with_a_type_may_have_look_ups_that_no_parameter_says(pg: Database) -> None:
    """``hours__startswith__date`` has no type of its own, and the filter has."""
    from covet.rest import FilterBy
    from covet.rest.filters import FilterSet

    await Booking.objects.create(room=1, hours=Range(NOON, NOON + dt.timedelta(hours=1)))
    await Booking.objects.create(room=2, hours=Range(NOON + dt.timedelta(days=1), None))
    asked = FilterSet(Booking, filters=[FilterBy("on", "hours__startswith__date", type=dt.date)])

    (parameter,) = asked.parameters()
    found = await asked.bind({"on": NOON.date()}).apply(Booking.objects.all())

    assert (parameter.name, parameter.annotation, parameter.is_list) == ("on", dt.date, False)
    assert [booking.room for booking in found] == [1]


def test_ends_in_the_wrong_order_are_told_as_people_write_them() -> None:
    with pytest.raises(
        ValueError, match=r"beyond its upper end: 2024-05-01 12:00:00\+00:00, 2024-04-30 12:00:00\+00:00\."
    ):
        Range(NOON, NOON - dt.timedelta(days=1))


@pytest.mark.row("postgres.ranges", on="postgresql")
async def test_many_ranges_are_written_by_one_statement_that_tells_how_many_rows_there_were(pg: Database) -> None:
    given = [Booking(room=n, span=Range(n, n + 2), price=(Decimal(n), Decimal("7.5"))) for n in range(5)]
    made = await Booking.objects.bulk_create([*given, Booking(room=5, span=Range(empty=True)), Booking(room=6)])
    assert await Booking.objects.order_by("room").values_list("span", flat=True) == [
        *[Range(n, n + 2) for n in range(5)],
        Range(empty=True),
        None,
    ]
    for booking in made:
        booking.span = None if booking.room < 2 else Range(None, booking.room)
        booking.hours = Range(NOON, NOON + dt.timedelta(hours=booking.room)) if booking.room > 4 else None
    await Booking.objects.filter(room=3).delete()

    with assert_queries(1) as told:
        assert await Booking.objects.bulk_update(made, ["span", "hours", "price"]) == 6

    assert "unnest" in told[0].sql
    assert await Booking.objects.order_by("room").values_list("room", "span", "hours") == [
        (0, None, None),
        (1, None, None),
        (2, Range(None, 2), None),
        (4, Range(None, 4), None),
        (5, Range(None, 5), Range(NOON, NOON + dt.timedelta(hours=5))),
        (6, Range(None, 6), Range(NOON, NOON + dt.timedelta(hours=6))),
    ]
