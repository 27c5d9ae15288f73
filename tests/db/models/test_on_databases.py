"""Tables, validation and expressions on all three databases."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import gc
import uuid
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import CheckViolation, IntegrityError, UniqueViolation
from covet.db.models import functions as fn
from covet.db.models.table import table_of
from covet.exceptions import NON_FIELD_ERRORS, ValidationError

with apps.isolate():

    class Author(models.Model):
        name = models.CharField(max_length=50)
        email = models.EmailField(unique=True)

        class Meta:
            app_label = "kept"

    class Book(models.Model):
        title = models.CharField(max_length=50)
        author = models.ForeignKey(Author, on_delete=models.CASCADE)
        pages = models.PositiveIntegerField(default=100)
        low = models.IntegerField(null=True, blank=True)
        high = models.IntegerField(null=True, blank=True)
        isbn = models.CharField(max_length=20, null=True, blank=True)
        day = models.DateField(null=True, blank=True)
        slug = models.SlugField(blank=True, unique_for_month="day")
        editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, blank=True, related_name="edited")

        class Meta:
            app_label = "kept"
            unique_together = [("title", "author")]
            constraints = [
                models.CheckConstraint(
                    condition=models.Q(low__lte=models.F("high")),
                    name="kept_low_high",
                    violation_error_message="Low must not exceed high.",
                ),
                models.UniqueConstraint(fields=["isbn"], name="kept_isbn", violation_error_code="taken"),
            ]
            indexes = [models.Index(fields=["-pages", "title"])]

        def clean(self) -> None:
            if self.title == "forbidden":
                raise ValidationError({"title": "Not this one."})

    class Everything(models.Model):
        key = models.UUIDField(primary_key=True, default=uuid.uuid4)
        big = models.BigIntegerField(default=2**60)
        small = models.SmallIntegerField(default=-3)
        ratio = models.FloatField(default=0.5)
        price = models.DecimalField(max_digits=10, decimal_places=2, default=decimal.Decimal("12.50"))
        on = models.BooleanField(default=True)
        text = models.TextField(default="Grüße 🙂 % ' \\ \"")
        day = models.DateField(default=dt.date(2024, 2, 29))
        moment = models.DateTimeField(default=dt.datetime(2024, 2, 29, 12, 30, 1, 250, tzinfo=dt.UTC))
        at = models.TimeField(default=dt.time(1, 2, 3, 4))
        lasts = models.DurationField(default=dt.timedelta(days=-1, microseconds=5))
        blob = models.BinaryField(default=b"\x00\xff")
        data = models.JSONField(default=lambda: {"a": [1, None, "x"], "b": {"c": 1.5}})
        ip = models.GenericIPAddressField(default="2001:db8::1")
        nothing = models.CharField(max_length=3, null=True)
        counted = models.IntegerField(db_default=7)
        made = models.DateTimeField(db_default=fn.Now())

        class Meta:
            app_label = "kept"


@pytest.fixture
async def tables(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in (Author, Book, Everything):
            await editor.create_table(table_of(model))
    yield database
    async with database.schema_editor() as editor:
        for model in (Everything, Book, Author):
            await editor.drop_table(model._meta.db_table)


async def author(**values: Any) -> Author:
    return await Author.objects.create(**{"name": "Ann", "email": "ann@example.org", **values})


@pytest.mark.row("fields.default", "fields.null_blank")
async def test_every_field_reads_back_what_was_saved(tables: Database) -> None:
    made = Everything()
    await made.save()
    found = await Everything.objects.get(pk=made.pk)
    for field in Everything._meta.concrete_fields:
        if not field.has_db_default():
            value = getattr(found, field.attname)
            assert value == getattr(made, field.attname), field
            assert isinstance(value, type(getattr(made, field.attname))), field
    assert found.counted == 7
    assert found.made.tzinfo is not None
    assert abs(found.made - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


@pytest.mark.row("lookups.exact")
async def test_values_of_every_field_can_be_looked_up(tables: Database) -> None:
    made = await Everything.objects.create()
    for field in Everything._meta.concrete_fields:
        if isinstance(field, models.JSONField) or field.has_db_default():
            continue
        value = getattr(made, field.attname)
        found = await Everything.objects.filter(**{field.name: value}).count()
        assert found == 1, field


@pytest.mark.row("constraints.check", "constraints.unique", "fields.primary_key")
async def test_the_table_holds_the_rules(tables: Database) -> None:
    ann = await author()
    with pytest.raises(UniqueViolation):
        await author()
    with pytest.raises(CheckViolation):
        await Book.objects.create(title="x", author=ann, low=3, high=2)
    with pytest.raises(IntegrityError):
        await Book.objects.create(title="x", author_id=999)


@pytest.mark.row("models.full_clean")
async def test_full_clean_collects_the_errors_of_all_steps(tables: Database) -> None:
    ann = await author()
    await Book.objects.create(title="taken", author=ann, isbn="1", slug="one", day=dt.date(2024, 5, 1))
    book = Book(title="x" * 51, author=ann, low=3, high=2, isbn="1")
    with pytest.raises(ValidationError) as caught:
        await book.full_clean()
    assert set(caught.value.message_dict) == {"title", "isbn", NON_FIELD_ERRORS}
    assert caught.value.message_dict[NON_FIELD_ERRORS] == ["Low must not exceed high."]
    assert caught.value.error_dict is not None
    assert [error.code for error in caught.value.error_dict["isbn"]] == ["taken"]
    assert caught.value.message_dict["isbn"] == ["Book with this Isbn already exists."]


@pytest.mark.row("constraints.unique")
async def test_rows_that_are_together_unique(tables: Database) -> None:
    ann = await author()
    first = await Book.objects.create(title="one", author=ann)
    with pytest.raises(ValidationError) as caught:
        await Book(title="one", author=ann).full_clean()
    assert caught.value.message_dict == {NON_FIELD_ERRORS: ["Book with this Title and Author already exists."]}
    await first.full_clean()
    await Book(title="one", author=ann).full_clean(validate_unique=False)
    await Book(title="one", author=ann).validate_unique(exclude=["author"])


@pytest.mark.row("fields.unique_for")
async def test_unique_for_a_month(tables: Database) -> None:
    ann = await author()
    await Book.objects.create(title="one", author=ann, slug="s", day=dt.date(2024, 5, 1))
    with pytest.raises(ValidationError) as caught:
        await Book(title="two", author=ann, slug="s", day=dt.date(2024, 5, 30)).full_clean()
    assert caught.value.message_dict == {"slug": ["Slug must be unique for Day month."]}
    await Book(title="two", author=ann, slug="s", day=dt.date(2024, 6, 1)).full_clean()


async def test_a_key_that_does_not_exist_is_found(tables: Database) -> None:
    with pytest.raises(ValidationError) as caught:
        await Book(title="x", author_id=4711).full_clean()
    assert caught.value.message_dict == {"author": ["author instance with id 4711 does not exist."]}


async def test_a_full_clean_that_is_cancelled_has_begun_no_other_check(tables: Database) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        cleaning = asyncio.ensure_future(Book(title="x", author_id=4711).full_clean())
        await asyncio.sleep(0)
        cleaning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cleaning
        del cleaning
        gc.collect()

    assert not [one for one in warned if "never awaited" in str(one.message)]


async def test_an_empty_text_is_no_key_where_the_relation_may_be_blank(tables: Database) -> None:
    ann = await author()
    await Book(title="x", author=ann, editor_id="").full_clean()
    with pytest.raises(ValidationError) as caught:
        await Book(title="x", author_id="").full_clean()
    assert list(caught.value.message_dict) == ["author"]


@pytest.mark.row("constraints.check")
async def test_unknown_counts_as_met(tables: Database) -> None:
    ann = await author()
    book = Book(title="x", author=ann, low=3, high=None)
    await book.full_clean()
    await book.save()


async def test_own_clean_runs_and_its_fields_are_skipped_later(tables: Database) -> None:
    ann = await author()
    with pytest.raises(ValidationError) as caught:
        await Book(title="forbidden", author=ann).full_clean()
    assert caught.value.message_dict == {"title": ["Not this one."]}


async def test_cleaned_values_are_set(tables: Database) -> None:
    ann = await author()
    book = Book(title="x", author=ann, pages="12")
    await book.full_clean()
    assert book.pages == 12
    with pytest.raises(ValidationError, match="integer"):
        Book(title="x", author=ann, pages="many").clean_fields()


@pytest.mark.row("expressions.f")
async def test_arithmetic_keeps_the_kind_of_its_numbers(tables: Database) -> None:
    await Everything.objects.create(small=7, price=decimal.Decimal("2.50"), ratio=0.25)
    row = await Everything.objects.annotate(
        plus=models.F("small") + 1,
        back=10 - models.F("small"),
        times=models.F("price") * 2,
        mixed=models.F("small") * models.F("ratio"),
        rest=models.F("small") % 4,
        power=models.F("small") ** 2,
        bits=models.F("small").bitand(3),
        minus=-models.F("small"),
    ).get()
    assert (row.plus, row.back, row.rest, row.power, row.bits, row.minus) == (8, 3, 3, 49, 3, -7)  # type: ignore[attr-defined]
    assert type(row.power) is int  # type: ignore[attr-defined]  # not the 49.0 that two of the databases compute
    assert row.times == decimal.Decimal("5.00")  # type: ignore[attr-defined]
    assert row.mixed == pytest.approx(1.75)  # type: ignore[attr-defined]


@pytest.mark.row("expressions.f")
async def test_arithmetic_of_dates(tables: Database) -> None:
    start = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    await Everything.objects.create(moment=start, lasts=dt.timedelta(days=1, seconds=30))
    row = await Everything.objects.annotate(
        later=models.F("moment") + models.F("lasts"),
        earlier=models.F("moment") - dt.timedelta(hours=2),
        gap=models.ExpressionWrapper(
            models.F("moment") - models.Value(start - dt.timedelta(minutes=5)), output_field=models.DurationField()
        ),
    ).get()
    assert row.later == start + dt.timedelta(days=1, seconds=30)  # type: ignore[attr-defined]
    assert row.earlier == start - dt.timedelta(hours=2)  # type: ignore[attr-defined]
    assert row.gap == dt.timedelta(minutes=5)  # type: ignore[attr-defined]


@pytest.mark.row("expressions.case")
async def test_conditions_and_functions(tables: Database) -> None:
    ann = await author(name="Ann")
    bob = await author(name="bob", email="bob@example.org")
    rows = await Author.objects.annotate(
        kind=models.Case(
            models.When(name__startswith="A", then=models.Value("first")),
            models.When(models.Q(name="bob") & ~models.Q(email=""), then=models.Value("second")),
            default=models.Value("none"),
        ),
        loud=fn.Upper("name"),
        size=fn.Length("name"),
        both=fn.Concat("name", models.Value(" <"), "email", models.Value(">")),
        start=fn.Left("name", 2),
        piece=models.F("name")[1:3],
        swapped=fn.Replace("name", "n", "m"),
        known=fn.Coalesce(fn.NullIf("name", models.Value("bob")), models.Value("?")),
        as_text=fn.Cast("id", models.CharField(max_length=20)),
    ).order_by("pk")
    one, two = rows
    assert [row.kind for row in rows] == ["first", "second"]  # type: ignore[attr-defined]
    assert (one.loud, one.size, one.start, one.piece, one.swapped) == ("ANN", 3, "An", "nn", "Amm")  # type: ignore[attr-defined]
    assert one.both == "Ann <ann@example.org>"  # type: ignore[attr-defined]
    assert [row.known for row in rows] == ["Ann", "?"]  # type: ignore[attr-defined]
    assert two.as_text == str(bob.pk)  # type: ignore[attr-defined]
    assert one == ann


@pytest.mark.row("aggregates.basic")
async def test_aggregates_give_python_numbers(tables: Database) -> None:
    ann = await author()
    for pages in (10, 20, 31):
        await Book.objects.create(title=str(pages), author=ann, pages=pages)
    found = await Book.objects.aggregate(
        n=models.Count("*"),
        total=models.Sum("pages"),
        mean=models.Avg("pages"),
        most=models.Max("pages"),
        least=models.Min("title"),
        some=models.Count("pk", filter=models.Q(pages__gt=15)),
        none=models.Sum("low"),
        zero=models.Sum("low", default=0),
        different=models.Count("author", distinct=True),
    )
    assert found["mean"] == pytest.approx(61 / 3, abs=1e-3)  # MariaDB counts four places
    del found["mean"]
    assert found == {
        "n": 3,
        "total": 61,
        "most": 31,
        "least": "10",
        "some": 2,
        "none": None,
        "zero": 0,
        "different": 1,
    }
    assert type(found["total"]) is int


@pytest.mark.row("functions.extract", "functions.trunc")
async def test_dates_are_taken_apart(tables: Database) -> None:
    moment = dt.datetime(2024, 2, 29, 23, 59, 58, tzinfo=dt.UTC)
    await Everything.objects.create(moment=moment)
    row = await Everything.objects.annotate(
        year=fn.ExtractYear("moment"),
        month=fn.ExtractMonth("moment"),
        weekday=fn.ExtractIsoWeekDay("moment"),
        hour=fn.ExtractHour("moment"),
        first=fn.TruncMonth("moment"),
        midnight=fn.TruncDay("moment"),
        date=fn.TruncDate("moment"),
    ).get()
    assert (row.year, row.month, row.weekday, row.hour) == (2024, 2, 4, 23)  # type: ignore[attr-defined]
    assert row.first == dt.datetime(2024, 2, 1, tzinfo=dt.UTC)  # type: ignore[attr-defined]
    assert row.midnight == dt.datetime(2024, 2, 29, tzinfo=dt.UTC)  # type: ignore[attr-defined]
    assert row.date == dt.date(2024, 2, 29)  # type: ignore[attr-defined]


@pytest.mark.row("expressions.subquery")
async def test_subqueries(tables: Database) -> None:
    ann = await author()
    bob = await author(name="Bob", email="bob@example.org")
    await Book.objects.create(title="old", author=ann, pages=1)
    await Book.objects.create(title="new", author=ann, pages=2)
    theirs = Book.objects.filter(author=models.OuterRef("pk")).order_by("-pages")
    rows = await Author.objects.annotate(last=models.Subquery(theirs.values("title")[:1])).order_by("pk")
    assert [row.last for row in rows] == ["new", None]  # type: ignore[attr-defined]
    assert await Author.objects.filter(models.Exists(theirs)) == [ann]
    assert await Author.objects.filter(~models.Exists(theirs)) == [bob]
    assert await Author.objects.filter(models.Exists(theirs) & models.Q(name="Ann")) == [ann]


@pytest.mark.row("expressions.window", "expressions.window_functions")
async def test_windows(tables: Database) -> None:
    ann = await author()
    for pages in (30, 10, 20):
        await Book.objects.create(title=str(pages), author=ann, pages=pages)
    rows = await Book.objects.annotate(
        place=models.Window(fn.RowNumber(), partition_by="author", order_by="-pages"),
        so_far=models.Window(models.Sum("pages"), order_by="pages", frame=models.RowRange(start=None, end=0)),
    ).order_by("pages")
    assert [(row.pages, row.place, row.so_far) for row in rows] == [(10, 3, 10), (20, 2, 30), (30, 1, 60)]  # type: ignore[attr-defined]


@pytest.mark.row("models.next_by")
async def test_neighbours_by_date(tables: Database) -> None:
    rows = [await Everything.objects.create(day=dt.date(2024, 1, day)) for day in (1, 2, 2)]
    second, third = sorted(rows[1:], key=lambda row: row.key)
    assert (await rows[0].get_next_by_day()).day == dt.date(2024, 1, 2)  # type: ignore[attr-defined]
    follower = await rows[0].get_next_by_day()  # type: ignore[attr-defined]
    last = await follower.get_next_by_day()
    assert {follower, last} == {second, third}
    with pytest.raises(Everything.DoesNotExist):
        await last.get_next_by_day()
    assert await last.get_previous_by_day() == follower


@pytest.mark.row("compiler.cache")
async def test_one_shape_serves_all_values(tables: Database) -> None:
    ann = await author()
    await Book.objects.create(title="x", author=ann, pages=5)
    await Book.objects.filter(pages__gt=models.F("low") + 1).count()
    before = len(tables.statements)
    for number in range(2, 6):
        await Book.objects.filter(pages__gt=models.F("low") + number).count()
    assert len(tables.statements) == before
