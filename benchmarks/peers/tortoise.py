"""Tortoise ORM over asyncpg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tortoise import Tortoise, fields
from tortoise.models import Model
from tortoise.transactions import in_transaction

from benchmarks.data import COLUMNS, database_url
from benchmarks.peers.bare import Work, article_key, author_key, encode_json


class Author(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=100)

    class Meta:
        table = "bench_author"


class Article(Model):
    id = fields.BigIntField(primary_key=True)
    title = fields.CharField(max_length=200)
    body = fields.TextField()
    author: Any = fields.ForeignKeyField("models.Author")
    published_at = fields.DatetimeField()
    views = fields.IntField()
    rating = fields.FloatField()
    slug = fields.CharField(max_length=50)
    active = fields.BooleanField()
    language = fields.CharField(max_length=10)

    class Meta:
        table = "bench_article"


async def works(new_article: Callable[[], dict[str, Any]], tasks: int) -> dict[str, Work]:
    """Return the operations."""
    url = database_url().replace("postgres://", "asyncpg://") + "?minsize=16&maxsize=16"
    await Tortoise.init(db_url=url, modules={"models": [__name__]}, use_tz=True)

    async def get() -> Any:
        return await Article.get(id=article_key())

    async def rows() -> Any:
        return await Article.all().order_by("id").limit(100)

    async def encode() -> Any:
        return encode_json(await Article.all().order_by("id").limit(100).values(*COLUMNS))

    async def create() -> Any:
        return await Article.create(**new_article())

    async def save() -> Any:
        row = await get()
        row.views += 1
        await row.save()

    async def join() -> Any:
        return await Article.all().select_related("author").order_by("id").limit(100)

    async def touch() -> Any:
        for row in await rows():
            await row.author

    async def transaction() -> Any:
        async with in_transaction() as connection:
            await Author.filter(id=author_key()).using_db(connection).update(name="x")
            await Author.get(id=author_key(), using_db=connection)

    return {
        "get by pk": get,
        "100 rows to instances": rows,
        "100 rows to JSON": encode,
        "insert": create,
        "load, change, save": save,
        "join to author": join,
        "row.author over 100": touch,
        "transaction": transaction,
    }
