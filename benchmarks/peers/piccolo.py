"""Piccolo over asyncpg, with its pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from piccolo.columns import (
    BigSerial,
    Boolean,
    DoublePrecision,
    ForeignKey,
    Integer,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.engine.postgres import PostgresEngine
from piccolo.table import Table

from benchmarks.data import database_url
from benchmarks.peers.bare import Work, article_key, author_key, encode_json

_parts = urlsplit(database_url())
ENGINE = PostgresEngine(
    config={
        "host": _parts.hostname,
        "port": _parts.port,
        "user": _parts.username,
        "password": _parts.password,
        "database": _parts.path[1:],
    },
    extensions=(),
    log_queries=False,
)


class Author(Table, tablename="bench_author", db=ENGINE):
    id = BigSerial(primary_key=True)
    name = Varchar(length=100)


class Article(Table, tablename="bench_article", db=ENGINE):
    id = BigSerial(primary_key=True)
    title = Varchar(length=200)
    body = Text()
    author = ForeignKey(Author, db_column_name="author_id")
    published_at = Timestamptz()
    views = Integer()
    rating = DoublePrecision()
    slug = Varchar(length=50)
    active = Boolean()
    language = Varchar(length=10)


async def works(new_article: Callable[[], dict[str, Any]], tasks: int) -> dict[str, Work]:
    """Return the operations."""
    await ENGINE.start_connection_pool(min_size=16, max_size=16)

    async def get() -> Any:
        return await Article.objects().get(Article.id == article_key())

    async def rows() -> Any:
        return await Article.objects().order_by(Article.id).limit(100)

    async def encode() -> Any:
        return encode_json(await Article.select().order_by(Article.id).limit(100))

    async def create() -> Any:
        values = new_article()
        await Article(author=values.pop("author_id"), **values).save()

    async def save() -> Any:
        row = await get()
        row.views += 1
        await row.save()

    async def join() -> Any:
        return await Article.objects(Article.author).order_by(Article.id).limit(100)

    async def touch() -> Any:
        for row in await rows():
            await row.get_related(Article.author)

    async def transaction() -> Any:
        async with ENGINE.transaction():
            await Author.update({Author.name: "x"}).where(Author.id == author_key())
            await Author.objects().get(Author.id == author_key())

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
