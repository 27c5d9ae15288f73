"""What Django 6.1 gives for the same rows where ours once gave something else; on the three databases."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.models import (
    Avg,
    Case,
    Count,
    ExpressionWrapper,
    F,
    Max,
    Prefetch,
    Q,
    Sum,
    When,
    Window,
)
from covet.db.models.functions import Coalesce, TruncDate, TruncDay, TruncMonth, Upper
from covet.exceptions import FieldError
from tests._apps.blog.models import Author, Comment, Tag
from tests.db.models.conftest import create_tables


class Being(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "testbeside"


class Writer(Being):
    pen = models.CharField(max_length=20, null=True)

    class Meta:
        app_label = "testbeside"


class Shelf(models.Model):
    """A relation to rows of the same kind, which have an order of their own."""

    label = models.CharField(max_length=20, unique=True)
    parent: models.ForeignKey[Any] = models.ForeignKey("self", models.CASCADE, null=True, related_name="inner")

    class Meta:
        app_label = "testbeside"
        ordering = ["label"]


class Volume(models.Model):
    title = models.CharField(max_length=20)
    pages = models.IntegerField(null=True)
    price = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    rating = models.FloatField(null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    clock = models.TimeField(null=True)
    took = models.DurationField(null=True)
    isbn = models.UUIDField(null=True)
    is_hard = models.BooleanField(default=False)
    writer = models.ForeignKey(Writer, models.CASCADE, null=True, related_name="volumes")
    readers: models.ManyToManyField[Any] = models.ManyToManyField(Writer, related_name="read")

    class Meta:
        app_label = "testbeside"


_ISBN = uuid.UUID("00000030-0000-4000-8000-0000000000ab")


@pytest.fixture
async def shelves(database: Database) -> AsyncIterator[Database]:
    """Volumes of two writers, on shelves within shelves."""
    through: Any = Volume.readers.through  # type: ignore[attr-defined]  # made by the field
    await create_tables(database, [Being, Writer, Shelf, Volume, through])
    ann = await Writer.objects.create(pk=1, name="Ann", pen="A")
    await Being.objects.create(pk=2, name="Bea")
    for number, label, parent in [(1, "z", None), (2, "y", 1), (3, "a", None), (4, "b", 3), (5, "c", 1)]:
        await Shelf.objects.create(pk=number, label=label, parent_id=parent)
    volume = await Volume.objects.create(
        pk=1, title="one", pages=10, price=Decimal("9.99"), rating=1.5, isbn=_ISBN, is_hard=True, writer=ann
    )
    await volume.readers.add(ann)
    await Volume.objects.create(pk=2, title="two", price=Decimal("0.50"), rating=2.25, day=dt.date(2020, 5, 1))
    await Volume.objects.create(pk=3, title="three", pages=7, price=Decimal("0.10"))
    await Volume.objects.create(pk=4, title="four", price=Decimal("0.20"))
    yield database


# ── conditions


async def test_an_object_of_the_parent_stands_for_its_child(shelves: Database) -> None:
    being = await Being.objects.get(pk=1)

    assert [one.pk for one in await Volume.objects.filter(writer=being)] == [1]
    assert [one.pk for one in await Volume.objects.filter(writer__in=[being, await Being.objects.get(pk=2)])] == [1]
    assert [one.pk for one in await Volume.objects.filter(readers=being)] == [1]
    with pytest.raises(ValueError, match="writer takes Writer objects, not Shelf"):
        await Volume.objects.filter(writer=Shelf(pk=1))


async def test_a_queryset_of_strangers_is_refused_and_their_keys_are_not(shelves: Database) -> None:
    for name in ("writer__in", "writer", "readers__in"):
        with pytest.raises(ValueError, match="takes a queryset of Writer, not of Shelf"):
            await Volume.objects.filter(**{name: Shelf.objects.filter(pk=1)})

    assert await Volume.objects.filter(writer__in=Shelf.objects.filter(pk=1).values("pk")).count() == 1
    assert await Volume.objects.filter(writer__in=Being.objects.filter(name="Ann")).count() == 1


async def test_uuids_are_texts_with_and_without_dashes(shelves: Database) -> None:
    async def found(**condition: Any) -> bool:
        return await Volume.objects.filter(**condition).exists()

    assert await found(isbn__icontains="0-4000-8000-0000000000AB")
    assert await found(isbn__contains="000000ab")
    assert await found(isbn__contains="04000")
    assert await found(isbn__startswith="00000030-0000")
    assert await found(isbn__startswith="0000003000004")
    assert await found(isbn__endswith="8000-0000000000ab")
    assert await found(isbn__iexact=str(_ISBN).upper())
    assert await found(isbn__iexact=_ISBN.hex)
    assert await found(isbn__startswith=F("isbn"))
    assert not await found(isbn__startswith="00000031")


# ── order


async def test_rows_are_ordered_by_the_ordering_of_the_same_model(shelves: Database) -> None:
    inner = Shelf.objects.filter(parent__isnull=False)

    assert await inner.order_by("parent", "pk").values_list("pk", flat=True) == [4, 2, 5]
    assert await inner.order_by("-parent", "pk").values_list("pk", flat=True) == [2, 5, 4]
    assert await inner.order_by("parent_id", "pk").values_list("pk", flat=True) == [2, 5, 4]


# ── what is computed


async def test_sums_of_amounts_have_the_digits_of_the_amounts(shelves: Database) -> None:
    found = await Volume.objects.aggregate(all=Sum("price"), third=Sum("price", filter=Q(pk__gte=3)))

    assert found == {"all": Decimal("10.79"), "third": Decimal("0.30")}
    assert await Volume.objects.filter(pk=3).annotate(x=F("price") * 3).values_list("x", flat=True) == [Decimal("0.30")]


async def test_the_first_that_is_not_null_keeps_its_digits(shelves: Database) -> None:
    rows = Volume.objects.order_by("pk")

    assert await rows.values_list(Coalesce("pages", "price"), flat=True) == [
        Decimal(10),
        Decimal("0.50"),
        Decimal(7),
        Decimal("0.20"),
    ]
    assert await rows.values_list(Coalesce("pages", "rating", 0), flat=True) == [10.0, 2.25, 7.0, 0.0]
    for parts in [("day", "moment"), ("pages", "day"), ("title", "pages"), ("is_hard", "pages")]:
        with pytest.raises(FieldError, match="mixes"):
            await rows.values_list(Coalesce(*parts))


async def test_texts_and_dates_are_no_numbers(shelves: Database) -> None:
    for wrong in (F("title") + F("title"), F("title") * "x", F("day") + F("day"), F("isbn") - F("isbn")):
        with pytest.raises(FieldError, match="which are no numbers"):
            await Volume.objects.annotate(x=wrong)
    with pytest.raises(FieldError, match="Concat"):
        await Volume.objects.filter(title=F("title") + "!")


@pytest.mark.vendors("sqlite", "mysql")
async def test_what_is_declared_is_not_asked_for_its_type(shelves: Database) -> None:
    whole: Any = models.IntegerField()
    rows = Volume.objects.filter(pk=1)
    mixed = F("is_hard") + F("pages")

    assert await rows.values_list(ExpressionWrapper(mixed, output_field=whole), flat=True) == [11]
    assert await rows.values_list(ExpressionWrapper(mixed + mixed, output_field=whole), flat=True) == [22]
    assert await rows.values_list(Coalesce(mixed, 0, output_field=whole), flat=True) == [11]
    assert await rows.values_list(Case(When(pk=1, then=mixed), default=mixed * 2, output_field=whole), flat=True) == [
        11
    ]
    assert await Volume.objects.aggregate(x=Sum(mixed, output_field=whole)) == {"x": 18}


async def test_a_declared_whole_number_is_one(shelves: Database) -> None:
    found = await Volume.objects.filter(pk__in=[1, 3]).aggregate(x=Avg("pages", output_field=models.IntegerField()))

    assert type(found["x"]) is int


async def test_what_is_no_date_is_not_cut_down(shelves: Database) -> None:
    for function, name in [(TruncDay, "clock"), (TruncDate, "clock"), (TruncMonth, "clock")]:
        with pytest.raises(ValueError, match="A TimeField cannot be cut down to the"):
            await Volume.objects.annotate(x=function(name))
    for name in ("took", "title", "pages"):
        with pytest.raises(ValueError, match="is no date, time or moment"):
            await Volume.objects.annotate(x=TruncMonth(name))


async def test_what_is_no_text_has_no_parts(shelves: Database) -> None:
    assert await Volume.objects.filter(pk=1).values_list(F("title")[1:], flat=True) == ["ne"]
    for name in ("pages", "took", "day"):
        with pytest.raises(NotSupportedError, match="has no parts"):
            await Volume.objects.annotate(x=F(name)[0])


# ── groups


async def test_an_aggregate_of_an_aggregate_is_a_named_error(blog: Database) -> None:
    counted = Author.objects.annotate(n=Count("articles"))

    for wrong in (Sum("n"), Max(F("n") + 1), Count("edited", filter=Q(n__gt=1))):
        with pytest.raises(FieldError, match="cannot be computed of 'n', which is an aggregate"):
            await counted.annotate(x=wrong)
    with pytest.raises(FieldError, match="cannot be computed of 'n'"):
        await counted.values("name").annotate(x=Sum("n"))
    # Over all groups, and over a window of them, it can be.
    assert await counted.aggregate(x=Sum("n")) == {"x": None}
    assert await counted.annotate(x=Window(Sum("n"), order_by="pk")).count() == 0


# ── rows


async def test_named_rows_call_expressions_by_their_class(shelves: Database) -> None:
    rows = Shelf.objects.filter(pk=1)

    (row,) = await rows.values_list("pk", Upper("label"), Upper("parent__label"), F("pk") + 1, named=True)

    assert row._asdict() == {"pk": 1, "upper1": "Z", "upper2": None, "combinedexpression3": 2}
    # Columns are called by their names; they are counted as in Django.
    assert (await rows.values_list(F("pk"), Upper("label"), named=True))[0]._asdict() == {"pk": 1, "upper2": "Z"}


async def test_values_are_found_by_a_key_that_they_lack(shelves: Database) -> None:
    rows = Shelf.objects.order_by("pk")

    assert await rows.values_list("label", flat=True).in_bulk([1, 3, 99]) == {1: "z", 3: "a"}
    assert await rows.values_list("label", "parent").in_bulk([2]) == {2: ("y", 1)}
    assert await rows.values("label").in_bulk([2]) == {2: {"label": "y"}}
    assert await rows.values_list("pk", flat=True).in_bulk(["z"], field_name="label") == {"z": 1}
    assert await rows.values("pk").in_bulk(["z"], field_name="label") == {"z": {"pk": 1}}
    named = await rows.values_list("label", named=True).in_bulk([2])
    assert named[2]._asdict() == {"pk": 2, "label": "y"}
    assert len(await rows.values_list("label", flat=True).in_bulk()) == 5


async def test_only_without_names_reads_all_fields(shelves: Database) -> None:
    names: list[str] = []

    row = await Volume.objects.only("title").only(*names).get(pk=1)

    assert row.get_deferred_fields() == set()


async def test_rows_that_are_not_there_are_not_counted_as_deleted(blog: Database) -> None:
    assert await Comment.objects.filter(pk=99).delete() == (0, {})
    assert await Tag.objects.none().delete() == (0, {})
    assert await Author.objects.filter(pk=99).delete() == (0, {})


def test_a_prefetch_takes_a_queryset() -> None:
    with pytest.raises(TypeError, match="Prefetch takes a queryset, not 1"):
        Prefetch("tags", 1)  # type: ignore[arg-type]  # what is tested
