"""SQLAlchemy's asyncio session over asyncpg."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, Text, select, update
from sqlalchemy.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from benchmarks.data import COLUMNS, database_url
from benchmarks.peers.bare import Work, article_key, author_key, encode_json


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "bench_author"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))


class Article(Base):
    __tablename__ = "bench_article"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int] = mapped_column(ForeignKey("bench_author.id"))
    published_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    views: Mapped[int]
    rating: Mapped[float]
    slug: Mapped[str] = mapped_column(String(50))
    active: Mapped[bool]
    language: Mapped[str] = mapped_column(String(10))
    author: Mapped[Author] = relationship()


async def works(new_article: Callable[[], dict[str, Any]], tasks: int) -> dict[str, Work]:
    """Return the operations."""
    url = database_url().replace("postgres://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=16, max_overflow=0)
    session = async_sessionmaker(engine, expire_on_commit=False)
    page = select(Article).order_by(Article.id).limit(100)

    async def get() -> Any:
        async with session() as s:
            return await s.get(Article, article_key())

    async def rows() -> Any:
        async with session() as s:
            return (await s.scalars(page)).all()

    async def encode() -> Any:
        return encode_json([{name: getattr(row, name) for name in COLUMNS} for row in await rows()])

    async def create() -> Any:
        async with session() as s, s.begin():
            s.add(Article(**new_article()))

    async def save() -> Any:
        async with session() as s, s.begin():
            row = await s.get(Article, article_key())
            assert row is not None
            row.views += 1

    async def join() -> Any:
        async with session() as s:
            return (await s.scalars(page.options(joinedload(Article.author)))).all()

    async def touch() -> Any:
        async with session() as s:
            for row in (await s.scalars(page)).all():
                await row.awaitable_attrs.author

    async def transaction() -> Any:
        async with session() as s, s.begin():
            await s.execute(update(Author).where(Author.id == author_key()).values(name="x"))
            await s.get(Author, author_key())

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
