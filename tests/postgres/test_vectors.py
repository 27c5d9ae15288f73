"""VectorField and what belongs to pgvector, on the server that has the extension."""

from __future__ import annotations

import array
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError as SchemaError

from covet.apps import apps
from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db import connections, models, transaction
from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.fixtures import dump_rows, load_rows
from covet.db.fixtures.formats import Writer, read_records
from covet.db.models import Avg, F, OuterRef, Q, Subquery, Sum, Value
from covet.db.models.table import table_of
from covet.db.models.vendor_checks import check_vendors
from covet.exceptions import ValidationError
from covet.graphql.scalars import column_annotation
from covet.postgres.fields import ArrayField, VectorField
from covet.postgres.indexes import HnswIndex, IvfflatIndex, OpClass
from covet.postgres.vectors import CosineDistance, L1Distance, L2Distance, MaxInnerProduct
from covet.rest import ModelSchema, ModelViewSet, Router, permissions
from covet.rest.filters import FilterSet
from covet.schema import OUTPUT
from covet.urls import include, path
from tests.handlers.sites import site

if TYPE_CHECKING:
    from tests.conftest import Scratch

__all__ = ["site"]

fields = pytest.mark.row("postgres.vector", on="postgresql")
distances = pytest.mark.row("postgres.vector_distances", on="postgresql")

with apps.isolate() as registry:

    class Item(models.Model):
        name = models.CharField(max_length=10, default="")
        embedding = VectorField(dimensions=3, null=True, blank=True)
        other = VectorField(dimensions=3, null=True, blank=True)
        any_length = VectorField(null=True, blank=True)

        class Meta:
            app_label = "vectors"
            indexes = [
                HnswIndex(fields=["embedding"], name="i_hnsw", opclasses=["vector_l2_ops"], m=8, ef_construction=32),
                HnswIndex(OpClass("embedding", "vector_ip_ops"), name="i_product"),
                IvfflatIndex(fields=["other"], name="i_ivfflat", opclasses=["vector_cosine_ops"], lists=2),
            ]


class Many:
    """An array as NumPy's: of one kind of number, not equal to anything as a whole, and with a list of Python's own."""

    def __init__(self, *items: float) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Any:
        raise AssertionError("tolist() is there for that")

    def __eq__(self, other: object) -> Any:
        return [item == other for item in self.items]

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")

    def tolist(self) -> list[float]:
        return list(self.items)


@pytest.fixture(scope="module")
async def server(scratch: Scratch) -> AsyncIterator[Database]:
    url = await scratch("pgvector")
    opened = Database("default", parse_database(url))
    with override(DATABASES={"default": url}), connections.using({"default": opened}):
        await opened.execute("CREATE EXTENSION IF NOT EXISTS vector")
        async with opened.schema_editor() as editor:
            await editor.create_table(table_of(Item))
        yield opened
        await opened.close()


@pytest.fixture
async def pg(server: Database) -> AsyncIterator[Database]:
    await server.truncate([Item._meta.db_table])
    yield server


@pytest.fixture
async def items(pg: Database) -> None:
    await Item.objects.bulk_create(
        [
            Item(name="a", embedding=[1, 1, 1], other=[1, 1, 1]),
            Item(name="b", embedding=[2, 2, 2], other=[2, 2, 5]),
            Item(name="c", embedding=[1, 1, 2], other=[-1, -1, -2]),
            Item(name="none"),
        ]
    )


async def names(*order: Any, **conditions: Any) -> list[str]:
    return await Item.objects.filter(**conditions).order_by(*order).values_list("name", flat=True)


# ── values


@fields
async def test_vectors_come_back_as_lists_of_floats(pg: Database) -> None:
    made = await Item.objects.create(embedding=[1, 2.5, -3], any_length=(0.1,))
    assert (made.embedding, made.any_length) == ([1, 2.5, -3], (0.1,))
    found = await Item.objects.get(pk=made.pk)
    assert (found.embedding, found.any_length, found.other) == ([1.0, 2.5, -3.0], [0.1], None)
    assert [type(item) for item in found.embedding] == [float, float, float]

    found.embedding = Many(4, 5, 6)
    found.other = array.array("f", [7, 8, 9])
    await found.save()
    rows = await Item.objects.values("embedding", "other")
    assert rows == [{"embedding": [4.0, 5.0, 6.0], "other": [7.0, 8.0, 9.0]}]
    assert await Item.objects.values_list("embedding", flat=True) == [[4.0, 5.0, 6.0]]

    await Item.objects.update(embedding=F("other"), other=None)
    await found.refresh_from_db()
    assert (found.embedding, found.other) == ([7.0, 8.0, 9.0], None)
    found.embedding = Value([1, 1, 1], output_field=VectorField())
    await found.save(update_fields=["embedding"])
    assert await Item.objects.values_list("embedding", flat=True) == [[1.0, 1.0, 1.0]]


