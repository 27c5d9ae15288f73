"""What every field promises: values survive the way to the database and back, and options survive a migration file."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.db.backends.mysql.dialect import MySQLDialect
from covet.db.backends.postgresql.dialect import PostgreSQLDialect
from covet.db.backends.sqlite.dialect import SQLiteDialect
from covet.db.models import fields
from covet.db.models.expressions import F
from covet.db.models.functions import Lower, Now
from covet.exceptions import ValidationError

AWARE = st.datetimes(timezones=st.just(dt.UTC))
INTEGERS = st.integers(-(2**31), 2**31 - 1)

VALUES: list[tuple[Any, Any]] = [
    (fields.IntegerField(), INTEGERS),
    (fields.BigIntegerField(), st.integers(-(2**63), 2**63 - 1)),
    (fields.SmallIntegerField(), st.integers(-(2**15), 2**15 - 1)),
    (fields.PositiveIntegerField(), st.integers(0, 2**31 - 1)),
    (fields.FloatField(), st.floats(allow_nan=False, allow_infinity=False)),
    (fields.BooleanField(), st.booleans()),
    (fields.CharField(max_length=50), st.text(max_size=50)),
    (fields.TextField(), st.text()),
    (fields.DateField(), st.dates()),
    (fields.DateTimeField(), AWARE),
    (fields.TimeField(), st.times()),
    (fields.DurationField(), st.timedeltas()),
    (fields.UUIDField(), st.uuids()),
    (fields.BinaryField(), st.binary()),
    (fields.GenericIPAddressField(), st.ip_addresses().map(str)),
    (
        fields.DecimalField(max_digits=12, decimal_places=3),
        st.decimals(-(10**8), 10**8, places=3, allow_nan=False, allow_infinity=False),
    ),
]
DIALECTS = [PostgreSQLDialect(), MySQLDialect(), SQLiteDialect()]
CASES = st.one_of([st.tuples(st.just(field), values) for field, values in VALUES])


@given(CASES)
def test_a_value_of_the_field_is_the_same_after_to_python_and_prep(case: tuple[Any, Any]) -> None:
    field, value = case
    if isinstance(field, fields.GenericIPAddressField):
        value = field.to_python(value)
    assert field.to_python(value) == value
    assert field.get_prep_value(value) == value
    assert type(field.get_prep_value(value)) is type(field.to_python(value))


@given(CASES)
def test_to_python_may_run_twice(case: tuple[Any, Any]) -> None:
    field, value = case
    once = field.to_python(value)
    assert field.to_python(once) == once


@given(CASES)
@pytest.mark.row("fields.introspection")
def test_a_value_survives_its_text(case: tuple[Any, Any]) -> None:
    field, value = case
    if isinstance(field, fields.BinaryField):
        return

    class Row:
        pass

    row: Any = Row()
    field = field.clone()
    field.set_attributes_from_name("x")
    row.x = field.to_python(value)
    assert field.to_python(field.value_to_string(row)) == row.x


@pytest.mark.parametrize("field", [field for field, _values in VALUES], ids=lambda field: type(field).__name__)
def test_none_passes_through_every_adapter(field: Any) -> None:
    for dialect in DIALECTS:
        adapt, convert = field.adapter(dialect), field.converter(dialect)
        assert adapt is None or adapt(None) is None
        assert convert is None or convert(None) is None
    assert field.to_python(None) is None


@given(CASES, st.sampled_from(DIALECTS))
def test_the_driver_gets_a_value_that_reads_back(case: tuple[Any, Any], dialect: Any) -> None:
    field, value = case
    if isinstance(field, fields.GenericIPAddressField):
        return  # PostgreSQL's driver has objects of its own for these
    adapt, convert = field.adapter(dialect), field.converter(dialect)
    sent = value if adapt is None else adapt(value)
    assert (sent if convert is None else convert(sent)) == value


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "verbose_name": st.text(min_size=1, max_size=8),
        "null": st.booleans(),
        "blank": st.booleans(),
        "db_index": st.booleans(),
        "unique": st.booleans(),
        "editable": st.booleans(),
        "db_column": st.sampled_from(["col", "other"]),
        "db_comment": st.just("what it is"),
        "help_text": st.text(max_size=5),
        "error_messages": st.just({"null": "No."}),
        "default": st.none(),
        "choices": st.sampled_from([[("a", "A"), ("b", "B")], {"a": "A"}, [("Group", [("a", "A")])]]),
        "validators": st.just([len]),
        "unique_for_date": st.just("day"),
        "db_default": st.sampled_from([Now(), 3]),
    },
)
MAKERS: list[Any] = [
    lambda **o: fields.CharField(max_length=10, db_collation="C", **o),
    lambda **o: fields.TextField(**o),
    lambda **o: fields.SlugField(allow_unicode=True, **o),
    lambda **o: fields.EmailField(**o),
    lambda **o: fields.URLField(**o),
    lambda **o: fields.IntegerField(**o),
    lambda **o: fields.PositiveBigIntegerField(**o),
    lambda **o: fields.FloatField(**o),
    lambda **o: fields.DecimalField(max_digits=5, decimal_places=2, **o),
    lambda **o: fields.BooleanField(**o),
    lambda **o: fields.DateField(**o),
    lambda **o: fields.DateTimeField(**o),
    lambda **o: fields.TimeField(**o),
    lambda **o: fields.DurationField(**o),
    lambda **o: fields.UUIDField(**o),
    lambda **o: fields.BinaryField(**o),
    lambda **o: fields.JSONField(encoder=json.JSONEncoder, decoder=json.JSONDecoder, **o),
    lambda **o: fields.GenericIPAddressField(protocol="IPv6", **o),
]


@given(st.sampled_from(MAKERS), OPTIONS)
@pytest.mark.row("fields.introspection")
def test_a_clone_deconstructs_to_the_same(make: Any, options: dict[str, Any]) -> None:
    field = make(**options)
    clone = field.clone()
    assert clone.deconstruct() == field.deconstruct()
    assert clone is not field
    for option, value in options.items():
        if option in {"choices", "validators"}:
            continue
        stored = (
            clone._verbose_name
            if option == "verbose_name"
            else getattr(clone, option if option != "error_messages" else "_error_messages")
        )
        assert stored == value
    path = field.deconstruct()[1]
    assert path == f"covet.db.models.{type(field).__name__}"


def test_automatic_dates_do_not_write_what_they_imply() -> None:
    _name, _path, _args, kwargs = fields.DateTimeField(auto_now_add=True).deconstruct()
    assert kwargs == {"auto_now_add": True}
    assert fields.DateTimeField(auto_now_add=True).editable is False


def test_automatic_keys_and_generated_columns_clone() -> None:
    key = fields.BigAutoField(primary_key=True)
    assert key.clone().deconstruct() == key.deconstruct()
    made = fields.GeneratedField(
        expression=Lower(F("title")), output_field=fields.CharField(max_length=9), db_persist=True
    )
    clone = made.clone()
    assert clone.expression == made.expression
    assert clone.output_field.max_length == 9
    assert clone.db_persist is True


@pytest.mark.parametrize(
    ("field", "given_", "wanted"),
    [
        (fields.IntegerField(), "12", 12),
        (fields.BooleanField(), "t", True),
        (fields.BooleanField(), "0", False),
        (fields.BooleanField(null=True), "", None),
        (fields.FloatField(), "1.5", 1.5),
        (fields.DecimalField(max_digits=5, decimal_places=2), "1.25", decimal.Decimal("1.25")),
        (fields.DecimalField(max_digits=5, decimal_places=2), 1.1, decimal.Decimal("1.1000")),
        (fields.DateField(), "2024-02-29", dt.date(2024, 2, 29)),
        (fields.TimeField(), "10:11", dt.time(10, 11)),
        (fields.DateTimeField(), "2024-02-29T10:11:12Z", dt.datetime(2024, 2, 29, 10, 11, 12, tzinfo=dt.UTC)),
        (fields.DateField(), "2024-5-1", dt.date(2024, 5, 1)),
        (fields.TimeField(), "9:05", dt.time(9, 5)),
        (fields.TimeField(), "9:5:7.5", dt.time(9, 5, 7, 500_000)),
        (fields.DateTimeField(), "2024-5-1 9:05+02:00", dt.datetime(2024, 5, 1, 7, 5, tzinfo=dt.UTC)),
        (fields.DurationField(), "3 days", dt.timedelta(days=3)),
        (fields.DurationField(), "-1 day", dt.timedelta(days=-1)),
        (fields.DurationField(), "1 02:03:04.5", dt.timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        (fields.DurationField(), "P1DT2H", dt.timedelta(days=1, hours=2)),
        (fields.DurationField(), "-00:00:10", dt.timedelta(seconds=-10)),
        (fields.UUIDField(), "12345678123456781234567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        (fields.UUIDField(), 5, uuid.UUID(int=5)),
        (fields.BinaryField(), "aGk=", b"hi"),
        (fields.BinaryField(), bytearray(b"hi"), b"hi"),
        (fields.GenericIPAddressField(), "2001:DB8::0:1", "2001:db8::1"),
        (fields.GenericIPAddressField(unpack_ipv4=True), "::ffff:192.0.2.1", "192.0.2.1"),
        (fields.CharField(max_length=3), 12, "12"),
    ],
)
def test_to_python_reads_other_spellings(field: Any, given_: Any, wanted: Any) -> None:
    found = field.to_python(given_)
    assert type(found) is type(wanted)
    if isinstance(wanted, decimal.Decimal):
        assert abs(found - wanted) < decimal.Decimal("0.0001")
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("field", "given_", "code"),
    [
        (fields.IntegerField(), "x", "invalid"),
        (fields.BooleanField(), "maybe", "invalid"),
        (fields.BooleanField(null=True), "maybe", "invalid_nullable"),
        (fields.FloatField(), "x", "invalid"),
        (fields.DecimalField(max_digits=5, decimal_places=2), "NaN", "invalid"),
        (fields.DecimalField(max_digits=5, decimal_places=2), "Infinity", "invalid"),
        (fields.DateField(), "2024-2-30", "invalid_date"),
        (fields.DateField(), "5", "invalid"),
        (fields.TimeField(), "5", "invalid"),
        (fields.TimeField(), "9:75", "invalid_time"),
        (fields.DateTimeField(), "2024-2-30 9:00", "invalid_datetime"),
        (fields.DurationField(), "days", "invalid"),
        # Longer than any that there is.
        (fields.DurationField(), "9999999999 days", "invalid"),
        (fields.DurationField(), "P99999999999D", "invalid"),
        (fields.DurationField(), f"P{'9' * 400}D", "invalid"),
        (fields.DurationField(), "9" * 5000, "invalid"),
        (fields.DateField(), "2024-02-30", "invalid_date"),
        (fields.DateField(), "soon", "invalid"),
        (fields.TimeField(), "25:00", "invalid_time"),
        # Python reads hour 24 from 3.14 on.
        (fields.TimeField(), "24:00", "invalid_time"),
        (fields.DateTimeField(), "2024-02-03 24:00", "invalid_datetime"),
        (fields.DateTimeField(), "2024-02-03T24:00:00.000Z", "invalid_datetime"),
        (fields.DateTimeField(), "2024-02-03T24:00+02:00", "invalid_datetime"),
        (fields.DateTimeField(), "2024-02-30 10:00", "invalid_datetime"),
        (fields.DurationField(), "long", "invalid"),
        (fields.DurationField(), "P", "invalid"),
        (fields.UUIDField(), "x", "invalid"),
        (fields.BinaryField(), "not base64!", "invalid"),
        (fields.GenericIPAddressField(protocol="IPv4"), "::1", "invalid"),
    ],
)
def test_what_cannot_be_read_is_a_validation_error_with_a_code(field: Any, given_: Any, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        field.to_python(given_)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["2024-01-24", "20240124", "2024-02-03T00:00:24", "2024-02-03T00:24", "2024-02-03T00:00+00:24", "2400-01-01 00:00"],
)
def test_what_is_24_and_no_hour_is_read(text: str) -> None:
    read = fields.DateTimeField().to_python(text)

    assert read.replace(tzinfo=None) == dt.datetime.fromisoformat(text).replace(tzinfo=None)


def test_decimals_are_rounded_to_the_places_of_the_column() -> None:
    field = fields.DecimalField(max_digits=5, decimal_places=2)
    assert str(field.get_prep_value("1.005")) in {"1.00", "1.01"}
    assert str(field.get_prep_value(2)) == "2.00"
    with pytest.raises(ValueError, match="5 digits"):
        field.get_prep_value("123456.1")


def test_a_wrong_number_names_the_field() -> None:
    field = fields.IntegerField()
    field.set_attributes_from_name("age")
    with pytest.raises(ValueError, match="Field 'age' expects a whole number, not 'x'"):
        field.get_prep_value("x")


def test_addresses_have_one_spelling() -> None:
    field = fields.GenericIPAddressField()
    assert field.get_prep_value("2001:0DB8:0000::1") == str(ipaddress.ip_address("2001:db8::1"))
    assert field.get_prep_value("") is None
