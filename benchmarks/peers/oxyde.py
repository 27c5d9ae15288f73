"""Oxyde: pydantic models over a Rust core."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from oxyde import Field, Model, db
from oxyde.db import transaction

from benchmarks.data import COLUMNS, database_url
from benchmarks.peers.bare import Work, article_key, author_key, encode_json


class Author(Model):
    id: int | None = Field(default=None, db_pk=True)
    name: str

    class Meta:
        is_table = True
        table_name = "bench_author"


class Article(Model):
    id: int | None = Field(default=None, db_pk=True)
    title: str
    body: str
    author: Author | None = Field(default=None, db_on_delete="CASCADE")
    published_at: dt.datetime
    views: int
    rating: float
    slug: str
    active: bool
    language: str

    class Meta:
        is_table = True
        table_name = "bench_article"


async def works(new_article: Callable[[], dict[str, Any]], tasks: int) -> dict[str, Work]:
    """Return the operations."""
    await db.init(default=database_url().replace("postgres://", "postgresql://"))

    async def get() -> Any:
        return await Article.objects.get(id=article_key())

    async def rows() -> Any:
        return await Article.objects.order_by("id").limit(100).all()

    async def encode() -> Any:
        return encode_json(await Article.objects.order_by("id").limit(100).values(*COLUMNS).all())

    async def create() -> Any:
        return await Article.objects.create(**new_article())

    async def save() -> Any:
        row = await get()
        row.views += 1
        await row.save()

    async def join() -> Any:
        return await Article.objects.join("author").order_by("id").limit(100).all()

    async def touch() -> Any:
        for row in await rows():
            await Author.objects.get(id=row.author_id)

    async def block() -> Any:
        async with transaction.atomic():
            await Author.objects.filter(id=author_key()).update(name="x")
            await Author.objects.get(id=author_key())

    return {
        "get by pk": get,
        "100 rows to instances": rows,
        "100 rows to JSON": encode,
        "insert": create,
        "load, change, save": save,
        "join to author": join,
        "row.author over 100": touch,
        "transaction": block,
    }
