"""The peer FastAPI with SQLAlchemy's async ORM."""

from __future__ import annotations

import datetime as dt

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.apps.pydantic_types import ORDERS, Order
from benchmarks.data import database_url

engine = create_async_engine(database_url().replace("postgres://", "postgresql+asyncpg://"), pool_size=10)
session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """The declarative base."""


class Author(Base):
    """An author."""

    __tablename__ = "bench_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Article(Base):
    """An article of ten columns."""

    __tablename__ = "bench_article"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("bench_author.id"))
    published_at: Mapped[dt.datetime]
    views: Mapped[int]
    rating: Mapped[float]
    slug: Mapped[str]
    active: Mapped[bool]
    language: Mapped[str]


class ArticleOut(BaseModel):
    """All ten columns."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    title: str
    body: str
    author_id: int
    published_at: dt.datetime
    views: int
    rating: float
    slug: str
    active: bool
    language: str


@app.get("/json")
async def small() -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@app.post("/order")
async def order(data: Order) -> Order:
    """Answer the body that came."""
    return data


@app.get("/objects")
async def objects() -> list[Order]:
    """Answer a hundred typed objects."""
    return ORDERS


@app.get("/articles", response_model=list[ArticleOut])
async def articles():
    """List a hundred rows."""
    async with session() as s:
        return (await s.scalars(select(Article).order_by(Article.id).limit(100))).all()


@app.get("/articles/{pk}", response_model=ArticleOut)
async def article(pk: int):
    """Read one row by its key."""
    async with session() as s:
        return await s.get(Article, pk)