@fields
async def test_many_rows_are_written_at_once(items: None) -> None:
    rows = [item async for item in Item.objects.order_by("name")]
    assert [row.embedding for row in rows] == [[1, 1, 1], [2, 2, 2], [1, 1, 2], None]
    for number, row in enumerate(rows):
        row.embedding = [number, 0, Fraction(1, 2)]
    rows[0].embedding = None
    await Item.objects.bulk_update(rows, ["embedding"])
    assert await Item.objects.order_by("name").values_list("embedding", flat=True) == [
        None,
        [1.0, 0.0, 0.5],
        [2.0, 0.0, 0.5],
        [3.0, 0.0, 0.5],
    ]
    again = [Item(pk=rows[0].pk, embedding=[9, 9, 9]), Item(pk=77, embedding=[8, 8, 8])]
    await Item.objects.bulk_create(again, update_conflicts=True, unique_fields=["id"], update_fields=["embedding"])
    assert await Item.objects.filter(pk__in=[rows[0].pk, 77]).order_by("pk").values_list("embedding", flat=True) == [
        [9.0, 9.0, 9.0],
        [8.0, 8.0, 8.0],
    ]


@fields
async def test_look_ups_of_vectors(items: None) -> None:
    assert await names(embedding=[1, 1, 2]) == ["c"]
    assert await names(embedding=Many(1, 1, 2)) == ["c"]
    assert await names("name", embedding__in=[[1, 1, 1], (2, 2, 2)]) == ["a", "b"]
    assert await names("name", embedding__in=[]) == []
    assert await names(embedding__isnull=True) == ["none"]
    assert await names(embedding=F("other")) == ["a"]
    assert await Item.objects.exclude(embedding=[1, 1, 1]).order_by("name").values_list("name", flat=True) == [
        "b",
        "c",
        "none",
    ]
    with pytest.raises(ValidationError, match="embedding: The vector has 2 dimensions; it must have 3"):
        await names(embedding=[1, 1])


@fields
async def test_an_instance_knows_its_vector_as_the_row_has_it(pg: Database) -> None:
    made, created = await Item.objects.get_or_create(embedding=[1, 2, 3], defaults={"name": "x"})
    same, again = await Item.objects.get_or_create(embedding=[1, 2, 3], defaults={"name": "y"})
    assert (created, again, same.pk, same.name) == (True, False, made.pk, "x")
    assert [item.embedding async for item in Item.objects.iterator()] == [[1.0, 2.0, 3.0]]
    assert [item.embedding for item in await Item.objects.raw("SELECT * FROM vectors_item")] == [[1.0, 2.0, 3.0]]


singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


@fields
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    value=[3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0.0, 1.17549435e-38, 1e-60, 16777217, 1051382144.0]
)
@given(value=st.lists(singles | st.floats(min_value=-1e30, max_value=1e30), min_size=1, max_size=6))
async def test_any_vector_comes_back_as_it_is_told_before(pg: Database, value: list[float]) -> None:
    rounded: Any = Item._meta.get_field("any_length").canonical()
    made = await Item.objects.create(any_length=value)
    found = (await Item.objects.get(pk=made.pk)).any_length
    assert found == rounded(value)
    # What was read is written as it is.
    assert rounded(found) == found
    assert await Item.objects.filter(pk=made.pk, any_length=value).exists()


def test_rounding_leaves_alone_what_is_no_vector() -> None:
    rounded: Any = Item._meta.get_field("any_length").canonical()
    assert rounded(None) is None
    assert rounded(["x"]) == ["x"]
    assert rounded([1e39]) == [1e39]
    assert rounded((1, 0.123456789)) == [1.0, 0.12345679]

    class Own(VectorField[Any]):
        def get_prep_value(self, value: Any) -> Any:
            return value

    assert Own().canonical() is None


