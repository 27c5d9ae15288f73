"""``QuerySet.update`` of the common kind finds its statement by the names alone: what must not be lost by that."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet import timezone
from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models.signals import post_update, pre_update
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author

with apps.isolate():

    class Sheet(models.Model):
        title = models.CharField(max_length=20)
        version = models.VersionField()

        class Meta:
            app_label = "kept"

    class Place(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "kept"

    class Inn(Place):
        beds = models.IntegerField(default=0)

        class Meta:
            app_label = "kept"


@pytest.fixture
async def kept(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in (Sheet, Place, Inn):
            await editor.create_table(table_of(model))
    yield database


async def test_one_statement_serves_all_updates_of_the_same_names(blog: Database) -> None:
    ann, ben = await Author.objects.create(name="ann"), await Author.objects.create(name="ben")
    assert await Author.objects.filter(pk=ann.pk).update(name="anna", age=7) == 1
    before = len(blog.statements)
    with record_queries() as queries:
        assert await Author.objects.filter(pk=ben.pk).update(name="benno", age=8) == 1
        assert await Author.objects.filter(pk=0).update(name="nobody", age=0) == 0
    assert len(blog.statements) == before
    assert len(queries) == 2 and queries[0].sql == queries[1].sql
    assert sorted(await Author.objects.values_list("name", "age")) == [("anna", 7), ("benno", 8)]


async def test_null_and_a_value_are_two_statements(blog: Database) -> None:
    ann = await Author.objects.create(name="ann", age=7)
    for age in (8, None, 9, None):
        assert await Author.objects.filter(pk=ann.pk).update(age=age) == 1
        assert await Author.objects.values_list("age", flat=True).get() == age


async def test_conditions_are_part_of_what_is_kept(blog: Database) -> None:
    for name in ("ann", "ben"):
        await Author.objects.create(name=name, age=1)
    assert await Author.objects.filter(name="ann").update(age=2) == 1
    assert await Author.objects.filter(age=2).update(age=3) == 1
    assert await Author.objects.exclude(name="ann").update(age=4) == 1
    assert await Author.objects.filter(name="ann").filter(age=3).update(age=5) == 1
    assert await Author.objects.update(age=6) == 2
    assert await Author.objects.order_by("name").update(age=7) == 2
    assert await Author.objects.none().update(age=8) == 0


async def test_a_condition_in_another_time_zone_is_another_one(blog: Database) -> None:
    author = await Author.objects.create(name="x")
    late = dt.datetime(2024, 5, 1, 23, 30, tzinfo=dt.UTC)
    await Article.objects.create(title="a", author=author, published_at=late)
    for zone, found in (("UTC", 1), ("Asia/Tokyo", 0), ("UTC", 1)):
        with timezone.override(zone):
            assert await Article.objects.filter(published_at__date=dt.date(2024, 5, 1)).update(views=1) == found


async def test_an_unknown_name_is_refused_every_time(blog: Database) -> None:
    for _turn in range(2):
        with pytest.raises(FieldError, match="Did you mean 'name'"):
            await Author.objects.filter(pk=1).update(nme="x")
        await Author.objects.filter(pk=1).update(name="x")


async def test_receivers_are_told_and_change_nothing(blog: Database) -> None:
    ann = await Author.objects.create(name="ann")
    rows = Author.objects.filter(pk=ann.pk)
    told: list[tuple[str, Any]] = []

    def before(sender: Any, values: dict[str, Any], **kwargs: Any) -> None:
        told.append(("before", dict(values)))
        values["name"] = "forged"

    def after(sender: Any, rows: int, using: str, **kwargs: Any) -> None:
        told.append(("after", (rows, using)))

    await rows.update(name="b")  # its statement is kept now
    pre_update.connect(before, sender=Author)
    post_update.connect(after, sender=Author)
    try:
        await rows.update(name="c")
        await Article.objects.filter(pk=0).update(title="nobody is told")
    finally:
        pre_update.disconnect(before, sender=Author)
        assert await Author.objects.values_list("name", flat=True).get() == "c"
        await rows.update(name="d")
        post_update.disconnect(after, sender=Author)
    assert told == [("before", {"name": "c"}), ("after", (1, "default")), ("after", (1, "default"))]
    assert await Author.objects.values_list("name", flat=True).get() == "d"


async def test_rows_that_were_read_are_read_anew_after_an_update(blog: Database) -> None:
    await Author.objects.create(name="ann")
    rows = Author.objects.filter(name="ann")
    assert len(await rows) == 1
    await rows.update(name="ben")
    assert not rows.is_evaluated and await rows == []


async def test_the_version_counts_up_each_time(kept: Database) -> None:
    sheet = await Sheet.objects.create(title="a")
    for turn in range(2, 5):
        assert await Sheet.objects.filter(pk=sheet.pk).update(title="b") == 1
        assert await Sheet.objects.values_list("version", flat=True).get() == turn


async def test_columns_of_a_parent_lie_in_its_table_each_time(kept: Database) -> None:
    inn = await Inn.objects.create(name="a", beds=1)
    for turn in ("b", "c"):
        assert await Inn.objects.filter(pk=inn.pk).update(name=turn, beds=ord(turn)) == 1
        assert await Inn.objects.values_list("name", "beds").get() == (turn, ord(turn))
        assert await Place.objects.values_list("name", flat=True).get() == turn


def test_a_query_shows_nothing_of_its_values() -> None:
    rows = Author.objects.filter(name="secret")
    assert "secret" not in repr(rows.query) and "secret" not in repr(rows)
