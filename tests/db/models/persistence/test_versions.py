"""``VersionField`` on the three databases: what was changed since it was read is not overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from covet.apps import apps
from covet.db import models, transaction
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import NotLoaded

with apps.isolate():

    class Page(models.Model):
        title = models.CharField(max_length=20)
        body = models.TextField(default="")
        version = models.VersionField()

        class Meta:
            app_label = "wiki"

    class Link(models.Model):
        page = models.ForeignKey(Page, on_delete=models.CASCADE)
        url = models.CharField(max_length=20)

        class Meta:
            app_label = "wiki"

    class Talk(Page):
        topic = models.CharField(max_length=20, default="")

        class Meta:
            app_label = "wiki"


@pytest.fixture
async def wiki(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in (Page, Link, Talk):
            await editor.create_table(table_of(model))
    yield database


async def two(**values: str) -> tuple[Page, Page]:
    """One page, read twice."""
    page = await Page.objects.create(title="a", **values)
    return page, await Page.objects.get(pk=page.pk)


@pytest.mark.row("fields.version")
async def test_each_save_counts_up_in_one_statement(wiki):
    page = await Page.objects.create(title="a")
    assert page.version == 1

    with record_queries() as queries:
        await page.save()
    await page.save(update_fields=["title"])

    assert len(queries) == 1
    assert page.version == (await Page.objects.get()).version == 3


@pytest.mark.row("fields.version")
async def test_a_stale_save_is_refused_and_writes_nothing(wiki):
    mine, theirs = await two()
    theirs.title = "theirs"
    await theirs.save()

    mine.title = "mine"
    with pytest.raises(models.VersionConflict, match=r"Page .* was changed by somebody else.*version 1") as caught:
        await mine.save()

    assert (caught.value.instance, caught.value.version) == (mine, 1)
    assert isinstance(caught.value, Page.NotUpdated)
    assert (await Page.objects.get()).title == "theirs"
    await mine.refresh_from_db()
    mine.title = "mine"
    await mine.save()
    assert (await Page.objects.get()).title == "mine"


async def test_update_fields_cannot_lose_an_update(wiki):
    mine, theirs = await two()
    await theirs.save(update_fields=["body"])

    with pytest.raises(models.VersionConflict):
        await mine.save(update_fields=["title"])
    with pytest.raises(models.VersionConflict):
        await mine.save(force_update=True)


async def test_a_deleted_row_is_not_brought_back(wiki):
    mine, theirs = await two()
    await theirs.delete()

    with pytest.raises(models.VersionConflict, match="is gone"):
        await mine.save()

    assert await Page.objects.count() == 0


async def test_a_new_instance_overwrites_nothing(wiki):
    page = await Page.objects.create(title="a")

    with pytest.raises(IntegrityError):
        await Page(pk=page.pk, title="b").save()

    copy = await Page.objects.get()
    copy.pk = None
    copy._state.adding = True
    await copy.save()
    assert await Page.objects.count() == 2


async def test_a_version_that_was_not_read_must_be(wiki):
    await Page.objects.create(title="a")
    page = await Page.objects.only("title").get()

    with pytest.raises(NotLoaded, match="version"):
        await page.save()

    await page.fetch("version")
    await page.save()
    assert page.version == 2


async def test_an_expression_is_written_under_the_same_guard(wiki):
    mine, theirs = await two()
    theirs.title = models.Value("expression")
    await theirs.save()

    mine.title = models.Value("late")
    with pytest.raises(models.VersionConflict):
        await mine.save()
    assert (await Page.objects.get()).title == "expression"


async def test_of_many_writers_one_wins_each_round(wiki):
    page = await Page.objects.create(title="0")

    async def add_one() -> None:
        while True:
            try:
                async with transaction.atomic():
                    mine = await Page.objects.get(pk=page.pk)
                    mine.title = str(int(mine.title) + 1)
                    await mine.save()
                return
            except models.VersionConflict:
                continue

    await asyncio.gather(*[add_one() for _ in range(8)])

    found = await Page.objects.get()
    assert (found.title, found.version) == ("8", 9)


async def test_a_stale_delete_is_refused(wiki):
    mine, theirs = await two()
    await Link.objects.create(page=mine, url="x")
    await theirs.save()

    with pytest.raises(models.VersionConflict, match="not deleted"):
        await mine.delete()

    assert (await Page.objects.count(), await Link.objects.count()) == (1, 1)
    assert await theirs.delete() == (2, {"wiki.Link": 1, "wiki.Page": 1})


async def test_a_stale_delete_of_a_plain_row_is_refused(wiki):
    mine = await Talk.objects.create(title="t")
    theirs = await Talk.objects.get()
    await theirs.save()
    assert (theirs.version, (await Page.objects.get()).version) == (2, 2)

    with pytest.raises(models.VersionConflict):
        await mine.delete()
    mine.topic = "x"
    with pytest.raises(models.VersionConflict):
        await mine.save()

    assert (await Talk.objects.get()).topic == ""
    await theirs.delete()
    assert await Page.objects.count() == 0


async def test_a_child_counts_the_version_of_its_parent(wiki):
    talk = await Talk.objects.create(title="t")
    page = await Page.objects.get()
    talk.topic = "x"
    await talk.save(update_fields=["topic"])

    assert talk.version == 2
    with pytest.raises(models.VersionConflict):
        await page.save()


async def test_update_counts_up_without_comparing(wiki):
    mine, _ = await two()

    assert await Page.objects.filter(pk=mine.pk).update(title="u") == 1

    assert (await Page.objects.get()).version == 2
    with pytest.raises(models.VersionConflict):
        await mine.save()
    assert await Page.objects.update(version=7) == 1
    assert (await Page.objects.get()).version == 7


async def test_bulk_update_compares_all_before_it_writes(wiki):
    pages = await Page.objects.bulk_create([Page(title=name) for name in "ab"])
    pages = list(await Page.objects.order_by("title"))
    for page in pages:
        page.body = "new"
    assert await Page.objects.bulk_update(pages, ["body"]) == 2
    assert [page.version for page in pages] == [2, 2]
    assert [page.version for page in await Page.objects.all()] == [2, 2]

    await Page.objects.filter(title="b").update(title="c")
    for page in pages:
        page.body = "late"
    with pytest.raises(models.VersionConflict):
        await Page.objects.bulk_update(pages, ["body"])

    assert {page.body for page in await Page.objects.all()} == {"new"}
    assert [page.version for page in pages] == [2, 2]


async def test_update_or_create_counts_up(wiki):
    page, _ = await Page.objects.update_or_create(title="a", defaults={"body": "1"})
    again, is_new = await Page.objects.update_or_create(title="a", defaults={"body": "2"})

    assert (again.version, is_new) == (2, False)
    with pytest.raises(models.VersionConflict):
        await page.save()


def test_a_version_is_deconstructed_without_what_goes_without_saying():
    assert models.VersionField().deconstruct()[2:] == ([], {})
    assert models.VersionField(default=0, editable=True).deconstruct()[3] == {"default": 0, "editable": True}
    assert not Page._meta.get_field("version").editable