WRONG: list[tuple[Any, str]] = [
    ([1, 2], "has 2 dimensions; it must have 3"),
    ([1, 2, 3, 4], "has 4 dimensions; it must have 3"),
    ([], "has 0 dimensions; it must have 3"),
    ([1, float("nan"), 3], "Item 2 of the vector is not finite"),
    ([1, 2, float("-inf")], "Item 3 of the vector is not finite"),
    ([1e39, 2, 3], "Item 1 of the vector is not finite, or larger"),
    ([10**400, 2, 3], "Item 1 of the vector is not finite, or larger"),
    ([Decimal("sNaN"), 2, 3], "Item 1 of the vector is not finite"),
    ([1, "2", 3], "Item 2 of the vector is no number"),
    ([1, None, 3], "Item 2 of the vector is no number"),
    ([True, 2, 3], "Item 1 of the vector is no number"),
    ([[1], [2], [3]], "Item 1 of the vector is no number"),
    ("[1,2,3]", "Enter a list of numbers"),
    (b"123", "Enter a list of numbers"),
    ({1, 2, 3}, "Enter a list of numbers"),
    ({1: 2}, "Enter a list of numbers"),
    (3, "Enter a list of numbers"),
    (iter([1, 2, 3]), "Enter a list of numbers"),
]


@fields
@pytest.mark.parametrize(("value", "text"), WRONG)
async def test_what_is_no_such_vector_is_told_before_anything_is_sent(pg: Database, value: Any, text: str) -> None:
    from covet.test import assert_queries

    with assert_queries(0):
        for attempt in (
            lambda: Item.objects.create(embedding=value),
            lambda: Item.objects.bulk_create([Item(embedding=value)]),
            lambda: Item.objects.update(embedding=value),
            # A text beside a distance is the name of a field.
            lambda: names(embedding=value) if isinstance(value, str) else names(L2Distance("embedding", value)),
        ):
            with pytest.raises(ValidationError, match=text) as caught:
                await attempt()
            assert isinstance(caught.value, ValueError)
            assert str(caught.value).startswith("embedding: ")
    with pytest.raises(ValidationError, match="any_length: Enter a list"):
        await Item.objects.create(any_length=[])


async def test_full_clean_reads_and_checks_vectors() -> None:
    item = Item(name="x", embedding=Many(1, 2, 3), other="[1, 2.5, 3]")
    await item.full_clean()
    assert (item.embedding, item.other) == ([1, 2, 3], [1, 2.5, 3])
    for value, text in WRONG[:-6]:
        if value == []:
            continue  # an empty one is what blank=True is about
        item = Item(name="x", embedding=value)
        with pytest.raises(ValidationError, match=text) as caught:
            await item.full_clean()
        assert list(caught.value.message_dict) == ["embedding"]
    field: Any = VectorField(dimensions=2)
    with pytest.raises(ValidationError, match="Enter a list"):
        field.to_python("no JSON")
    with pytest.raises(ValidationError, match="blank"):
        field.clean([], None)
    with pytest.raises(ValidationError, match="null"):
        field.clean(None, None)
    assert field.to_python(None) is None
    assert field.to_python([1, Decimal("0.5")]) == [1.0, 0.5]
    with pytest.raises(ValidationError, match="The vector has 1 dimensions; it must have 2"):
        field.get_prep_value([1])


# ── distances


@distances
async def test_rows_are_ordered_by_their_distance(items: None) -> None:
    whole = {"embedding__isnull": False}
    assert await names(L2Distance("embedding", [1, 1, 1]), **whole) == ["a", "c", "b"]
    assert await names(MaxInnerProduct("embedding", (1, 1, 1)), **whole) == ["b", "c", "a"]
    assert await names(CosineDistance("embedding", Many(1, 1, 2)), "name", **whole) == ["c", "a", "b"]
    assert await names(L2Distance("embedding", [1, 1, 1]).desc(nulls_last=True)) == ["b", "c", "a", "none"]
    nearest = Item.objects.alias(d=L2Distance("embedding", [2, 2, 2])).order_by("d")[:1]
    assert [item.name for item in await nearest] == ["b"]


