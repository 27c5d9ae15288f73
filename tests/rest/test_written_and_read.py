"""What the answer to a write says of a row is what the next read says, on three databases."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from covet.db import models
from covet.rest import ModelSchema, ModelViewSet, Router, Schema, permissions
from covet.schema import projection
from tests.rest.library import Thing

BASE: dict[str, Any] = {"text": "t", "number": 1, "ratio": 1, "price": 4, "flag": True}
SENT: list[dict[str, Any]] = [
    {},
    *[{"price": price} for price in ("4", "4.5", 0.1, "-0", "-0.00", "1e2", "100.000", "-12.3", "999999.99")],
    *[{"ratio": ratio} for ratio in (3, 0.1, 1e16, 1e22, 1.1e-7, 5e-324, -2.5)],
    {"moment": "2024-01-01T10:00:00+02:00"},
    {"moment": "2024-01-01T10:00:00"},
    {"moment": "2024-01-01T10:00:00.1234567Z"},
    {"moment": "0001-01-01T10:00:00Z"},
    {"moment": 1700000000},
    *[{"at": at} for at in ("10:00", "10:00:00.5", "10:00:00Z", "10:00:00+02:00")],
    *[{"took": took} for took in ("P1DT2H", 3.5, "-PT1S", "P40D")],
    {"day": "2024-02-29"},
    {"text": "  spaced \r\n é 😀"},
    {"number": "12", "flag": "yes"},
    {"key": "B0000000-0000-4000-8000-000000000000"},
    {"data": {"b": 1, "a": [1.0, 1e3, None, "é\u2028"], "c": 10**22}},
]


class Things(ModelViewSet, model=Thing):
    fields = "__all__"
    permissions = [permissions.AllowAny]
    bulk = True


class Shown(ModelSchema, model=Thing, fields=["key", "price", "moment", "at", "day"]): ...


class ShownByPydantic(ModelSchema, model=Thing, fields=["key", "price", "moment", "at"]):
    @property
    def told(self) -> str:
        return str(self.price)

    words: list[str] = []


class Plain(Schema):
    key: uuid.UUID
    price: Decimal
    moment: dt.datetime | None


class Struct(msgspec.Struct):
    key: uuid.UUID
    price: Decimal
    moment: dt.datetime | None


def same(written: Any, read: Any) -> bool:
    """Whether both say the same, spelled alike; PostgreSQL sorts the keys of JSON."""
    return json.dumps(written, sort_keys=True) == json.dumps(read, sort_keys=True)


async def test_the_answer_to_a_write_is_what_the_next_read_says(library: Any) -> None:
    api = Router()
    api.register("things", Things)
    client = await library(api)

    for sent in SENT:
        data = {**BASE, **sent}
        created = await client.post("/api/things/", json=data)
        assert created.status_code == 201, (sent, created.text)
        address = f"/api/things/{created.json()['key']}/"
        read = await client.get(address)
        assert same(created.json(), read.json()), (sent, created.text, read.text)
        data.pop("key", None)
        replaced = await client.put(address, json=data)
        assert same(replaced.json(), (await client.get(address)).json()), (sent, replaced.text)
        changed = await client.patch(address, json={name: data[name] for name in sent if name in data})
        assert same(changed.json(), (await client.get(address)).json()), (sent, changed.text)


async def test_rows_written_in_one_go_are_answered_as_they_are_read(library: Any) -> None:
    api = Router()
    api.register("things", Things)
    client = await library(api)

    created = await client.post("/api/things/bulk/", json=[{**BASE, **sent} for sent in SENT])
    listed = await client.get("/api/things/?size=100")

    assert created.status_code == 201, created.text
    by_key = {one["key"]: one for one in listed.json()["items"]}
    assert same(created.json(), [by_key[one["key"]] for one in created.json()])


@pytest.mark.parametrize("schema", [Shown, ShownByPydantic, Plain, Struct])
async def test_an_instance_that_a_handler_saved_is_shown_as_it_is_read(library: Any, schema: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.post("/saved/", response=schema, status=201)
    async def save() -> Thing:
        moment = dt.datetime(2024, 1, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=2)))
        return await Thing.objects.create(
            **{**BASE, "price": Decimal("4.5")}, moment=moment, at=dt.time(10, tzinfo=dt.UTC), day=moment
        )

    @api.get("/saved/", response=schema)
    async def read() -> Thing:
        return await Thing.objects.get()

    client = await library(api)

    written = await client.post("/api/saved/")

    assert written.status_code == 201, written.text
    assert written.text == (await client.get("/api/saved/")).text
    assert written.json()["price"] == "4.50"
    assert written.json()["moment"] == "2024-01-01T08:00:00Z"


def test_a_value_that_a_field_cannot_read_is_left_as_it_is() -> None:
    price = models.DecimalField(max_digits=4, decimal_places=2).canonical()
    moment = models.DateTimeField().canonical()

    assert price is not None
    assert moment is not None
    assert [price(None), price("x")] == [None, "x"]
    assert price(Decimal("123.45")) == Decimal("123.45")
    assert str(price(Decimal("NaN"))) == "NaN"
    assert moment("x") == "x"
    earliest = dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert moment(earliest) is earliest


def test_a_field_with_rules_of_its_own_is_left_to_them() -> None:
    class Cents(models.DecimalField):
        def get_prep_value(self, value: Any) -> Any:
            return value

    class Local(models.DateTimeField):
        def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
            return value

    assert Cents(max_digits=4, decimal_places=2).canonical() is None
    assert models.DecimalField().canonical() is None
    assert Local().canonical() is None
    assert models.CharField(max_length=3).canonical() is None


def test_the_schemas_above_go_both_ways_to_bytes() -> None:
    assert projection(Shown) is not None
    assert projection(ShownByPydantic) is None
