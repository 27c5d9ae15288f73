"""The peer django-ninja on ASGI."""

from __future__ import annotations

import datetime as dt

from benchmarks.apps.django_site import configure, make_article

configure(__name__)

from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI, Schema  # noqa: E402

from benchmarks.apps.payload import OBJECTS  # noqa: E402

Article = make_article()
api = NinjaAPI()


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


class ArticleOut(Schema):
    """All ten columns."""

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


ORDERS = [Order(**data) for data in OBJECTS]


@api.get("/json")
async def small(request) -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@api.post("/order", response=Order)
async def order(request, data: Order):
    """Answer the body that came."""
    return data


@api.get("/objects", response=list[Order])
async def objects(request):
    """Answer a hundred typed objects."""
    return ORDERS


@api.get("/articles", response=list[ArticleOut])
async def articles(request):
    """List a hundred rows."""
    return [row async for row in Article.objects.order_by("pk")[:100]]


@api.get("/articles/{pk}", response=ArticleOut)
async def article(request, pk: int):
    """Read one row by its key."""
    return await Article.objects.aget(pk=pk)


urlpatterns = [path("", api.urls)]
app = get_asgi_application()
