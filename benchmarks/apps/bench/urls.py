"""The paths that every contender answers."""

from __future__ import annotations

from benchmarks.apps import struct_types
from benchmarks.apps.payload import OBJECTS
from benchmarks.data import COLUMNS
from covet.db.models import QuerySet
from covet.http import Request
from covet.rest import ModelSchema, Router, Schema, permissions
from covet.urls import include, path

from .models import Article


class Item(Schema):
    """A line of an order."""

    sku: str
    count: int
    price: float


class Order(Schema):
    """A typed body of eight fields, one nested."""

    id: int
    name: str
    email: str
    active: bool
    score: float
    tags: list[str]
    note: str | None = None
    items: list[Item]


ORDERS = [Order(**data) for data in OBJECTS]


class ArticleOut(ModelSchema, model=Article, fields=COLUMNS):
    """All ten columns, under the names that the peers give them."""


api = Router(permissions=[permissions.AllowAny])


@api.get("/json")
async def small(request: Request) -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@api.post("/order")
async def order(request: Request, data: Order) -> Order:
    """Answer the body that came."""
    return data


@api.post("/order-struct")
async def order_struct(request: Request, data: struct_types.Order) -> struct_types.Order:
    """Answer the body that came, as a struct."""
    return data


@api.get("/objects")
async def objects(request: Request) -> list[Order]:
    """Answer a hundred typed objects."""
    return ORDERS


@api.get("/objects-struct")
async def objects_struct(request: Request) -> list[struct_types.Order]:
    """Answer a hundred structs."""
    return struct_types.ORDERS


@api.get("/articles", response=list[ArticleOut])
async def articles(request: Request) -> QuerySet[Article]:
    """List a hundred rows."""
    return Article.objects.order_by("pk")[:100]


@api.get("/articles/<int:pk>", response=ArticleOut)
async def article(request: Request, pk: int) -> Article:
    """Read one row by its key."""
    return await Article.objects.get(pk=pk)


urlpatterns = [path("", include(api))]
