"""HStoreField: values there and back, look-ups, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.exceptions import ValidationError
from covet.postgres.fields import HStoreField, KeyTransform
from covet.postgres.fields.hstore import hstore_text, hstore_value
from tests.postgres.models import Thing

if TYPE_CHECKING:
    from covet.db.database import Database

A = {"breed": "collie", "age": "3", "chip": None}
B = {"breed": "pug", "contains": "x"}


@pytest.fixture
async def things(pg: Database) -> None:
    await Thing.objects.bulk_create([Thing(data=A), Thing(data=B), Thing(data={}), Thing()])


@pytest.mark.row("postgres.hstore", on="postgresql")
async def test_many_mappings_are_written_at_once(things: None) -> None:
    rows = await Thing.objects.order_by("pk")
    for row, data in zip(rows, (None, A, {"a,b": '"}'}, {}), strict=True):
        row.data = data
    assert await Thing.objects.bulk_update(rows, ["data"]) == 4
    assert await Thing.objects.order_by("pk").values_list("data", flat=True) == [None, A, {"a,b": '"}'}, {}]


async def found(**conditions: Any) -> list[Any]:
    return [thing.data async for thing in Thing.objects.filter(**conditions).order_by("pk")]


@pytest.mark.row("postgres.hstore", on="postgresql")
async def test_look_ups_of_mappings(things: None) -> None:
    assert await found(data__contains={"breed": "pug"}) == [B]
    assert await found(data__contained_by={**B, "more": "x"}) == [B, {}]
    assert await found(data__has_key="chip") == [A]
    assert await found(data__has_keys=["breed", "age"]) == [A]
    assert await found(data__has_any_keys=["age", "contains"]) == [A, B]
    assert await found(data=A) == [A]
    assert await found(data__in=[A, {}]) == [A, {}]
    assert await found(data__breed="collie") == [A]
    assert await found(data__breed__startswith="p") == [B]
    assert await found(data__chip__isnull=False) == []
    assert await found(data__keys__contains=["age"]) == [A]
    assert await found(data__values__overlap=["pug", "x"]) == [B]
    assert await found(data__isnull=True) == [None]


@pytest.mark.row("postgres.hstore", on="postgresql")
async def test_keys_stand_in_values_and_as_expressions(things: None) -> None:
    rows = Thing.objects.filter(data__has_key="breed").order_by("-data__breed").values_list("data__breed", flat=True)
    assert await rows == ["pug", "collie"]
    named = Thing.objects.annotate(x=KeyTransform("contains", "data")).filter(x="x")
    assert [thing.x async for thing in named] == ["x"]
    assert await Thing.objects.filter(data=A).values_list("data__keys", flat=True) == [["age", "chip", "breed"]]


@pytest.mark.row("postgres.hstore", on="postgresql")
@pytest.mark.parametrize(
    "key", ["x' OR '1'='1", 'x"; DROP TABLE y; --', "x%sy", "x$1y", "a b", "\\", "é", "x' ? 'breed"]
)
async def test_hostile_keys_are_values(things: None, key: str) -> None:
    """CVE-2019-14234: in look-ups, in values() and as expressions."""
    assert await found(**{f"data__{key}": "collie"}) == await found(**{f"data__{key}__startswith": "c"}) == []
    assert await found(data__has_key=key) == await found(data__has_any_keys=[key]) == []
    assert await found(data__has_keys=[key, "breed"]) == await found(data__contains={key: "x"}) == []
    assert await Thing.objects.values_list(f"data__{key}", flat=True) == [None] * 4
    assert await Thing.objects.annotate(x=KeyTransform(key, "data")).values_list("x", flat=True) == [None] * 4
    assert len(await Thing.objects.order_by(f"-data__{key}")) == 4
    await Thing.objects.filter(data=A).update(data={key: key})
    assert await found(**{f"data__{key}": key}) == [{key: key}]


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
mappings = st.dictionaries(texts, st.none() | texts, max_size=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=mappings)
async def test_any_mapping_comes_back(pg: Database, value: dict[str, str | None]) -> None:
    made = await Thing.objects.create(data=value)
    assert (await Thing.objects.get(pk=made.pk, data=value)).data == value
    assert hstore_value(hstore_text(value)) == value


def test_mappings_are_read_and_checked() -> None:
    field = HStoreField()
    field.set_attributes_from_name("data")
    assert field.to_python('{"a": 1, "b": null}') == {"a": "1", "b": None}
    assert field.value_to_string(Thing(data={"a": None})) == '{"a":null}'
    for wrong in ("nope", 3, "[1]"):
        with pytest.raises(ValidationError):
            field.to_python(wrong)
    with pytest.raises(ValidationError, match="a"):
        field.validate({"a": 3}, None)
    with pytest.raises(TypeError, match="expects a mapping"):
        field.get_prep_value([1])
    with pytest.raises(ValueError, match="no hstore"):
        hstore_value("x")
    shared = HStoreField(default={})
    shared.set_attributes_from_name("data")
    assert [message.id for message in shared.check()] == ["postgres.E003"]
