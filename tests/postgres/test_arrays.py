"""ArrayField: values there and back, look-ups, steps into it, checks and validation."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.apps import apps
from covet.db import models
from covet.db.errors import DataError, NotSupportedError
from covet.db.models import F, OuterRef, Q, Subquery, Value
from covet.db.models.functions import Cast, JSONObject, Lower
from covet.db.observe import record_queries
from covet.exceptions import FieldError, ValidationError
from covet.postgres.aggregates import ArrayAgg
from covet.postgres.expressions import ArraySubquery
from covet.postgres.fields import ArrayField, DateTimeRangeField, HStoreField, IntegerRangeField, Range
from tests.db.models.conftest import create_tables
from tests.postgres.models import Post

if TYPE_CHECKING:
    from covet.db.database import Database


async def titles(**conditions: Any) -> list[str]:
    return [post.title async for post in Post.objects.filter(**conditions).order_by("title")]


@pytest.fixture
async def posts(pg: Database) -> None:
    await Post.objects.create(title="a", tags=["x", "y"], board=[[1, 2], [3, 4]], scores=[1, None, 3])
    await Post.objects.create(title="b", tags=["y", "z", "it's"], board=[[9]], scores=[])
    await Post.objects.create(title="c", tags=[])


@pytest.mark.row("postgres.array", on="postgresql")
async def test_arrays_come_back_as_they_were_saved(pg: Database) -> None:
    moment = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    made = await Post.objects.create(
        title="a", tags=["x", 'q"', "\\"], board=[[1, 2], [3, 4]], facts=[{"a": 1}, None, [2]], moments=[moment]
    )
    found = await Post.objects.get(pk=made.pk)
    assert found.tags == ["x", 'q"', "\\"]
    assert found.board == [[1, 2], [3, 4]]
    assert found.facts == [{"a": 1}, None, [2]]
    assert found.moments == [moment]
    assert found.scores is None


@pytest.mark.row("postgres.array", on="postgresql")
async def test_a_null_item_of_a_json_base_is_null_in_sql(pg: Database) -> None:
    await Post.objects.create(title="a", facts=[None])
    assert await pg.fetch("SELECT facts[1] IS NULL FROM pgtests_post") == [(True,)]


@pytest.mark.row("postgres.array", on="postgresql")
async def test_many_rows_with_arrays_are_inserted_and_updated_at_once(pg: Database) -> None:
    made = await Post.objects.bulk_create(
        [Post(title="a", tags=["x"]), Post(title="b", tags=["y", "z"]), Post(title="c", tags=[])]
    )
    for post in made:
        post.tags = [*post.tags, post.title]
    assert await Post.objects.bulk_update(made, ["tags"]) == 3
    assert [post.tags async for post in Post.objects.order_by("title")] == [["x", "a"], ["y", "z", "b"], ["c"]]
    await Post.objects.filter(title="b").delete()
    assert await Post.objects.bulk_update(made, ["tags"]) == 2


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_look_ups_of_arrays(posts: None) -> None:
    assert await titles(tags__contains=["y"]) == ["a", "b"]
    assert await titles(tags__contains=["y", "z"]) == ["b"]
    assert await titles(tags__contained_by=["x", "y", "w"]) == ["a", "c"]
    assert await titles(tags__overlap=["x", "z"]) == ["a", "b"]
    assert await titles(tags__len=0) == ["c"]
    assert await titles(tags__len__gte=2) == ["a", "b"]
    assert await titles(tags=["x", "y"]) == ["a"]
    assert await titles(tags__in=[["x", "y"], [], ["y", "z", "it's"]]) == ["a", "b", "c"]
    assert await titles(tags__in=[]) == []
    assert await titles(scores__in=[[1, None, 3]]) == ["a"]
    assert await titles(board__contains=[[3]]) == ["a"]
    assert await titles(tags__contains=F("tags")) == ["a", "b", "c"]


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_places_and_slices(posts: None) -> None:
    assert await titles(tags__0="y") == ["b"]
    assert await titles(tags__2__startswith="it") == ["b"]
    assert await titles(tags__0_1=["x"]) == ["a"]
    assert await titles(tags__1_3=["z", "it's"]) == ["b"]
    assert await titles(board__0__1=2) == ["a"]
    assert await titles(board__1=[3, 4]) == ["a"]
    assert await titles(tags__0__in=["x", "w"]) == ["a"]
    assert await titles(scores__len=None) == ["c"]


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_steps_stand_in_values_and_ordering(posts: None) -> None:
    rows = Post.objects.order_by("-tags__len", "title").values_list("title", "tags__0", "tags__len")
    assert await rows == [("b", "y", 3), ("a", "x", 2), ("c", None, 0)]
    assert await rows.values_list(F("tags")[0], F("tags")[1:3]) == [(["y"], ["z", "it's"]), (["x"], ["y"]), ([], [])]
    with pytest.raises(NotSupportedError, match="ArrayField has no parts"):
        await rows.values_list(F("tags")[1:])
    ordered = Post.objects.filter(tags__len__gt=0).order_by("-tags__0").values_list("title", flat=True)
    assert await ordered == ["b", "a"]


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_conditions_on_arrays_can_be_turned_round(posts: None) -> None:
    kept = Post.objects.exclude(tags__contains=["x"]).order_by("title").values_list("title", flat=True)
    assert await kept == ["b", "c"]
    assert [post.title async for post in Post.objects.exclude(scores__overlap=[1]).order_by("title")] == ["b", "c"]


@pytest.mark.row("postgres.array_subquery", on="postgresql")
async def test_a_subquery_as_an_array(posts: None) -> None:
    others = Post.objects.exclude(pk=OuterRef("pk")).order_by("-title").values("title")
    found = Post.objects.annotate(others=ArraySubquery(others)).order_by("title").values_list("title", "others")
    assert await found == [("a", ["c", "b"]), ("b", ["c", "a"]), ("c", ["b", "a"])]
    documents = others.values(document=JSONObject(title="title", views="views"))
    (row,) = await Post.objects.filter(title="c").annotate(others=ArraySubquery(documents))
    assert row.others == [{"title": "b", "views": 0}, {"title": "a", "views": 0}]
    none = Post.objects.none().values("title")
    assert await Post.objects.annotate(others=ArraySubquery(none)).filter(others__len=0).count() == 3


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_a_queryset_on_the_right_side_is_the_array_of_its_rows(posts: None) -> None:
    await Post.objects.create(title="y", tags=["a"])
    names = Post.objects.filter(title__in=["y", "q"]).values("title")
    assert await titles(tags__overlap=names) == ["a", "b"]
    assert await titles(tags__contains=names, scores__len__gt=0) == ["a"]
    assert await titles(tags__contained_by=Post.objects.filter(title="none").values("title")) == ["c"]
    assert await titles(tags__contained_by=Post.objects.none().values("title")) == ["c"]


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_expressions_stand_among_the_items_that_are_looked_for(posts: None) -> None:
    await Post.objects.create(title="y", tags=["y", "a"], scores=[1, None, 3], facts=["y", 2])
    assert await titles(tags__contains=[F("title")]) == ["y"]
    assert await titles(tags__contains=[F("title"), "a"]) == ["y"] != await titles(tags__contains=(F("title"), "x"))
    assert await titles(tags__overlap=[F("title"), "x"]) == ["a", "y"]
    assert await titles(tags__contained_by=[F("title"), Lower(Value("A"))]) == ["c", "y"]
    assert await titles(tags=[F("title"), "a"]) == ["y"]
    assert await titles(scores=[F("views") + 1, None, 3]) == ["a", "y"]
    assert await titles(board__contains=[[F("views") + 9]]) == ["b"] == await titles(board=[[F("views") + 9]])
    assert await titles(facts__contains=[F("title"), 2]) == ["y"]
    assert await Post.objects.exclude(tags__contains=[F("title")]).count() == 3
    assert await Post.objects.filter(Q(tags__contains=[F("title")]) | Q(title="a")).count() == 2
    with pytest.raises(TypeError, match=r"no expression in it.*F\('title'\)"):
        await titles(tags__in=[[F("title")], ["x"]])
    with pytest.raises(TypeError, match="no expression in it"):
        await Post.objects.create(title="q", tags=[F("title")])


@pytest.mark.row("postgres.array_lookups", on="postgresql")
async def test_arrays_of_another_type_and_plain_subqueries_are_compared_as_well(posts: None) -> None:
    await Post.objects.create(title="y", body="y", tags=["y", "a"])
    assert await titles(tags__overlap=Subquery(Post.objects.values("title"))) == ["a", "b", "y"]
    assert await titles(tags__overlap=Subquery(Post.objects.filter(title="y").values("tags")[:1])) == ["a", "b", "y"]
    assert await titles(tags__contains=Post.objects.filter(title="y").values("body")) == ["a", "b", "y"]
    groups = Post.objects.values("tags").annotate(bodies=ArrayAgg("body"))
    assert await groups.filter(tags__overlap=F("bodies")).values_list("tags", flat=True) == [["y", "a"]]
    assert await groups.filter(tags__overlap=ArrayAgg("body")).values_list("tags", flat=True) == [["y", "a"]]


@pytest.mark.row("postgres.array", on="postgresql")
async def test_arrays_stand_in_expressions(posts: None) -> None:
    field = ArrayField(models.CharField(max_length=20))
    await Post.objects.filter(title="c").update(tags=Value(["n"], output_field=field))
    await Post.objects.filter(title="b").update(tags=F("tags"), body=F("tags__0"))
    assert await titles(tags=["n"]) == ["c"]
    assert await titles(body="y") == ["b"]
    cast = Post.objects.annotate(texts=Cast("scores", ArrayField(models.TextField())))
    assert await cast.filter(title="a").values_list("texts", flat=True) == [["1", None, "3"]]
    assert await cast.filter(texts__contains=["3"]).count() == 1
    sent = await Post.objects.values_list("tags", flat=True).order_by("title")
    assert sent == [["x", "y"], ["y", "z", "it's"], ["n"]]


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=st.lists(texts, max_size=4), scores=st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=4))
async def test_any_list_is_found_by_itself(pg: Database, tags: list[str], scores: list[int | None]) -> None:
    made = await Post.objects.create(title="h", tags=tags, scores=scores)
    found = await Post.objects.get(pk=made.pk, tags=tags, tags__in=[tags], scores__in=[scores])
    assert (found.tags, found.scores) == (tags, scores)


async def test_what_is_no_list_is_refused_before_it_is_sent(pg: Database) -> None:
    with pytest.raises(TypeError, match="tags expects a list"):
        await Post.objects.create(title="a", tags="xyz")  # type: ignore[misc]


async def test_full_clean_checks_every_item(pg: Database) -> None:
    post = Post(title="a", body="b", tags=["x", "y" * 21])
    with pytest.raises(ValidationError) as caught:
        await post.full_clean()
    assert "Item 2 of the list is not valid" in str(caught.value)
    post = Post(title="a", body="b", tags=["x"], scores=[1] * 6, board=[[1], [1, 2]])
    with pytest.raises(ValidationError) as caught:
        await post.full_clean()
    assert set(caught.value.message_dict) == {"scores", "board"}


def test_a_wrong_look_up_is_told_the_right_one() -> None:
    with pytest.raises(FieldError, match=r"no look-up 'overlaps'.*Did you mean 'overlap'"):
        str(Post.objects.filter(tags__overlaps=["x"]).query)


def test_texts_are_read_as_json_and_written_so() -> None:
    field = Post._meta.get_field("scores")
    assert field.to_python("[1, null, 3]") == [1, None, 3]
    assert field.value_to_string(Post(scores=[1, None])) == '["1",null]'
    assert field.to_python('["1",null]') == [1, None]
    for wrong in ("nope", "3", 5):
        with pytest.raises(ValidationError):
            field.to_python(wrong)
    with pytest.raises(ValidationError, match="Item 1"):
        field.to_python(["x"])


def test_checks_name_what_is_wrong_with_an_array() -> None:
    with apps.isolate():

        class Wrong(models.Model):
            keys = ArrayField(models.ForeignKey("self", on_delete=models.CASCADE))
            chars = ArrayField(models.CharField(max_length=-1))
            shared = ArrayField(models.IntegerField(), default=[1])
            sized = ArrayField(models.IntegerField(), size=0)
            warned = ArrayField(models.IntegerField(max_length=3))

            class Meta:
                app_label = "wrong"

    found = {field.name: [m.id for m in field.check()] for field in Wrong._meta.local_fields if field.name != "id"}
    assert found == {
        "keys": ["postgres.E002"],
        "chars": ["postgres.E001"],
        "shared": ["postgres.E003"],
        "sized": ["postgres.E005"],
        "warned": ["postgres.E004"],
    }


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_name_what_they_lack(database: Database) -> None:
    from covet.db.models.table import table_of

    with pytest.raises(NotSupportedError, match=r"needs PostgreSQL|only PostgreSQL has"):
        async with database.schema_editor() as editor:
            await editor.create_table(table_of(Post))
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        await Post.objects.filter(tags__contains=["x"])
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        await Post.objects.create(title="a", tags=["x"])


# ── many rows at once

Day, Noon = dt.date(2026, 3, 1), dt.datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=dt.UTC)
#: A base field, and arrays of it: awkward values, of several lengths.
BASES: dict[str, tuple[models.Field[Any], list[Any]]] = {
    "integer": (models.IntegerField(null=True), [[1, None, -3], [], [None]]),
    "big": (models.BigIntegerField(), [[2**62], [-(2**63)]]),
    "text": (
        models.TextField(null=True),
        [["a,b", '"', "{}", "NULL", "null", "", "\\", "a\nb", "é", "%s $1"], [None, "x"]],
    ),
    "char": (models.CharField(max_length=3), [["abc"], [" a "]]),
    "boolean": (models.BooleanField(), [[True, False], [False]]),
    "float": (models.FloatField(), [[1.5, float("inf"), -0.0], [1e300, 5e-324]]),
    "decimal": (models.DecimalField(max_digits=12, decimal_places=3), [[Decimal("1.250"), Decimal("-100000.000")], []]),
    "date": (models.DateField(), [[Day, dt.date(1, 1, 1)], [dt.date.max]]),
    "moment": (models.DateTimeField(null=True), [[Noon, None], [dt.datetime(1, 1, 2, tzinfo=dt.UTC)]]),
    "time": (models.TimeField(), [[dt.time(23, 59, 59, 999999), dt.time(0)], []]),
    "duration": (models.DurationField(), [[dt.timedelta(-1, 5, 7), dt.timedelta(400, 3)], [dt.timedelta(0)]]),
    "uuid": (models.UUIDField(), [[uuid.UUID(int=5)], []]),
    "address": (models.GenericIPAddressField(), [["10.0.0.7", "::1"], []]),
    "bytes": (models.BinaryField(), [[b"", b"a\\\x00\xff\"'"], [b"x"]]),
    "json": (models.JSONField(null=True), [[{"a": '"\\', "b": [None, 1.5]}, [], "x", None], [True]]),
    "range": (IntegerRangeField(), [[Range(1, 5), Range(empty=True), Range(None, 3)], []]),
    "moments": (DateTimeRangeField(), [[Range(Noon, Noon + dt.timedelta(1)), Range(None, Noon, "(]")], []]),
    "mapping": (HStoreField(), [[{'"': "x,y", "a": None}, {"b": ""}], []]),
    "grid": (ArrayField(models.IntegerField()), [[[1, 2], [3, 4]], [[5]], []]),
    "texts": (ArrayField(models.TextField()), [[["a,b", "}"], ['"', "\\"]]]),
}


@pytest.mark.row("postgres.array", on="postgresql")
@pytest.mark.parametrize("name", BASES)
async def test_many_rows_with_arrays_are_written_by_one_statement_each(pg: Database, name: str) -> None:
    base, values = BASES[name]
    with apps.isolate():

        class Many(models.Model):
            items = ArrayField(base, null=True)
            number = models.IntegerField()

            class Meta:
                app_label = f"pgmany{name}"

    await create_tables(pg, [Many])
    rows = [Many(items=value, number=number) for number, value in enumerate([*values, None])]
    with record_queries() as log:
        await Many.objects.bulk_create(rows)
    assert len(log) == 1
    kept = Many.objects.order_by("number").values_list("items", flat=True)
    assert repr(await kept) == repr([*values, None])
    for row, value in zip(rows, [None, *values], strict=True):
        row.items = value
    with record_queries() as log:
        assert await Many.objects.bulk_update(rows, ["items", "number"]) == len(rows)
    assert len(log) == 1
    assert repr(await kept.all()) == repr([None, *values])
    for row in rows:
        await row.save()
    assert repr(await kept.all()) == repr([None, *values])


@pytest.mark.row("postgres.array", on="postgresql")
async def test_a_text_in_an_array_that_is_too_long_is_not_cut_off(pg: Database) -> None:
    """A cast would shorten it in silence."""
    made = await Post.objects.bulk_create([Post(title="x", tags=["short"]), Post(title="y")])
    made[1].tags = ["x" * 21]
    with pytest.raises(DataError, match="too long"):
        await Post.objects.bulk_update(made, ["tags"])
    with pytest.raises(DataError, match="too long"):
        await Post.objects.bulk_create([Post(title="z", tags=["x" * 21]), Post(title="z")])
    assert await Post.objects.order_by("title").values_list("tags", flat=True) == [["short"], []]
