"""Deleting: rules, order, counts, signals and statements."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db import models
from covet.db.models.signals import post_delete, pre_delete
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Book, Comment, Profile, Tag


@pytest.fixture
async def ann(blog: Any) -> Author:
    ann = await Author.objects.create(name="Ann")
    for number in range(2):
        article = await Article.objects.create(title=str(number), author=ann)
        await Comment.objects.create(article=article, text="x")
        await article.tags.add((await Tag.objects.get_or_create(label="t"))[0])
    await Profile.objects.create(author=ann)
    return ann


@pytest.mark.row("deletion.cascade", "deletion.algorithm")
async def test_deleting_goes_down_all_relations_and_counts(ann: Author) -> None:
    bob = await Author.objects.create(name="Bob")
    theirs = await Article.objects.create(title="by Bob", author=bob, editor=ann)
    assert await ann.delete() == (
        8,
        {
            "testblog.Author": 1,
            "testblog.Article": 2,
            "testblog.Comment": 2,
            "testblog.Article_tags": 2,
            "testblog.Profile": 1,
        },
    )
    assert ann.pk is None
    await theirs.refresh_from_db()
    assert theirs.editor is None
    assert await Tag.objects.count() == 1


@pytest.mark.row("queries.delete")
async def test_a_queryset_deletes_with_the_same_counts(ann: Author) -> None:
    assert await Article.objects.filter(author__name="Ann").delete() == (
        6,
        {"testblog.Article": 2, "testblog.Comment": 2, "testblog.Article_tags": 2},
    )
    left = await Article.objects.count()
    assert (await Article.objects.all().delete())[1].get("testblog.Article", 0) == left
    assert await Article.objects.all().delete() == (0, {})


@pytest.mark.row("deletion.algorithm")
async def test_rows_without_followers_go_by_one_statement(ann: Author) -> None:
    with record_queries() as queries:
        assert await Comment.objects.filter(text="x").delete() == (2, {"testblog.Comment": 2})
    assert len(queries) == 1
    profile = await Profile.objects.get()
    with record_queries() as queries:
        assert await profile.delete() == (1, {"testblog.Profile": 1})
    assert len(queries) == 1


@pytest.mark.row("deletion.protect")
async def test_protected_rows_refuse_and_are_listed(ann: Author) -> None:
    book = await Book.objects.create(name="x", owner=ann)
    with pytest.raises(models.ProtectedError, match=r"Book\.owner refers to them and is PROTECT") as caught:
        await ann.delete()
    assert caught.value.protected_objects == {book}
    assert await Author.objects.count() == 1
    assert await Article.objects.count() == 2


@pytest.mark.row("signals.models", "deletion.algorithm")
async def test_signals_tell_of_every_row(ann: Author) -> None:
    seen: list[tuple[str, str, Any]] = []

    def before(sender: Any, instance: Any, origin: Any, **named: Any) -> None:
        seen.append(("before", type(instance).__name__, origin is ann))

    async def after(sender: Any, instance: Any, **named: Any) -> None:
        seen.append(("after", type(instance).__name__, instance.pk is not None))

    for sender in (Author, Comment):
        pre_delete.connect(before, sender=sender)
        post_delete.connect(after, sender=sender)
    try:
        await ann.delete()
    finally:
        for sender in (Author, Comment):
            pre_delete.disconnect(before, sender=sender)
            post_delete.disconnect(after, sender=sender)
    assert sorted(seen) == sorted(
        [
            ("before", "Author", True),
            ("before", "Comment", True),
            ("before", "Comment", True),
            ("after", "Author", True),
            ("after", "Comment", True),
            ("after", "Comment", True),
        ]
    )


@pytest.mark.row("queries.delete")
async def test_unsaved_sliced_and_valued_deletes_are_refused(blog: Any) -> None:
    with pytest.raises(ValueError, match="no primary key"):
        await Author(name="x").delete()
    with pytest.raises(TypeError, match="slice"):
        await Author.objects.all()[:1].delete()
    with pytest.raises(TypeError, match="values"):
        await Author.objects.values("name").delete()
    assert not hasattr(Author.objects, "delete")


@pytest.mark.row("deletion.set")
async def test_the_other_rules(database: Any) -> None:
    from covet.apps import apps
    from tests.db.models.conftest import create_tables

    with apps.isolate():

        class Owner(models.Model):
            class Meta:
                app_label = "rules"

        async def other() -> Any:
            return await Owner.objects.order_by("pk").first()

        class Thing(models.Model):
            kept = models.ForeignKey(Owner, on_delete=models.SET(other), null=True, related_name="+")
            limited = models.ForeignKey(Owner, on_delete=models.RESTRICT, null=True, related_name="+")
            usual = models.ForeignKey(Owner, on_delete=models.SET_DEFAULT, default=None, null=True, related_name="+")
            within = models.ForeignKey(Owner, on_delete=models.CASCADE, null=True, related_name="+")

            class Meta:
                app_label = "rules"

    await create_tables(database, [Owner, Thing])
    first, second = await Owner.objects.create(), await Owner.objects.create()
    thing = await Thing.objects.create(kept=second, usual=second)
    await second.delete()
    await thing.refresh_from_db()
    assert (thing.kept_id, thing.usual_id) == (first.pk, None)  # type: ignore[attr-defined]
    limited = await Owner.objects.create()
    thing.limited = limited
    await thing.save()
    with pytest.raises(models.RestrictedError, match=r"Thing\.limited") as caught:
        await limited.delete()
    assert caught.value.restricted_objects == {thing}
    # A row that goes by another relation anyway does not restrict.
    thing.within = limited
    await thing.save()
    assert await limited.delete() == (2, {"rules.Owner": 1, "rules.Thing": 1})