@distances
async def test_distances_are_numbers_of_the_row(items: None) -> None:
    rows = await (
        Item.objects.filter(embedding__isnull=False)
        .annotate(
            l2=L2Distance("embedding", [1, 1, 2]),
            product=MaxInnerProduct("embedding", [1, 1, 2]),
            cosine=CosineDistance("embedding", [3, 3, 6]),
            beside=L2Distance("embedding", "other"),
            also=L2Distance("embedding", F("other")),
            none=L2Distance("embedding", None),
            fixed=L2Distance(Value([0, 3, 0], output_field=VectorField()), [4, 0, 0]),
            turned=L2Distance([1, 1, 2], "embedding"),
        )
        .order_by("name")
        .values("name", "l2", "product", "cosine", "beside", "also", "none", "fixed", "turned")
    )
    by_name = {row["name"]: row for row in rows}
    assert by_name["a"]["l2"] == by_name["a"]["turned"] == 1.0
    assert by_name["b"]["l2"] == pytest.approx(2**0.5)
    assert [row["product"] for row in rows] == [-4.0, -8.0, -6.0]
    assert by_name["c"]["cosine"] == pytest.approx(0)
    assert [row["beside"] for row in rows] == [row["also"] for row in rows] == [0.0, 3.0, pytest.approx(24**0.5)]
    assert {row["none"] for row in rows} == {None}
    assert {row["fixed"] for row in rows} == {5.0}


@distances
async def test_rows_are_chosen_by_their_distance(items: None) -> None:
    near = Item.objects.annotate(d=L2Distance("embedding", [1, 1, 1])).filter(d__lte=1)
    assert await near.order_by("name").values_list("name", "d") == [("a", 0.0), ("c", 1.0)]
    assert await near.filter(Q(name="c") | Q(d=0)).count() == 2
    assert [
        item.name async for item in Item.objects.alias(d=CosineDistance("embedding", "other")).filter(d__gt=1.9)
    ] == ["c"]
    # The same question with other vectors, by the statement that is kept.
    for vector, found in (([2, 2, 2], ["b"]), ([1, 1, 2], ["c"])):
        assert (
            await Item.objects.alias(d=L2Distance("embedding", vector)).filter(d__lt=0.1).values_list("name", flat=True)
            == found
        )
    # A vector of another row.
    of_a = Item.objects.filter(name="a").values("embedding")[:1]
    assert await names(L2Distance("other", Subquery(of_a)), other__isnull=False) == ["a", "c", "b"]
    nearest = (
        Item.objects.exclude(pk=OuterRef("pk"))
        .filter(embedding__isnull=False)
        .order_by(L2Distance("embedding", OuterRef("embedding")))
        .values("name")[:1]
    )
    rows = Item.objects.filter(embedding__isnull=False).annotate(nearest=Subquery(nearest)).order_by("name")
    assert await rows.values_list("name", "nearest") == [("a", "c"), ("b", "c"), ("c", "a")]


@distances
async def test_the_taxi_distance_is_the_operator_of_newer_versions(items: None, pg: Database) -> None:
    # This server's pgvector is 0.6, which has the function alone. 0.7 declares the operator so.
    await pg.execute(
        "CREATE OPERATOR <+> (LEFTARG = vector, RIGHTARG = vector, PROCEDURE = l1_distance, COMMUTATOR = '<+>')"
    )
    try:
        rows = Item.objects.filter(embedding__isnull=False).annotate(d=L1Distance("embedding", [1, 1, 1])).order_by("d")
        assert await rows.values_list("name", "d") == [("a", 0.0), ("c", 1.0), ("b", 3.0)]
    finally:
        await pg.execute("DROP OPERATOR <+> (vector, vector)")


@distances
async def test_the_mean_and_the_sum_of_vectors_are_vectors(items: None) -> None:
    found = await Item.objects.aggregate(Avg("embedding"), whole=Sum("other"), none=Avg("any_length"))
    assert found == {"embedding__avg": [pytest.approx(4 / 3), pytest.approx(4 / 3), pytest.approx(5 / 3)]} | {
        "whole": [2.0, 2.0, 4.0],
        "none": None,
    }
    by_name = Item.objects.filter(name="b").values("name").annotate(mean=Avg("embedding"))
    assert await by_name == [{"name": "b", "mean": [2.0, 2.0, 2.0]}]


