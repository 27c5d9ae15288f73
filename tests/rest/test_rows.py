"""Rows, instances and pydantic write the same bytes, for every kind of field."""

from __future__ import annotations

import datetime
import decimal
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from covet import accel
from covet.rest.rows import encode_queryset
from covet.schema import OUTPUT, ModelSchema, projection
from tests._calls import profiled
from tests.rest.library import Thing

if TYPE_CHECKING:
    from covet.db.database import Database


class ThingOut(ModelSchema, model=Thing, fields="__all__"): ...


VALUES: list[dict[str, Any]] = [
    {
        "key": uuid.UUID(int=1),
        "text": 'é "quoted" \\ \n 😀 \u2028',
        "number": -(2**63),
        "ratio": 1e300,
        "price": decimal.Decimal("-12.50"),
        "flag": True,
        "day": datetime.date(2024, 2, 29),
        "at": datetime.time(23, 59, 59, 123456),
        "moment": datetime.datetime(2026, 1, 31, 10, 0, 0, 5, tzinfo=datetime.UTC),
        "took": datetime.timedelta(days=400, seconds=1, microseconds=5),
        "raw": b"\x00\xff?>",
        "data": {"a": [1, 2.5, None, {"b": "é"}], "c": 1e20},
    },
    {"key": uuid.UUID(int=2), "text": "", "number": 0, "ratio": 0.1, "price": decimal.Decimal("0.00"), "flag": False},
]


def by_pydantic_alone(instance: Thing) -> bytes:
    return ThingOut.model_validate(instance, context=OUTPUT).model_dump_json().encode()


@pytest.fixture
async def things(database: Database) -> Database:
    from covet.db.models.table import table_of

    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Thing))
    for values in VALUES:
        await Thing.objects.create(**values)
    return database


async def test_rows_instances_and_pydantic_write_the_same_bytes(things: Database) -> None:
    shown = projection(ThingOut)
    assert shown is not None
    queryset = Thing.objects.order_by("key")
    instances = await queryset

    from_rows = await encode_queryset(queryset.all(), shown)
    by_pydantic = b"[" + b",".join(by_pydantic_alone(one) for one in instances) + b"]"

    assert from_rows == by_pydantic
    assert shown.encode_instances(instances) == by_pydantic
    assert shown.encode_instance(instances[0]) == by_pydantic_alone(instances[0])


async def test_what_was_written_is_read_back_from_json(things: Database) -> None:
    shown = projection(ThingOut)
    assert shown is not None

    written = await encode_queryset(Thing.objects.filter(key=uuid.UUID(int=1)), shown)

    read = ThingOut.model_validate_json(written[1:-1]).model_dump()
    assert read == VALUES[0]


async def python_calls(count: int) -> int:
    """The Python functions that run when this many rows go to bytes; where nothing is native, those of the twins are left out."""
    twins = str(Path(accel.__file__).parent / "twins")
    is_native = accel.active()["encode_rows"] == "rust"
    shown = projection(ThingOut)
    assert shown is not None
    queryset = Thing.objects.order_by("key")[:count]
    await encode_queryset(queryset.all(), shown)  # compiles the statement
    calls = 0

    def count_calls(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call" and (is_native or not frame.f_code.co_filename.startswith(twins))

    with profiled(count_calls):
        await encode_queryset(queryset.all(), shown)
    return calls


@pytest.mark.parametrize("vendor", ["postgresql"], indirect=True)
async def test_no_python_runs_per_row(things: Database) -> None:
    """What costs per row is counted, since time is not: PostgreSQL's values need no converter but JSON's and spans'."""
    for number in range(100, 160):
        await Thing.objects.create(**{**VALUES[1], "key": uuid.UUID(int=number)})

    assert await python_calls(60) - await python_calls(10) <= 10
