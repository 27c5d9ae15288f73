"""Statements that are longer than the server takes: MySQL and MariaDB read no further than ``max_allowed_packet``."""

from __future__ import annotations

import pytest

from covet.db import transaction
from covet.db.database import Database
from covet.db.errors import StatementTooLong
from covet.db.models import Prefetch, prefetch_related_objects
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Profile

pytestmark = [pytest.mark.vendors("mysql"), pytest.mark.row("compiler.limits", on="mysql")]


@pytest.fixture
async def narrow(blog: Database) -> Database:
    """A database whose statements may have 20 kB."""
    await blog.fetch("SELECT 1")
    blog.driver.longest = 20_000  # type: ignore[attr-defined]  # what the first connection asks the server for
    return blog


async def test_the_limit_is_the_servers_own(blog: Database) -> None:
    ((longest,),) = await blog.fetch("SELECT @@SESSION.max_allowed_packet")
    assert blog.driver.longest == longest  # type: ignore[attr-defined]  # as above


async def test_a_statement_too_long_is_refused_and_costs_no_connection(blog: Database) -> None:
    author = await Author.objects.create(name="Ann")
    longest: int = blog.driver.longest  # type: ignore[attr-defined]  # as above
    async with transaction.atomic():
        await Author.objects.create(name="kept")
        with pytest.raises(StatementTooLong, match=r"MiB, and the server takes .*\(max_allowed_packet\)"):
            await Profile.objects.create(author=author, bio="z" * (longest + 1))
        with pytest.raises(StatementTooLong):
            await Author.objects.filter(name__in=["n" * 1000 + str(n) for n in range(longest // 1000 + 1)])
        assert await Author.objects.count() == 2
    assert await Author.objects.count() == 2


async def test_bulk_inserts_are_halved_until_they_fit(narrow: Database) -> None:
    async with transaction.atomic():
        made = await Author.objects.bulk_create([Author(name="n" * 90 + str(n)) for n in range(1000)])
    assert await Author.objects.count() == 1000
    assert {author.pk for author in made} == set(await Author.objects.values_list("pk", flat=True))
    with pytest.raises(StatementTooLong):
        await Profile.objects.bulk_create([Profile(author=made[0], bio="z" * 30_000)])


async def test_reads_by_many_keys_are_halved_until_they_fit(narrow: Database) -> None:
    authors = await Author.objects.bulk_create([Author(name=f"a{n}", email=f"{'e' * 60}{n}@x.org") for n in range(600)])
    await Article.objects.bulk_create([Article(title="t", author=author) for author in authors])
    emails = [str(author.email) for author in authors]
    with record_queries() as queries:
        found = await Author.objects.in_bulk(emails, field_name="email")
    assert len(found) == 600
    assert len([query for query in queries if query.error is None]) > 1

    narrow.driver.longest = 2_000  # type: ignore[attr-defined]  # as above
    articles = await Article.objects.order_by("pk")
    await prefetch_related_objects(articles, "author")
    assert len({article.author.name for article in articles}) == 600
    rows = await Author.objects.prefetch_related(Prefetch("articles", to_attr="all_articles"))
    assert all(len(row.all_articles) == 1 for row in rows)
