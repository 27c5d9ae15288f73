"""What ``save``, ``refresh_from_db``, ``delete`` and ``get_FOO_display`` do at their edges."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.models import signals
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded, ValidationError
from tests._apps.blog.models import Article, Author, Profile, Tag
from tests.db.models.conftest import create_tables

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def ann(blog: Any) -> Author:
    return await Author.objects.create(name="Ann", age=30)


@pytest.mark.row("models.update_fields")
async def test_update_fields_that_cannot_be_are_refused_and_none_do_nothing(ann: Author) -> None:
    article = await Article.objects.create(title="x", author=ann)
    told: list[Any] = []

    def note(sender: Any, update_fields: Any, **named: Any) -> None:
        told.append(update_fields)

    with pytest.raises(ValueError, match="id"):
        await article.save(update_fields=["id"])
    with pytest.raises(ValueError, match="tags"):
        await article.save(update_fields=["tags"])
    signals.pre_save.connect(note, sender=Article)
    try:
        with record_queries() as queries:
            await article.save(update_fields=())
        assert (len(queries), told) == (0, [])
        await article.save(update_fields=["author_id", "title"])
        await article.save(update_fields=["author"])
    finally:
        signals.pre_save.disconnect(note, sender=Article)
    assert told == [frozenset({"author_id", "title"}), frozenset({"author"})]
    await Article.objects.all().delete()
    with pytest.raises(Article.NotUpdated):
        await article.save(update_fields=["title"])


@pytest.mark.row("models.deferred_save", "models.deferred")
async def test_a_deferred_field_that_is_assigned_is_saved_with_the_loaded_ones(ann: Author) -> None:
    row = await Author.objects.only("name").get()
    row.age = 31
    row.name = "Bob"
    assert row.get_deferred_fields() == {"email"}
    await Author.objects.update(email="kept@example.org")
    with record_queries() as queries:
        await row.save()
    (update,) = queries
    assert "email" not in update.sql
    assert await Author.objects.values_list("name", "age", "email").get() == ("Bob", 31, "kept@example.org")
    with pytest.raises(NotLoaded, match="email"):
        row.email
    await row.refresh_from_db(fields=["email"])
    assert row.email == "kept@example.org"
    del row.age
    assert row.get_deferred_fields() == {"age"}
    await row.refresh_from_db(fields=["age"])
    assert row.age == 31
    # A whole row may not be written to another database, or anew, from parts: what is missing is named.
    part = await Author.objects.only("name").get()
    part.pk = None
    part._state.adding = True
    with pytest.raises(NotLoaded):
        await part.save(force_insert=True)


@pytest.mark.row("models.expressions")
async def test_expressions_that_no_insert_can_compute_are_refused(ann: Author) -> None:
    with pytest.raises(FieldError):
        await Author(name="x", age=models.F("age") + 1).save()
    with pytest.raises(FieldError):
        await Article(title=models.F("author__name"), author=ann).save()
    ann.age = models.F("age") + 1  # type: ignore[assignment]  # an expression until it is saved
    await ann.save()
    await ann.save()
    await ann.fetch("age")
    assert ann.age == 31
    assert await Author.objects.values_list("age", flat=True) == [31]


@pytest.mark.row("models.refresh")
async def test_refresh_reads_what_is_named_and_by_a_queryset_of_ones_own(ann: Author) -> None:
    bob = await Author.objects.create(name="Bob")
    article = await Article.objects.create(title="old", body="old", author=ann)
    await Profile.objects.create(author=ann, bio="one")
    row = await Article.objects.select_related("author").prefetch_related("tags").get()
    await Article.objects.update(title="new", body="new", author=bob)
    await row.refresh_from_db(fields=["title"])
    assert (row.title, row.body, row.author.name) == ("new", "old", "Ann")
    await row.refresh_from_db(fields=["author"])
    assert row.author_id == bob.pk
    with pytest.raises(NotLoaded):
        row.author.name
    await row.refresh_from_db(from_queryset=Article.objects.select_related("author"))
    assert (row.body, row.author.name) == ("new", "Bob")
    row.tags.add  # the manager is there
    await article.tags.add(await Tag.objects.create(label="late"))
    assert [tag.label for tag in await row.tags.all()] == ["late"]
    person = await Author.objects.select_related("profile").get(pk=ann.pk)
    await Profile.objects.update(bio="two")
    await person.refresh_from_db()
    assert (await person.profile).bio == "two"
    with pytest.raises(ValueError, match="author__name"):
        await row.refresh_from_db(fields=["author__name"])
    with pytest.raises(ValueError, match="titel"):
        await row.refresh_from_db(fields=["titel"])
    await Article.objects.all().delete()
    with pytest.raises(Article.DoesNotExist):
        await row.refresh_from_db()


@pytest.mark.row("models.refresh", "relations.batches")
async def test_a_refreshed_row_gets_nothing_that_was_read_ahead(ann: Author, blog: Database) -> None:
    await Author.objects.create(name="Bob")
    first, second = list(await Author.objects.order_by("name"))
    await first.articles.all()
    with record_queries() as queries:
        await second.refresh_from_db()
        await second.articles.all()
    assert len(queries) == 2


@pytest.mark.row("models.pickle")
async def test_a_clone_is_a_new_row_and_copies_share_nothing(ann: Author) -> None:
    await Article.objects.create(title="x", author=ann)
    row = await Article.objects.select_related("author").get()
    shallow, deep = copy.copy(row), copy.deepcopy(row)
    assert shallow.author is row.author
    assert deep.author is not row.author
    assert deep.author == row.author
    shallow.pk = None
    shallow._state.adding = True
    await shallow.save()
    assert row.pk != shallow.pk
    assert not row._state.adding
    assert await Article.objects.count() == 2
    text = pickle.dumps(row)
    assert pickle.loads(text).author.name == "Ann"
    state = row.__reduce_ex__(4)[2]
    assert state["_covet_version"]
    other = Article.__new__(Article)
    with pytest.warns(RuntimeWarning, match=r"0\.0\.1"):
        other.__setstate__({**state, "_covet_version": "0.0.1"})
    assert other == row


@pytest.mark.row("models.display")
def test_what_a_model_writes_for_itself_is_not_replaced() -> None:
    with apps.isolate():

        class Own(models.Model):
            kind = models.CharField(max_length=1, choices={"a": "Apple", "b": "Pear"})

            class Meta:
                app_label = "letter"
                abstract = True

            def get_kind_display(self) -> str:
                return f"<{self.kind}>"

        class Fruit(Own):
            size: Any = models.IntegerField(choices=[("Small", [(1, "one")]), (2, "two")], null=True)
            grade: Any = models.IntegerField(choices=lambda: [(1, "first")])

            class Meta:
                app_label = "letter"

    fruit: Any = Fruit(kind="a", size=1, grade=1)
    assert (fruit.get_kind_display(), fruit.get_size_display(), fruit.get_grade_display()) == ("<a>", "one", "first")
    fruit.size, fruit.grade = 7, None
    assert (fruit.get_size_display(), fruit.get_grade_display()) == (7, None)


@pytest.mark.row("models.full_clean")
async def test_cleaning_goes_step_by_step_and_later_steps_leave_failed_fields_alone(database: Database) -> None:
    steps: list[str] = []
    with apps.isolate():

        class Named(models.Model):
            name = models.CharField(max_length=5, unique=True)
            code = models.CharField(max_length=5, blank=True)
            rank = models.IntegerField(null=True, blank=True)

            class Meta:
                app_label = "letter"
                constraints = [models.CheckConstraint(condition=models.Q(rank__gt=0), name="letter_rank")]
                unique_together = [("code", "rank")]

            async def clean(self) -> None:
                steps.append("clean")
                self.code = self.code.strip()
                if self.name == "bad":
                    raise ValidationError({"name": "Bad."})

    await create_tables(database, [Named])
    row = await Named.objects.create(name="a", code="x", rank=1)
    await row.full_clean()
    with pytest.raises(ValidationError) as caught:
        await Named(name="a", code=" x ", rank=1).full_clean()
    assert set(caught.value.message_dict) == {"name", "__all__"}
    with record_queries() as queries, pytest.raises(ValidationError) as caught:
        await Named(name="much too long", code="y", rank=-1).full_clean()
    assert set(caught.value.message_dict) == {"name", "__all__"}
    assert not any("much too long" in query.args for query in queries)
    with pytest.raises(ValidationError) as caught:
        await Named(name="bad", rank=2).full_clean()
    assert caught.value.message_dict == {"name": ["Bad."]}
    # NULL passes a check and is never the same as another NULL.
    await Named(name="c", code="x").full_clean()
    await Named(name="a", rank=-1).full_clean(validate_unique=False, validate_constraints=False)
    await Named(name="a", rank=3).full_clean(exclude={"name"})
    assert steps.count("clean") == 7
    # Nothing of this is asked by save().
    before = len(steps)
    await Named(name="d", rank=9).save()
    assert len(steps) == before


@pytest.mark.row("deletion.algorithm")
async def test_delete_forgets_the_key_and_needs_one(ann: Author) -> None:
    key = ann.pk
    assert await ann.delete() == (1, {"testblog.Author": 1})
    assert ann.pk is None
    with pytest.raises(ValueError, match="no primary key"):
        await ann.delete()
    assert await Author.unloaded(key).delete() == (0, {})