@distances
async def test_an_index_finds_the_nearest(items: None, pg: Database) -> None:
    await Item.objects.bulk_create([Item(embedding=[n, 0, 0], other=[n, 1, 0]) for n in range(3, 40)])
    for distance, index in (
        (L2Distance("embedding", [1, 1, 1]), "i_hnsw"),
        (MaxInnerProduct("embedding", [1, 1, 1]), "i_product"),
        (CosineDistance("other", [1, 1, 1]), "i_ivfflat"),
    ):
        async with transaction.atomic(pg):
            # So few rows are sorted sooner.
            await pg.execute("SET LOCAL enable_seqscan = off")
            await pg.execute("SET LOCAL enable_sort = off")
            plan = await Item.objects.order_by(distance).values("name")[:2].explain()
        assert f"Index Scan using {index}" in plan, plan


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_name_what_they_have_not(database: Database) -> None:
    for build in (
        lambda: Item.objects.create(embedding=[1, 2, 3]),
        lambda: names(embedding=[1, 2, 3]),
        lambda: names(L2Distance("name", "other")),
    ):
        with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
            await build()


# ── connections


@fields
async def test_vectors_pass_a_pooler_that_keeps_no_statement(items: None, pg: Database) -> None:
    other = Database("default", replace(pg.config, options={**pg.config.options, "pgbouncer": True}))
    with connections.using({"default": other}):
        assert await names("name", embedding__in=[[1, 1, 1]]) == ["a"]
        await Item.objects.bulk_create([Item(name="z", embedding=[0, 0, 0])])
        assert await Item.objects.order_by(L2Distance("embedding", [0, 0, 0])).values_list("embedding", flat=True) == [
            [0.0, 0.0, 0.0],
            [1.0, 1.0, 1.0],
            [1.0, 1.0, 2.0],
            [2.0, 2.0, 2.0],
            None,
        ]
        await other.close()


# ── what is declared wrongly


def test_checks_tell_wrong_dimensions_and_indexes() -> None:
    def told(field: VectorField[Any], *indexes: Any) -> list[tuple[Any, str]]:
        with apps.isolate(), override(DATABASES={"default": "postgres://localhost/x"}):
            names = {"embedding": field, "__module__": __name__}
            names["Meta"] = type("Meta", (), {"app_label": "wrong", "indexes": list(indexes)})
            made: Any = type("Wrong", (models.Model,), names)
            return [(message.id, message.msg) for message in made.check()]

    def hnsw(**options: Any) -> HnswIndex:
        return HnswIndex(**{"fields": ["embedding"], "name": "i", "opclasses": ["vector_l2_ops"], **options})

    assert told(VectorField(dimensions=3), hnsw()) == []
    assert told(VectorField(dimensions=16_000)) == told(VectorField(default=list)) == []
    for wrong in (0, -1, 16_001, "3", True, 2.5):
        ((id, text),) = told(VectorField(dimensions=wrong))  # type: ignore[call-overload]
        assert (id, "from 1 to 16000" in text) == ("postgres.E008", True), wrong
    ((id, text),) = told(VectorField(dimensions=2, default=[1, 2]))
    assert (id, "all instances share" in text) == ("postgres.E003", True)

    ((id, text),) = told(VectorField(dimensions=3), hnsw(opclasses=()))
    assert (id, text) == ("postgres.E009", "'i' does not say for which distance it is.")
    for field, why in ((VectorField(), "no dimensions"), (VectorField(dimensions=2001), "2001 dimensions")):
        ((id, text),) = told(field, hnsw())
        assert (id, why in text) == ("postgres.E010", True)
    ((id, text),) = told(VectorField(dimensions=3), IvfflatIndex(fields=["id"], name="i", opclasses=["vector_l2_ops"]))
    assert (id, text) == ("postgres.E010", "'i' cannot be made: BigAutoField 'id' holds no vectors.")
    assert [id for id, _ in told(VectorField(dimensions=3), hnsw(fields=["nothing"]))] == ["models.E012"]
    assert told(VectorField(), HnswIndex(OpClass("embedding", "vector_l2_ops"), name="i")) == []


def test_checks_tell_what_another_database_cannot_have() -> None:
    with apps.isolate() as registry, override(DATABASES={"default": "sqlite://:memory:"}):

        class Elsewhere(models.Model):
            embedding = VectorField(dimensions=3)

            class Meta:
                app_label = "elsewhere"
                indexes = [HnswIndex(fields=["embedding"], name="i", opclasses=["vector_l2_ops"])]

        assert [message.id for message in check_vendors(registry)] == ["postgres.E006", "postgres.W001"]
        with override(DATABASES={"default": "mysql://localhost/x"}):
            assert [message.id for message in check_vendors(registry)] == ["postgres.E006", "postgres.W001"]


