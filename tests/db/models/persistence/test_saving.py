"""Saving one row and many: which statement runs, over which fields, and what comes back."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models, transaction
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models import F, Value
from covet.db.models.functions import Lower, Upper
from covet.db.models.signals import (
    post_bulk_create,
    post_bulk_update,
    post_save,
    post_update,
    pre_bulk_create,
    pre_save,
    pre_update,
)
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded
from tests._apps.blog.models import Article, Author, Book, Tag
from tests._apps.tree.models import FamousPlace, Place, Restaurant
from tests.db.models.conftest import create_tables

NOON = dt.datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=dt.UTC)


@pytest.fixture
async def ann(blog: Any) -> Author:
    return await Author.objects.create(name="Ann", email="ann@example.com", age=30)


@pytest.mark.row("models.save", "models.state")
async def test_save_inserts_then_updates(ann: Author) -> None:
    article = Article(title="x", author=ann, rating=Decimal("1.50"), published_at=NOON)
    assert article._state.adding
    with record_queries() as queries:
        await article.save()
        assert article.pk is not None
        assert not article._state.adding
        assert article._state.db == "default"
        article.title = "y"
        await article.save()
    assert [query.sql.split()[0] for query in queries] == ["INSERT", "UPDATE"]
    again = await Article.objects.get(pk=article.pk)
    assert (again.title, again.rating, again.published_at, again.is_open) == ("y", Decimal("1.50"), NOON, True)


@pytest.mark.row("models.save")
async def test_an_instance_with_a_key_is_updated_or_inserted(blog: Any) -> None:
    author = Author(pk=77, name="by hand")
    with record_queries() as queries:
        await author.save()
    assert [query.sql.split()[0] for query in queries] == ["UPDATE", "INSERT"]
    with record_queries() as queries:
        await Author(pk=77, name="again").save()
    assert len(queries) == 1
    assert (await Author.objects.get()).name == "again"
    with pytest.raises(IntegrityError):
        await Author(pk=77, name="third").save(force_insert=True)
    with pytest.raises(Author.NotUpdated, match="no Author with key 78"):
        await Author(pk=78, name="x").save(force_update=True)
    with pytest.raises(ValueError, match="no primary key"):
        await Author(name="x").save(force_update=True)
    with pytest.raises(ValueError, match="does not go with"):
        await Author(name="x").save(force_insert=True, force_update=True)


@pytest.mark.row("models.update_fields")
async def test_update_fields_narrow_what_is_written(ann: Author) -> None:
    ann.name, ann.age = "changed", 99
    with record_queries() as queries:
        await ann.save(update_fields=["name"])
        await ann.save(update_fields=[])
    assert len(queries) == 1
    assert await Author.objects.values_list("name", "age").get() == ("changed", 30)
    with pytest.raises(ValueError, match="Did you mean 'name'"):
        await ann.save(update_fields=["nmae"])
    await Author.objects.all().delete()
    with pytest.raises(Author.NotUpdated):
        await ann.save(update_fields=["name"])


@pytest.mark.row("models.deferred_save")
async def test_a_partly_loaded_row_saves_what_it_has(ann: Author) -> None:
    row = await Author.objects.only("name").get()
    row.name = "new"
    await Author.objects.update(age=1)
    await row.save()
    assert await Author.objects.values_list("name", "age").get() == ("new", 1)
    row.age = 5
    await row.save()
    assert await Author.objects.values_list("age", flat=True).get() == 5


@pytest.mark.row("models.expressions")
async def test_expressions_are_computed_by_the_database_once(ann: Author) -> None:
    ann.age = F("age") + 1  # type: ignore[assignment]
    await ann.save()
    try:
        assert ann.age == 31
    except NotLoaded:
        # MySQL and MariaDB cannot return the value of an UPDATE: it is read when asked for.
        assert (await ann).age == 31
    await ann.save()
    assert (await Author.objects.get()).age == 31
    made = await Author.objects.create(name=Upper(Value("abc")))
    if "name" in made.get_deferred_fields():
        await made
    assert made.name == "ABC"
    with pytest.raises(FieldError, match="no row yet"):
        await Author(name="x", age=F("age") + 1).save()


@pytest.mark.row("signals.models")
async def test_signals_tell_before_and_after_in_order(blog: Any) -> None:
    seen: list[tuple[Any, ...]] = []

    async def before(sender: Any, instance: Any, **named: Any) -> None:
        seen.append(("before", instance.pk, named["update_fields"]))

    def after(sender: Any, instance: Any, created: bool, **named: Any) -> None:
        seen.append(("after", instance.pk is not None, created, named["using"]))

    pre_save.connect(before, sender=Author)
    post_save.connect(after, sender=Author)
    try:
        author = Author(name="x")
        await author.save()
        await author.save(update_fields=["name"])
        await Tag.objects.create(label="other model")
        await Author.objects.bulk_create([Author(name="in bulk")])
    finally:
        pre_save.disconnect(before, sender=Author)
        post_save.disconnect(after, sender=Author)
    assert seen == [
        ("before", None, None),
        ("after", True, True, "default"),
        ("before", author.pk, frozenset({"name"})),
        ("after", True, False, "default"),
    ]


@pytest.mark.row("fields.dates", "signals.silent")
async def test_automatic_dates_are_set_by_save_alone(ann: Author) -> None:
    book = Book(name="x")
    await book.save()
    created, changed = book.created, book.changed
    assert created.tzinfo is not None
    await book.save()
    assert book.created == created
    assert book.changed > changed
    changed = book.changed
    await book.save(update_fields=["name"])
    assert book.changed == changed
    again = await Book.objects.get()
    assert (again.created, again.changed) == (book.created, book.changed)
    found, created_now = await Book.objects.update_or_create(name="x", defaults={"owner": ann})
    assert not created_now
    assert found.changed > changed


@pytest.mark.row("models.refresh")
async def test_refresh_reads_again_and_forgets_relations(ann: Author) -> None:
    article = await Article.objects.create(title="x", author=ann)
    bob = await Author.objects.create(name="Bob")
    await Article.objects.update(title="y", author=bob, views=3)
    assert article.author is ann
    await article.refresh_from_db(fields=["views"])
    assert (article.title, article.views) == ("x", 3)
    await article.refresh_from_db()
    assert article.title == "y"
    assert (await article.author).name == "Bob"
    await article.refresh_from_db(from_queryset=Article.objects.select_related("author"))
    assert article.author.name == "Bob"
    with pytest.raises(ValueError, match="fields of the instance itself"):
        await article.refresh_from_db(fields=["author__name"])
    await Article.objects.all().delete()
    with pytest.raises(Article.DoesNotExist):
        await article.refresh_from_db()


@pytest.mark.row("queries.get_or_create", "queries.update_or_create")
async def test_get_or_create_and_update_or_create(ann: Author) -> None:
    found, created = await Author.objects.get_or_create(email="ann@example.com", defaults={"name": "no"})
    assert (found.name, created) == ("Ann", False)
    calls: list[int] = []
    found, created = await Author.objects.get_or_create(
        email__iexact="bob@example.com", defaults={"email": "bob@example.com", "name": lambda: calls.append(1) or "Bob"}
    )
    assert (found.name, created, calls) == ("Bob", True, [1])
    found, created = await Author.objects.update_or_create(email="bob@example.com", defaults={"name": "Rob"})
    assert (found.name, created) == ("Rob", False)
    found, created = await Author.objects.update_or_create(
        email="cid@example.com", defaults={"age": 1}, create_defaults={"name": "Cid"}
    )
    assert (found.name, found.age, created) == ("Cid", None, True)
    with pytest.raises(FieldError, match="Did you mean 'name'"):
        await Author.objects.get_or_create(email="d@example.com", defaults={"nmae": "x"})
    with pytest.raises(Author.MultipleObjectsReturned):
        await Author.objects.get_or_create(email__isnull=False)


@pytest.mark.row("queries.get_or_create")
async def test_many_get_or_create_at_once_make_one_row(blog: Any) -> None:
    results = await asyncio.gather(
        *[Author.objects.get_or_create(email="same@example.com", defaults={"name": str(n)}) for n in range(5)]
    )
    assert sum(created for _author, created in results) == 1
    assert len({author.pk for author, _created in results}) == 1
    async with transaction.atomic():
        inside = await asyncio.gather(*[Tag.objects.get_or_create(label="inside") for _ in range(3)])
    assert sum(created for _tag, created in inside) == 1


@pytest.mark.row("queries.bulk_create")
async def test_bulk_create_reads_keys_back(blog: Database) -> None:
    made = [Author(name=f"n{n}", age=n) for n in range(50)]
    with record_queries() as queries:
        assert await Author.objects.bulk_create(made) == made
    assert sum("INSERT" in query.sql for query in queries) == 1
    assert await Author.objects.count() == 50
    assert not any(author._state.adding for author in made)
    if blog.dialect.has_returning:
        assert {author.pk: author.name for author in made} == dict(await Author.objects.values_list("pk", "name"))
    with record_queries() as queries:
        await Author.objects.bulk_create([Author(name="x") for _ in range(5)], batch_size=2)
        await Author.objects.bulk_create([])
    assert sum("INSERT" in query.sql for query in queries) == (3)
    await Author.objects.bulk_create([Author(pk=1000, name="with key"), Author(name="without")])
    assert (await Author.objects.get(pk=1000)).name == "with key"
    await Author.objects.bulk_create([Author(name=Lower(Value("MIXED"))), Author(name="plain")])
    assert await Author.objects.filter(name="mixed").exists()


@pytest.mark.row("queries.bulk_create")
async def test_bulk_create_meets_rows_in_the_way(ann: Author, blog: Database) -> None:
    rows = [Author(name="other", email="ann@example.com", age=1), Author(name="new", email="new@example.com")]
    await Author.objects.bulk_create(rows, ignore_conflicts=True)
    assert await Author.objects.order_by("pk").values_list("name", flat=True) == ["Ann", "new"]
    unique = ["email"] if blog.dialect.has_conflict_target else None
    await Author.objects.bulk_create(
        [Author(name="changed", email="ann@example.com", age=2)],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=unique,
    )
    assert await Author.objects.filter(email="ann@example.com").values_list("name", "age") == [("changed", 30)]
    with pytest.raises(IntegrityError):
        await Author.objects.bulk_create([Author(name="x"), Author(name="y", email="ann@example.com")])
    assert not await Author.objects.filter(name="x").exists()
    with pytest.raises(ValueError, match="not both"):
        await Author.objects.bulk_create([], ignore_conflicts=True, update_conflicts=True)
    with pytest.raises(ValueError, match="needs update_fields"):
        await Author.objects.bulk_create([], update_conflicts=True)
    with pytest.raises(TypeError, match="got"):
        await Author.objects.bulk_create([Tag(label="x")])  # type: ignore[list-item]


@pytest.mark.row("queries.bulk_update")
async def test_bulk_update_writes_each_row_its_own_values(ann: Author) -> None:
    rows = await Article.objects.bulk_create(
        [Article(title=str(n), author=ann, rating=Decimal(n), published_at=NOON) for n in range(5)]
    )
    rows = list(await Article.objects.order_by("pk"))
    for number, row in enumerate(rows):
        row.views, row.published_at, row.title = number * 2, NOON + dt.timedelta(days=number), "not written"
    rows[0].views = F("views") + 100  # type: ignore[assignment]
    assert await Article.objects.bulk_update(rows, ["views", "published_at"]) == 5
    found = await Article.objects.order_by("pk").values_list("views", "published_at", "title")
    assert found == [
        (100 if number == 0 else number * 2, NOON + dt.timedelta(days=number), str(number)) for number in range(5)
    ]
    with pytest.raises(ValueError, match="names of the fields"):
        await Article.objects.bulk_update(rows, [])
    with pytest.raises(ValueError, match="primary keys"):
        await Article.objects.bulk_update(rows, ["id"])
    with pytest.raises(ValueError, match="no primary key"):
        await Article.objects.bulk_update([Article(title="x", author=ann)], ["views"])


async def test_bulk_update_returns_how_many_rows_there_were(ann: Author) -> None:
    """Of two instances with one key the first counts, and a row that is gone is none: on all databases."""
    await Article.objects.bulk_create([Article(title=str(n), author=ann, published_at=NOON) for n in range(4)])
    rows = list(await Article.objects.order_by("pk"))
    again = list(await Article.objects.order_by("pk"))
    for number, row in enumerate([*rows, *again]):
        row.views = number
    await Article.objects.filter(pk=rows[3].pk).delete()

    assert await Article.objects.bulk_update([rows[0], rows[0]], ["views"]) == 1
    assert await Article.objects.bulk_update([*rows, *again], ["views"]) == 3
    assert await Article.objects.bulk_update([*rows, *again], ["views"], batch_size=1) == 3
    assert await Article.objects.bulk_update([rows[3]], ["views"]) == 0

    assert await Article.objects.order_by("pk").values_list("views", flat=True) == [0, 1, 2]
    rows[1].views = F("views") + 10  # type: ignore[assignment]
    rows[3].views = F("views") + 10  # type: ignore[assignment]
    assert await Article.objects.bulk_update(rows, ["views"]) == 3


async def test_bulk_update_counts_a_row_once_whose_keys_are_one_to_the_database_alone(database: Database) -> None:
    """A collation may know no case, accents or spaces at the end; Python does, and PostgreSQL."""
    collations = {"sqlite": "nocase", "mysql": "utf8mb4_general_ci", "postgresql": "C"}
    with apps.isolate():

        class Word(models.Model):
            text = models.CharField(max_length=20, primary_key=True, db_collation=collations[database.vendor])
            times = models.IntegerField()

            class Meta:
                app_label = "testwords"

    await create_tables(database, [Word])
    await Word.objects.bulk_create([Word(text="ann", times=0), Word(text="Bob", times=0), Word(text="c ", times=0)])
    given = [Word(text="Ann", times=1), Word(text="ANN", times=2), Word(text="Bob", times=3)]

    with record_queries() as queries:
        rows = await Word.objects.bulk_update(given, ["times"])
    plain = await Word.objects.bulk_update([Word(text="Bob", times=3), Word(text="c ", times=4)], ["times"])

    assert (rows, plain) == (1 if database.vendor == "postgresql" else 2, 2)
    assert len(queries) == (1 if database.vendor == "postgresql" else 2)
    assert dict(await Word.objects.values_list("text", "times")) == {
        "ann": 0 if database.vendor == "postgresql" else 1,
        "Bob": 3,
        "c ": 4,
    }
    if database.vendor == "mysql":
        assert await Word.objects.bulk_update([Word(text="c", times=5), Word(text="ç", times=6)], ["times"]) == 1
        assert (await Word.objects.get(text="c ")).times == 5


async def test_bulk_update_of_a_row_in_two_tables_counts_it_once(tree: Any) -> None:
    made = [await Restaurant.objects.create(name=str(n)) for n in range(3)]
    await Restaurant.objects.filter(pk=made[2].pk).delete()
    assert await Restaurant.objects.bulk_update([*made, *made], ["name"]) == 2
    assert await Restaurant.objects.bulk_update([*made, *made], ["name", "stars"]) == 2


async def test_bulk_paths_send_their_own_signals_once(ann: Author) -> None:
    seen: list[tuple[str, Any]] = []

    def note(name: str) -> Any:
        def receiver(sender: Any, **named: Any) -> None:
            seen.append((name, named.get("rows", len(named.get("instances", ())))))

        return receiver

    signals = {
        "pre_bulk_create": pre_bulk_create,
        "post_bulk_create": post_bulk_create,
        "post_bulk_update": post_bulk_update,
        "pre_update": pre_update,
        "post_update": post_update,
    }
    receivers = {name: note(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(receivers[name], sender=Author)
    try:
        await Author.objects.bulk_create([Author(name="a"), Author(name="b")])
        rows = list(await Author.objects.all())
        await Author.objects.bulk_update(rows, ["name"])
        await Author.objects.update(age=1)
    finally:
        for name, signal in signals.items():
            signal.disconnect(receivers[name], sender=Author)
    assert seen == [
        ("pre_bulk_create", 2),
        ("post_bulk_create", 2),
        ("post_bulk_update", 3),
        ("pre_update", 0),
        ("post_update", 3),
    ]


@pytest.mark.row("inheritance.tables")
async def test_a_model_in_two_tables_is_one_instance(tree: Any) -> None:
    with record_queries() as queries:
        made = await Restaurant.objects.create(name="Chez", stars=2)
    assert sum("INSERT" in query.sql for query in queries) == 2
    assert made.pk == made.id == made.place_ptr_id  # type: ignore[attr-defined]
    found = await Restaurant.objects.get(name="Chez", stars__gt=1)
    assert (found.name, found.stars) == ("Chez", 2)
    found.name, found.stars = "Chez nous", 3
    await found.save()
    assert await Restaurant.objects.values_list("name", "stars").get() == ("Chez nous", 3)
    place = await Place.objects.get()
    assert place.name == "Chez nous"
    assert (await place.restaurant).stars == 3  # type: ignore[attr-defined]
    assert await Place.objects.filter(restaurant__stars=3).exists()
    assert await Restaurant.objects.filter(name__startswith="Chez").update(stars=1, name="new") == 1
    assert await Restaurant.objects.order_by("name").values("name", "stars") == [{"name": "new", "stars": 1}]
    with pytest.raises(ValueError, match="more than one table"):
        await Restaurant.objects.bulk_create([Restaurant(name="x")])
    assert await found.delete() == (2, {"testtree.Restaurant": 1, "testtree.Place": 1})
    assert await Place.objects.count() == 0


@pytest.mark.row("inheritance.proxy")
async def test_a_proxy_is_the_same_rows(tree: Any) -> None:
    place = await FamousPlace.objects.create(name="x")
    assert await Place.objects.get() == place
    assert isinstance(await FamousPlace.objects.get(), FamousPlace)


@pytest.mark.row("constraints.errors")
async def test_constraints_of_the_database_are_named_errors(ann: Author) -> None:
    with pytest.raises(IntegrityError):
        await Author.objects.create(name="x", email="ann@example.com")
    with pytest.raises(IntegrityError):
        async with transaction.atomic():
            await Article.objects.create(title="x", author=Author.unloaded(999_999))
    assert await Article.objects.count() == 0


@pytest.mark.row("models.expressions")
async def test_what_an_expression_made_is_there_after_a_refresh(ann: Author) -> None:
    """The usual way to count up; on databases that do not tell the new value as well, and a deferred field stays so."""
    article = await Article.objects.create(title="x", author=ann, views=1)
    article.views = F("views") + 1  # type: ignore[assignment]
    await article.save(update_fields=["views"])
    await article.save()
    await article.refresh_from_db()
    assert article.views == 2
    partly = await Article.objects.defer("body").get(pk=article.pk)
    partly.views = F("views") + 1  # type: ignore[assignment]
    await partly.save(update_fields=["views"])
    await partly.refresh_from_db()
    assert partly.views == 3
    assert partly.get_deferred_fields() == {"body"}


async def test_an_instance_of_which_nothing_is_known_writes_nothing(ann: Author) -> None:
    row = Author.unloaded(ann.pk)
    await row.save()
    assert (await Author.objects.get(pk=ann.pk)).name == "Ann"
    row.name = "only the name"
    await row.save()
    found = await Author.objects.get(pk=ann.pk)
    assert (found.name, found.email) == ("only the name", "ann@example.com")
    article = await Article.objects.create(title="x", author=ann)
    stub = (await Article.objects.get(pk=article.pk)).author
    await stub.save()
    assert (await Author.objects.get(pk=ann.pk)).name == "only the name"
