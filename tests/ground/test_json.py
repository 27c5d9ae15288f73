"""JSON as bytes."""

import datetime as dt
import decimal
import ipaddress
import pathlib
import types
import uuid

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet import json

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_is_read_back(value):
    assert json.loads(json.dumps(value)) == value


def test_dates_uuids_decimals_and_the_like_have_a_form():
    value = {
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 2),
        "id": uuid.UUID(int=1),
        "price": decimal.Decimal("1.10"),
        "path": pathlib.PurePosixPath("a/b"),
        "proxy": types.MappingProxyType({"a": 1}),
        "numbers": (n for n in (1, 2)),
    }

    assert json.loads(json.dumps(value)) == {
        "at": "2026-01-02T03:04:05Z",
        "day": "2026-01-02",
        "id": "00000000-0000-0000-0000-000000000001",
        "price": "1.10",
        "path": "a/b",
        "proxy": {"a": 1},
        "numbers": [1, 2],
    }


def test_a_schema_is_written_as_its_fields():
    class Point(pydantic.BaseModel):
        x: int

    assert json.dumps([Point(x=1)]) == b'[{"x":1}]'


def test_a_schema_is_written_by_the_names_that_clients_know():
    class Point(pydantic.BaseModel):
        x_axis: int = pydantic.Field(alias="xAxis")

    assert json.dumps({"at": Point(xAxis=1)}) == b'{"at":{"xAxis":1}}'


def test_a_network_is_written_as_a_text_and_not_address_by_address():
    class Own(ipaddress.IPv4Network): ...

    value = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_address("::1"), Own("10.0.0.0/8")]

    assert json.dumps(value) == b'["10.0.0.0/8","::1","10.0.0.0/8"]'


def test_other_rooms_register_their_types():
    class Money:
        amount = 3

    json.register_encoder(Money, lambda value: value.amount)

    assert json.dumps({"m": Money()}) == b'{"m":3}'


def test_a_value_without_a_form_is_named():
    with pytest.raises(TypeError, match="object"):
        json.dumps(object())
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"{")


def test_text_that_nests_too_deeply_is_no_json_that_can_be_read():
    with pytest.raises(json.JSONDecodeError, match="nests too deeply") as raised:
        json.loads("[" * 100_000)

    assert isinstance(raised.value, json.NestsTooDeeply)


def test_indented_output_is_for_people():
    assert json.dumps({"a": 1}, indent=2) == b'{\n  "a": 1\n}'
