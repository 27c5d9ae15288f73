"""Load made-up authors, tags and articles: the same seed gives the same data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from faker import Faker

from blog.models import Article, Author, Tag
from covet.db import transaction
from covet.management import command
from covet.management.output import out

START = datetime(2024, 1, 1, tzinfo=UTC)


@command()
@click.option("--articles", default=10_000, show_default=True, help="How many articles to write.")
@click.option("--seed", default=1, show_default=True, help="The seed of the made-up data.")
@click.option("--batch", default=1_000, show_default=True, help="Rows written by one statement.")
async def load_blog(articles: int, seed: int, batch: int) -> None:
    """Load made-up authors, tags and articles; nothing is done when articles are there already."""
    if await Article.objects.exists():
        out.line("Articles are there already: nothing to do.")
        return
    fake = Faker()
    fake.seed_instance(seed)
    words = [f"{word}-{number}" for number, word in enumerate(fake.words(40, unique=False))]
    async with transaction.atomic():
        authors = await Author.objects.bulk_create(
            [Author(name=fake.name(), email=f"author{number}@example.com") for number in range(max(articles // 50, 1))]
        )
        tags = await Tag.objects.bulk_create([Tag(name=word) for word in words])
        link = Article.tags.through
        with out.progress(articles, "Articles") as progress:
            for first in range(0, articles, batch):
                numbers = range(first, min(first + batch, articles))
                rows = await Article.objects.bulk_create(
                    [
                        Article(
                            title=fake.sentence(nb_words=6).rstrip("."),
                            body=fake.paragraph(nb_sentences=5),
                            author=authors[number % len(authors)],
                            published_at=START + timedelta(minutes=37 * number),
                            views=fake.random_int(0, 5_000),
                        )
                        for number in numbers
                    ]
                )
                await link.objects.bulk_create(
                    [
                        link(article_id=row.pk, tag_id=tag.pk)
                        for row in rows
                        for tag in fake.random_elements(tags, length=2, unique=True)
                    ]
                )
                progress.advance(len(rows))
    out.line(f"{articles} articles by {len(authors)} authors, {len(tags)} tags.")