# ── schemas


class ItemIn(ModelSchema, model=Item, fields=["name", "embedding", "any_length"]): ...


def test_vectors_are_lists_of_numbers_in_schemas() -> None:
    made = ItemIn.model_validate_json('{"embedding": [1, 2.5, 3], "any_length": [0.1]}')
    assert (made.embedding, made.any_length) == ([1.0, 2.5, 3.0], [0.1])
    described = ItemIn.model_json_schema()["properties"]["embedding"]["anyOf"][0]
    assert (described["type"], described["items"]["type"]) == ("array", "number")
    assert (described["minItems"], described["maxItems"]) == (3, 3)
    for wrong in ("[1, 2]", "[1, 2, 3, 4]", "[1, 2, null]", '[1, 2, "x"]', "[1, 2, 1e39]", "[1, 2, NaN]", '"[1,2,3]"'):
        with pytest.raises(SchemaError):
            ItemIn.model_validate_json(f'{{"embedding": {wrong}}}')
    # An answer tells what the row holds.
    answer = ItemIn.model_validate({"name": "a", "embedding": [1, 0.123456789, 3]}, context=OUTPUT)
    assert answer.embedding == [1.0, 0.12345679, 3.0]
    assert column_annotation(Item._meta.get_field("embedding")) == list[float]
    with pytest.raises(Exception, match="no single query parameter"):
        FilterSet(Item, filters=["embedding"]).parameters()


class ItemViewSet(ModelViewSet, model=Item):
    schema = ItemIn
    permissions = [permissions.AllowAny]
    ordering = ["name"]


@fields
@pytest.mark.ways("asgi")
async def test_vectors_over_http(pg: Database, site: Any) -> None:
    from covet.conf import settings as current

    api = Router()
    api.register("items", ItemViewSet)
    client = await site([path("api/", include(api))], DATABASES=current.DATABASES)
    answer = await client.post("/api/items/", json={"name": "a", "embedding": [1, 0.123456789, 1e20]})
    assert answer.status_code == 201, answer.text
    # Told as the next read tells it: four bytes of each number are kept.
    assert answer.json()["embedding"] == [1.0, 0.12345679, 1e20]
    (shown,) = (await client.get("/api/items/")).json()["items"]
    assert shown == answer.json()
    for wrong in ([1, 2], [1, 2, 1e39], "x"):
        answer = await client.post("/api/items/", json={"name": "b", "embedding": wrong})
        assert answer.status_code == 422, answer.text
    assert await Item.objects.count() == 1


# ── beside arrays


@fields
async def test_arrays_of_vectors_and_stored_rows(pg: Database) -> None:
    with apps.isolate():

        class Page(models.Model):
            parts = ArrayField(VectorField(dimensions=2), default=list)
            start = VectorField(dimensions=2, db_default=[0.5, 1])

            class Meta:
                app_label = "vectors"

    async with pg.schema_editor() as editor:
        await editor.create_table(table_of(Page))
    try:
        made = await Page.objects.create(parts=[[1, 2], [3, 4]])
        found = await Page.objects.get(pk=made.pk)
        assert (found.parts, found.start) == ([[1.0, 2.0], [3.0, 4.0]], [0.5, 1.0])
    finally:
        async with pg.schema_editor() as editor:
            await editor.drop_table("vectors_page")


@fields
async def test_fixtures_hold_vectors(items: None, pg: Database) -> None:
    before = await Item.objects.order_by("pk").values_list("name", "embedding", "other")
    stream = io.StringIO()
    writer = Writer(stream, "json")
    async for record in dump_rows(Item, pg.alias):
        writer.write(record)
    writer.close()
    await pg.truncate([Item._meta.db_table])
    stream.seek(0)
    records = [(str(number), record) for number, record in enumerate(read_records(stream, "json", "x"))]
    await load_rows(pg, registry, records)
    assert await Item.objects.order_by("pk").values_list("name", "embedding", "other") == before
    assert Item._meta.get_field("embedding").value_to_string(Item(embedding=(1, 2, 0.5))) == "[1.0,2.0,0.5]"
