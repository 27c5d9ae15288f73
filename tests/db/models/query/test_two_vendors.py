"""PostgreSQL as ``default`` and MariaDB as ``other`` at once: every path of reading and writing stays where it belongs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.conf import override
from covet.db import connections, transaction
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models import Count, F, Q, signals
from covet.db.observe import record_queries
from tests._apps.blog.models import MODELS, Article, Author, Comment, Profile, Tag
from tests.conftest import Scratch
from tests.db.models.conftest import create_tables


class AllElsewhere:
    """Reads and writes of every model go to ``other``."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "other"

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        return "other"


class ReadsElsewhere:
    """A replica: written here, read there."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "other"

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        return "default"

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        return True


@pytest.fixture
async def two(scratch: Scratch) -> AsyncIterator[tuple[Database, Database]]:
    urls = {"default": await scratch("postgresql"), "other": await scratch("mysql")}
    with override(DATABASES=urls):
        for alias in urls:
            await create_tables(connections[alias], MODELS)
        yield connections["default"], connections["other"]
        await connections["default"].close()
        await connections["other"].close()


async def use_everything(author: Author) -> None:
    """Walk all paths that start at one instance."""
    author.name = "renamed"
    await author.save()
    await author.save(update_fields=["name"])
    await author.refresh_from_db()
    article = await author.articles.create(title="one")
    await author.articles.get_or_create(title="two")
    await author.articles.update_or_create(title="two", defaults={"views": 3})
    tag = await article.tags.create(label="red")
    await article.tags.add(tag)
    await article.tags.set([tag])
    await tag.articles.remove(article)  # type: ignore[attr-defined]
    await article.tags.clear()
    await author.articles.filter(views=3).update(views=F("views") + 1)
    await Profile.objects.using(author._state.db).create(author=author, bio="x")
    assert (await author.profile).bio == "x"  # type: ignore[attr-defined]
    assert await author.articles.aggregate(n=Count("pk")) == {"n": 2}
    async for one in author.articles.iterator(chunk_size=1):
        assert (await one.author).name == "renamed"
        await one.comments.create(text="hm")  # type: ignore[attr-defined]
    await author.full_clean()
    await author.articles.exclude(Q(views__gt=100)).delete()
    await author.delete()


async def test_what_starts_at_an_instance_stays_on_its_database(two: tuple[Database, Database]) -> None:
    author = await Author.objects.using("other").create(name="far", email="far@example.com", age=5)
    with record_queries() as queries:
        await use_everything(author)

    assert {query.alias for query in queries} == {"other"}
    assert [await model.objects.count() for model in (Author, Article, Tag, Comment)] == [0, 0, 0, 0]


async def test_a_router_moves_everything(two: tuple[Database, Database]) -> None:
    with override(DATABASE_ROUTERS=[AllElsewhere()]), record_queries() as queries:
        author = await Author.objects.create(name="far", email="far@example.com", age=5)
        await Author.objects.bulk_create([Author(name=str(n)) for n in range(3)])
        await Author.objects.bulk_update(list(await Author.objects.all()), ["name"])
        await Author.objects.get_or_create(name="got")
        await Author.objects.update_or_create(name="got", defaults={"age": 1})
        await Author.objects.filter(name="got").update(age=2)
        await Author.objects.prefetch_related("articles__tags").select_related("profile")
        assert await Author.objects.in_bulk([author.pk])
        await use_everything(author)
        await Author.objects.all().delete()

    assert {query.alias for query in queries} == {"other"}


async def test_reads_of_a_replica_and_writes_of_the_primary(two: tuple[Database, Database]) -> None:
    with override(DATABASE_ROUTERS=[ReadsElsewhere()]), record_queries() as queries:
        await Author.objects.create(name="primary")
        assert await Author.objects.count() == 0
        await Author.objects.filter(name="primary").update(age=1)
        await Author.objects.using("default").get_or_create(name="primary")
    assert {(query.sql.split()[0], query.alias) for query in queries} >= {("INSERT", "default"), ("UPDATE", "default")}
    assert [query.alias for query in queries if "COUNT" in query.sql.upper()] == ["other"]


async def test_transactions_of_two_vendors_nest_and_end_on_their_own(two: tuple[Database, Database]) -> None:
    order: list[str] = []
    async with transaction.atomic():
        await Author.objects.create(name="here")
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic(using="other"):
                await asyncio.gather(
                    *[Author.objects.using("other").create(name=str(n)) for n in range(4)],
                    *[Author.objects.create(name=str(n)) for n in range(4)],
                )
                transaction.on_commit(lambda: order.append("never"), using="other")
                1 / 0
        async with transaction.atomic(using="other"):
            await Author.objects.using("other").create(name="there")
            transaction.on_commit(lambda: order.append("there"), using="other")
            transaction.on_commit(lambda: order.append("here"))
        assert order == ["there"]
        with pytest.raises(IntegrityError):
            async with transaction.atomic(using="other"), transaction.atomic():
                await Author.objects.using("other").create(name="x", email="same@example.com")
                await Author.objects.create(name="x")
                await Author.objects.using("other").create(name="y", email="same@example.com")
    assert order == ["there", "here"]
    assert await Author.objects.count() == 5
    assert await Author.objects.using("other").values_list("name", flat=True) == ["there"]


async def test_a_row_is_copied_to_the_other_vendor(two: tuple[Database, Database]) -> None:
    seen: list[str] = []

    def note(sender: Any, using: str, created: bool, **named: Any) -> None:
        seen.append(f"{using} {created}")

    author = await Author.objects.create(name="Ann", age=3)
    signals.post_save.connect(note, sender=Author)
    try:
        await author.save(using="other")
        assert author._state.db == "other"
        author.age = 4
        await author.save()
        await author.save(using="default")
    finally:
        signals.post_save.disconnect(note, sender=Author)

    assert seen == ["other True", "other False", "default False"]
    ages = [(await Author.objects.using(alias).get(pk=author.pk)).age for alias in ("default", "other")]
    assert ages == [4, 4]


async def test_querysets_of_two_vendors_run_side_by_side(two: tuple[Database, Database]) -> None:
    for alias in ("default", "other"):
        author = await Author.objects.using(alias).create(name=f"of {alias}")
        await Article.objects.using(alias).bulk_create([Article(title=str(n), author=author) for n in range(30)])

    async def read(alias: str) -> set[str]:
        rows = await Article.objects.using(alias).filter(title__in=[str(n) for n in range(20)]).order_by("pk")
        return {(await row.author).name for row in rows}

    found = await asyncio.gather(*[read(alias) for _ in range(4) for alias in ("default", "other")])

    assert found == [{"of default"}, {"of other"}] * 4
